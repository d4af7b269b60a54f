"""Takes a model of words through a part of a text: by the kernels over threads, or in PyTorch where there are none."""

import ctypes
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch
from torch import Tensor

from samoyed.layers.words import reference
from samoyed.layers.words.library import Call, library
from samoyed.layers.words.reference import Rules

ALIGNED = 16  # floats of the widest vector: rows are padded to whole ones
_AT_ONCE = 256  # groups of steps that PyTorch takes at once
_LEAST = 2_000  # words worth a thread


class Learned(NamedTuple):
    """The sum of the losses before their steps, the number of steps, and of words that were kept."""

    loss: float
    steps: int
    words: int


def padded(rows: int, size: int) -> Tensor:
    """Zeros [rows, size] float32 whose rows lie `ALIGNED` floats apart or a multiple of that, on a boundary of as many."""
    stride = -(-size // ALIGNED) * ALIGNED
    whole = torch.zeros(rows * stride + ALIGNED)
    skipped = -whole.data_ptr() // 4 % ALIGNED
    return whole[skipped : skipped + rows * stride].view(rows, stride)[:, :size]


def is_padded(rows: Tensor) -> bool:
    """Whether the kernels can write to these rows."""
    whole = rows.untyped_storage().nbytes() // 4 - rows.storage_offset() >= len(rows) * rows.stride(0)
    return rows.stride(0) % ALIGNED == 0 and rows.stride(1) == 1 and rows.data_ptr() % (4 * ALIGNED) == 0 and whole


class Tables:
    """The tables of `rules` as the kernels read them."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.keep, self.chance = (t.to(torch.uint32).contiguous() for t in (rules.keep, rules.noise.chance))
        self.other = rules.noise.other.to(torch.int32)
        if rules.tree is not None:
            self.first, self.nodes = rules.tree.first.contiguous(), rules.tree.nodes.to(torch.int32)
            self.signs = rules.tree.signs.float().contiguous()


def learn(
    tables: Tables,
    into: Tensor,
    output: Tensor,
    tokens: Tensor,
    position: int,
    seed: int,
    rate: float,
    threads: int = 1,
    engine: str = "auto",
) -> Learned:
    """tokens int32 [N], numbers of words and -1 after each sentence, of which none is longer than 1,000; the first is at
    `position` of the text. Changes into [V, D] and output in place.

    One thread always gives the same numbers. Several write to the same rows as they come, so that the last digits vary.
    Raises RuntimeError where `engine` is "kernel" and there is none.
    """
    fits = tokens.device.type == "cpu" and into.dtype == output.dtype == torch.float32
    kernels = library() if engine != "torch" and fits else None
    if kernels is None:
        if engine == "kernel":
            raise RuntimeError("the kernels are not built on this machine, or the vectors are no float32 on the CPU")
        groups = _AT_ONCE if engine == "auto" else 1
        return Learned(*reference.learn(tables.rules, into, output, tokens, position, seed, rate, groups))
    tokens = tokens.to(torch.int32).contiguous()
    size = len(tokens)
    threads = max(1, min(threads, size // _LEAST))
    bounds = [_sentence_at(tokens, size * i // threads) for i in range(threads)] + [size]
    calls = [
        _call(tables, into, output, tokens, bounds[i], bounds[i + 1], position, seed, rate) for i in range(threads)
    ]
    if threads == 1:
        kernels.samoyed_learn(ctypes.byref(calls[0][0]))
    else:
        with ThreadPoolExecutor(threads) as pool:  # ctypes lets go of the interpreter's lock
            list(pool.map(lambda made: kernels.samoyed_learn(ctypes.byref(made[0])), calls))
    made = [call for call, _ in calls]
    return Learned(sum(c.loss for c in made), sum(c.steps for c in made), sum(c.learned for c in made))


def _sentence_at(tokens: Tensor, at: int) -> int:
    """The first place from `at` on where a sentence begins, or the end."""
    if at == 0:
        return 0
    ends = (tokens[at - 1 : at + 1_001] < 0).nonzero()
    return at + int(ends[0, 0]) if len(ends) else len(tokens)


def _call(
    tables: Tables,
    into: Tensor,
    output: Tensor,
    tokens: Tensor,
    begin: int,
    end: int,
    position: int,
    seed: int,
    rate: float,
) -> tuple[Call, Tensor]:
    """The call for the sentences from `begin` to before `end`, and its scratch."""
    rules, stride = tables.rules, into.stride(0)
    scratch = padded(2 * rules.window + 2 * reference.BLOCK + 2, stride)
    call = Call(
        tokens=tokens.data_ptr(), length=len(tokens), begin=begin, end=end, position=position,
        input=into.data_ptr(), output=output.data_ptr(), stride=stride, words=len(into), window=rules.window,
        negatives=rules.negatives, cbow=rules.cbow, shared=rules.shared, corrected=rules.corrected,
        keep=tables.keep.data_ptr(), chance=tables.chance.data_ptr(), other=tables.other.data_ptr(),
        seed=seed % 2**64, rate=rate, scratch=scratch.data_ptr(),
    )  # fmt: skip
    if rules.tree is not None:
        call.first, call.nodes, call.signs = (t.data_ptr() for t in (tables.first, tables.nodes, tables.signs))
    return call, scratch
