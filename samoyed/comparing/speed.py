"""How fast runs work here, measured in turn so that whatever else the machine does falls on all of them alike."""

import statistics
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from samoyed import batching
from samoyed.run import Run

TOGETHER = 64
_SECONDS, _LEAST, _MOST = 0.5, 3, 200  # for each run and size of batch; rounds


class Speed(NamedTuple):
    """Seconds for one row by itself, and rows a second in batches of `TOGETHER`: medians over `rounds`."""

    alone: float
    together: float
    rounds: int


def speeds(runs: Sequence[Run], rows: Sequence[Any]) -> list[Speed]:
    """The speed of each run on the first of its own rows: the network's work and that of measuring its answer."""
    alone, rounds = _in_turn(runs, rows, 1)
    together, _ = _in_turn(runs, rows, TOGETHER)
    return [Speed(a[0], count / seconds, rounds) for a, (seconds, count) in zip(alone, together, strict=True)]


def _in_turn(runs: Sequence[Run], rows: Sequence[Any], size: int) -> tuple[list[tuple[float, int]], int]:
    """For each run the median seconds for its first batch of at most `size` rows, and how many those are; and the rounds."""
    times: list[list[float]] = [[] for _ in runs]
    batches = [batching.of_size(run.task.batches(part, size), size) for run, part in zip(runs, rows, strict=True)]
    with torch.inference_mode():
        for run, batch in zip(runs, batches, strict=True):
            _once(run, batch)  # warm
        began, limit = time.monotonic(), _SECONDS * len(runs)
        while len(times[0]) < _LEAST or (len(times[0]) < _MOST and time.monotonic() - began < limit):
            for taken, run, batch in zip(times, runs, batches, strict=True):
                taken.append(_once(run, batch))
    found = [(statistics.median(taken), len(batch[0])) for taken, batch in zip(times, batches, strict=True)]
    return found, len(times[0])


def _once(run: Run, batch: Any) -> float:
    carried = run.task.carried
    began = time.perf_counter()
    run.task.metrics(run.model, batch)
    taken = time.perf_counter() - began
    run.task.carried = carried
    return taken
