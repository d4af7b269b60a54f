"""Examples -> batches. The order of examples is a pure function of (seed, epoch, position).

Legend: N examples, B batch, T time.
"""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor

Rows = TypeVar("Rows", bound=tuple[Tensor, ...])


def generator(seed: int, *counters: int) -> torch.Generator:
    """A fresh generator whose stream depends on nothing but the seed and the counters."""
    state = _mixed(seed)
    for counter in counters:
        state = _mixed(state + counter + 1)
    return torch.Generator().manual_seed(state % 2**63)


def _mixed(state: int) -> int:
    """SplitMix64 (Steele, Lea & Flood 2014): every bit of 64 depends on every other, so that neighbours are far apart."""
    state = (state + 0x9E3779B97F4A7C15) % 2**64
    state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    state = (state ^ state >> 27) * 0x94D049BB133111EB % 2**64
    return state ^ state >> 31


def order(count: int, seed: int, epoch: int) -> Tensor:
    """The order of `count` examples in an epoch: a permutation, int64 [N]."""
    return torch.randperm(count, generator=generator(seed, epoch))


def bucketed(lengths: Tensor, batch_size: int, seed: int, epoch: int, pool: int = 50) -> list[Tensor]:
    """The indices of each batch of an epoch, texts of similar length together so that little is padding: int64 [B] each.

    lengths int64 [N]. The shuffled examples are sorted by length within pools of `pool` batches, cut into batches, and the batches
    shuffled, so that what meets whom differs from epoch to epoch. A pure function of lengths, seed and epoch.
    """
    drawn = order(len(lengths), seed, epoch)
    of = lengths.cpu()[drawn]
    pools = [
        part[of_part.argsort(stable=True)]
        for part, of_part in zip(*(torch.split(t, pool * batch_size) for t in (drawn, of)), strict=True)
    ]
    chunks = [chunk for part in pools for chunk in torch.split(part, batch_size)]
    shuffled = torch.randperm(len(chunks), generator=generator(seed, epoch, 1))
    return [chunks[i] for i in shuffled.tolist()]


def alike(lengths: Tensor) -> list[Tensor]:
    """The places of sequences of like length: in each group none is shorter than half of the longest, so that less than half of a batch
    is padding. lengths int64 [N] -> int64 [B] each, together every place once.

    >>> [group.tolist() for group in alike(torch.tensor([3, 10, 5, 1, 9]))]
    [[1, 4, 2], [0], [3]]
    """
    ranked, groups = lengths.argsort(descending=True, stable=True), []
    while len(ranked):
        count = int((2 * lengths[ranked] >= lengths[ranked[0]]).sum())
        groups.append(ranked[:count])
        ranked = ranked[count:]
    return groups


def take(rows: Rows, indices: Tensor) -> Rows:
    """The examples at `indices` [B] of a batch that holds all of them: each tensor [N, ...] -> [B, ...]."""
    return type(rows)(*(tensor.index_select(0, indices) for tensor in rows))


def batches(rows: Rows, batch_size: int, indices: Tensor | None = None) -> Iterator[Rows]:
    """Cuts `rows` into batches of at most `batch_size`, in the order of `indices`, or as they lie."""
    if indices is None:
        for start in range(0, len(rows[0]), batch_size):
            yield type(rows)(*(tensor[start : start + batch_size] for tensor in rows))
        return
    for chunk in torch.split(indices.to(rows[0].device), batch_size):
        yield take(rows, chunk)


def rows_of(targets: int, batch_size: int, length: int) -> int:
    """How many parallel streams a text of so many `targets` is cut into: `batch_size`, or fewer where it is short."""
    return max(1, min(batch_size, targets // length))


def streams(tokens: Tensor, batch_size: int, length: int, rest: bool = True) -> Iterator[tuple[Tensor, bool]]:
    """Cuts one stream into `batch_size` parallel streams, and those into chunks, so that state can be carried.

    tokens [N] -> ([B, T + 1], whether state starts anew); T is at most `length`. The last token of a chunk is the first of the
    next, so that every token but the stream's first is predicted exactly once; what does not fill the streams evenly, fewer
    than B tokens, comes last by itself, or not at all without `rest`.
    """
    targets = len(tokens) - 1
    rows = rows_of(targets, batch_size, length)
    each = targets // rows
    starts = torch.arange(rows, device=tokens.device)[:, None] * each
    for begin in range(0, each, length):
        end = min(begin + length, each)
        yield tokens[starts + torch.arange(begin, end + 1, device=tokens.device)], begin == 0
    if rest and rows * each < targets:
        yield tokens[None, rows * each :], True


def warmed_streams(tokens: Tensor, batch_size: int, length: int) -> Iterator[tuple[Tensor, bool, bool]]:
    """`streams` for measuring: ([B, T + 1], whether state starts anew, whether the chunk counts).

    Every stream but the first begins with up to `length` tokens from before it that do not count, so that what is measured does
    not depend on how many streams measure it: cutting a text for speed must not make a model forget.
    """
    targets = len(tokens) - 1
    rows = rows_of(targets, batch_size, length)
    each = targets // rows
    warm = min(length, each)
    yield from ((chunk, fresh, True) for chunk, fresh in streams(tokens[: each + 1], 1, length))
    for starts, many in ((torch.arange(1, rows) * each, each), (torch.tensor([rows * each]), targets - rows * each)):
        if len(starts) == 0 or many == 0:
            continue
        first = starts.to(tokens.device)[:, None]
        yield tokens[first + torch.arange(-warm, 1, device=tokens.device)], True, False
        for begin in range(0, many, length):
            end = min(begin + length, many)
            yield tokens[first + torch.arange(begin, end + 1, device=tokens.device)], False, True


def of_size(batches: Iterable[Any], size: int) -> Any:
    """The first batch of so many rows; where none has so many, the largest. Measuring a text begins with a single stream.

    >>> of_size([([1],), ([2, 3],), ([4, 5],)], 2)
    ([2, 3],)
    """
    largest = None
    for batch in batches:
        if len(batch[0]) >= size:
            return batch
        if largest is None or len(batch[0]) > len(largest[0]):
            largest = batch
    return largest
