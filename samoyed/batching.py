"""Examples -> batches. The order of examples is a pure function of (seed, epoch, position).

Legend: N examples, B batch, T time.
"""

from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor

Rows = TypeVar("Rows", bound=tuple[Tensor, ...])

_MIX = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: spreads neighbouring (seed, epoch) over all seeds


def generator(seed: int, *counters: int) -> torch.Generator:
    """A fresh generator whose stream depends on nothing but the seed and the counters."""
    state = seed
    for counter in counters:
        state = ((state ^ (counter + 1)) * _MIX + (state >> 7)) % 2**63
    return torch.Generator().manual_seed(state)


def order(count: int, seed: int, epoch: int) -> Tensor:
    """The order of `count` examples in an epoch: a permutation, int64 [N]."""
    return torch.randperm(count, generator=generator(seed, epoch))


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


def streams(tokens: Tensor, batch_size: int, length: int) -> Iterator[tuple[Tensor, bool]]:
    """Cuts one stream into `batch_size` parallel streams, and those into chunks, so that state can be carried.

    tokens [N] -> ([B, T + 1], whether state starts anew); T is at most `length`. The last token of a chunk is the first of the
    next, so that every token but the stream's first is predicted exactly once.
    """
    targets = len(tokens) - 1
    rows = max(1, min(batch_size, targets // length))
    each = targets // rows
    starts = torch.arange(rows, device=tokens.device)[:, None] * each
    for begin in range(0, each, length):
        end = min(begin + length, each)
        yield tokens[starts + torch.arange(begin, end + 1, device=tokens.device)], begin == 0
    if rows * each < targets:
        yield tokens[None, rows * each :], True
