"""A cell taken through time by autograd: every device and precision, every derivative."""

from collections.abc import Sequence

import torch
from torch import Tensor

from samoyed.layers.recurrence.cells import Cell, State, Weights


def scan(
    cell: Cell, x: Tensor, weights: Weights, state: State, sizes: Sequence[int], reverse: bool
) -> tuple[Tensor, State]:
    """Takes `cell` through a batch whose rows are ordered by time, as in torch's PackedSequence.

    x [N, I], state at the start, each part [B, R or H], sizes: how many sequences are alive at each step, never rising ->
    (h of every row [N, R], state at the end of each sequence).
    """
    inputs = torch.split(cell.project(x, weights), list(sizes))
    steps = range(len(sizes))
    answers: list[Tensor | None] = [None] * len(sizes)
    current = tuple(part[: sizes[-1]] for part in state) if reverse else state
    finished: list[State] = []
    for t in reversed(steps) if reverse else steps:
        alive, size = current[0].shape[0], sizes[t]
        if alive > size:
            finished.append(tuple(part[size:] for part in current))
            current = tuple(part[:size] for part in current)
        elif alive < size:
            starting = tuple(part[alive:size] for part in state)
            current = tuple(torch.cat(parts) for parts in zip(current, starting, strict=True))
        current = cell.step(inputs[t], current, weights)
        answers[t] = current[0]
    ends = zip(current, *reversed(finished), strict=True)
    last = tuple(torch.cat(parts) if finished else parts[0] for parts in ends)
    return torch.cat([answer for answer in answers if answer is not None]), last
