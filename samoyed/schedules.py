"""Learning-rate schedules: pure functions of the position in training, giving the factor on the first learning rate.

`progress` runs from 0 to 1 over the whole budget, whether that is epochs, steps or minutes; `epoch` counts passes, fractions
included. Step decay follows epochs; the others follow progress.
"""

import math
from collections.abc import Callable
from typing import NamedTuple


class Position(NamedTuple):
    """Where training stands before a step."""

    step: int
    epoch: float
    progress: float


Schedule = Callable[[Position], float]


def constant(position: Position) -> float:
    """1 throughout."""
    return 1.0


def linear(position: Position) -> float:
    """A straight line from 1 at the first step to 0 at the end of the budget."""
    return 1.0 - position.progress


def cosine(position: Position) -> float:
    """Half a cosine from 1 to 0 (Loshchilov 2017, without restarts)."""
    return 0.5 * (1.0 + math.cos(math.pi * position.progress))


def exponential(position: Position) -> float:
    """A constant ratio per step, reaching 1/100 at the end of the budget."""
    return float(0.01**position.progress)


def halve(position: Position) -> float:
    """Half as large every 5 epochs.

    >>> halve(Position(0, 4.9, 0.1)), halve(Position(0, 10.0, 0.5))
    (1.0, 0.25)
    """
    return float(0.5 ** math.floor(position.epoch / 5))


def tenth(position: Position) -> float:
    """A tenth every 5 epochs."""
    return float(0.1 ** math.floor(position.epoch / 5))


SCHEDULES: dict[str, Schedule] = {f.__name__: f for f in (constant, linear, cosine, exponential, halve, tenth)}


def warmed(schedule: Schedule, warmup: float) -> Schedule:
    """`schedule`, multiplied by a line from near 0 to 1 over the first `warmup` share of the budget (Goyal 2017)."""
    if not warmup:
        return schedule
    return lambda position: min(1.0, (position.progress + 1e-3) / warmup) * schedule(position)
