"""What benchmarks/sequences.py reads by connectionist temporal classification: the loss, and the search by prefixes.

Labellings come from a language of 30 letters in which four letters may follow each, drawn once; the network is sure of a letter for
a frame, and unsure of every third. Legend: B utterances, T frames, V letters and the blank at 0, L letters of an utterance.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from samoyed.decoding.ctc import prefix_beam
from samoyed.decoding.language import LanguageModel
from samoyed.layers.ctc import ctc_loss
from samoyed.models.ngram import Ngram

PREFIXES, WEIGHT, BONUS = 10, 0.5, 0.5
_LETTERS, _LINES, _ORDER = 30, 2000, 3
_SIZES = {"tiny": (4, 60, 8), "small": (32, 300, 40), "large": (32, 600, 80)}  # utterances, frames, letters of each

Work = Callable[[], Any]


class Heard(NamedTuple):
    """logits [B, T, V]; symbols int64 [B, L]; language, 3-grams of the letters and the end of a line; `file` holds it for a peer."""

    logits: Tensor
    symbols: Tensor
    language: Ngram
    file: Path


def heard(size: str, folder: Path) -> Heard:
    """The same for everybody."""
    utterances, frames, letters = _SIZES[size]
    draw = torch.Generator().manual_seed(0)
    follow = torch.stack([torch.randperm(_LETTERS, generator=draw)[:4] for _ in range(_LETTERS)]) + 1
    symbols = _lines(follow, utterances, letters, draw)
    logits = torch.randn(utterances, frames, _LETTERS + 1, generator=draw)
    path = torch.zeros(utterances, frames, dtype=torch.int64)
    path[:, torch.arange(letters) * (frames // letters) + 3] = symbols
    sure = torch.full((utterances, frames, 1), 6.0)
    sure[:, torch.arange(0, letters, 3) * (frames // letters) + 3] = 2.5
    logits.scatter_add_(2, path[..., None], sure)
    language = Ngram(vocab_size=_LETTERS + 1, order=_ORDER)
    learned = functional.pad(_lines(follow, _LINES, letters, draw), (0, 1))  # the blank's number ends a line
    language.fit(learned.flatten())
    after, _ = language(torch.cartesian_prod(*[torch.arange(_LETTERS + 1)] * 2), None)
    first, _ = language(torch.zeros(1, 1, dtype=torch.int64), None)
    file = folder / "ctc.npz"
    tables = {"after": after[:, -1].view(*[_LETTERS + 1] * 3).detach(), "first": first[0, -1].detach()}
    np.savez(file, logits=logits.numpy(), symbols=symbols.numpy(), **{k: v.numpy() for k, v in tables.items()})
    return Heard(logits, symbols, language, file)


def _lines(follow: Tensor, lines: int, letters: int, draw: torch.Generator) -> Tensor:
    """Lines of the language, int64 [lines, letters]."""
    found = [torch.randint(1, _LETTERS + 1, (lines,), generator=draw)]
    for _ in range(letters - 1):
        found.append(follow[found[-1] - 1, torch.randint(4, (lines,), generator=draw)])
    return torch.stack(found, 1)


def losing(given: Heard) -> tuple[Work, dict[str, Any]]:
    """The loss and its gradient."""
    logits = given.logits.clone().requires_grad_()
    batch, frames, letters = *logits.shape[:2], given.symbols.shape[1]
    steps, many = torch.full((batch,), frames), torch.full((batch,), letters)

    def step() -> tuple[Tensor, Tensor]:
        loss = ctc_loss(logits, given.symbols, steps, many).sum()
        return loss, torch.autograd.grad(loss, logits)[0]

    loss, gradient = step()
    return step, {"loss": float(loss.detach()), "gradient": gradient.flatten().numpy()}


def reading(given: Heard, spoken: bool) -> tuple[Work, dict[str, Any]]:
    """The search by prefixes, with the language where it is `spoken`."""
    batch, frames, _ = given.logits.shape
    lengths, letters = torch.full((batch,), frames), torch.arange(_LETTERS + 1)
    language = LanguageModel(given.language, letters, 0, WEIGHT, BONUS) if spoken else None

    @torch.inference_mode()
    def step() -> list[list[int]]:
        found = prefix_beam(given.logits.log_softmax(-1), lengths, width=PREFIXES, language=language)
        return [row[:n].tolist() for row, n in zip(found.symbols[:, 0], found.lengths[:, 0].tolist(), strict=True)]

    def score(read: list[list[int]]) -> Tensor:
        """log p of each utterance's reading, all alignments and the language together: what both search the most of."""
        many = torch.tensor([len(row) for row in read])
        symbols = torch.zeros(batch, max(1, int(many.max())), dtype=torch.int64)
        for i, row in enumerate(read):
            symbols[i, : len(row)] = torch.tensor(row)
        log_probs = given.logits.log_softmax(-1).transpose(0, 1)
        total = -functional.ctc_loss(log_probs, symbols, lengths, many, reduction="none")
        return total if language is None else total + language.whole(symbols, many)

    read = step()
    wrong = sum(a != b.tolist() for a, b in zip(read, given.symbols, strict=True))
    return step, {"read": read, "score": score, "wrong": wrong}
