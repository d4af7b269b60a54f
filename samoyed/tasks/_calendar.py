"""What the calendar says of each moment of a series: where in its day, week and year it falls. Legend: T time, K cycles.

A cycle of length p is seen as sin(2 pi u) and cos(2 pi u), u in [0, 1) the share of it that has passed, so that its end meets its
beginning. The share of a year is that of its month plus that of the day in the month, and is exact for monthly data.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samoyed.errors import DataError
from samoyed.sources._calendar import read_dates

Cycle = Literal["day", "week", "year"]
_DAY = 86400.0
LENGTHS: dict[Cycle, float] = {"day": _DAY, "week": 7 * _DAY, "year": 365.2425 * _DAY}


def moments_of(times: Sequence[str]) -> NDArray[np.datetime64] | None:
    """The dates as datetime64[s], None where not all of them are dates."""
    dates = read_dates(times)
    if dates is None or len(dates.known) < len(times):
        return None
    return np.array(dates.known, dtype="datetime64[s]")


def shares(moments: NDArray[np.datetime64], cycle: Cycle) -> NDArray[np.float64]:
    """How much of the cycle has passed at each moment [T], from 0 up to, not including, 1. Weeks begin on Monday."""
    days = moments.astype("datetime64[D]")
    day: NDArray[np.float64] = (moments - days).astype("timedelta64[s]").astype(float) / _DAY
    if cycle == "day":
        return day
    if cycle == "week":
        week: NDArray[np.float64] = ((days.astype(int) + 3) % 7 + day) / 7  # 1970 began on a Thursday
        return week
    months = moments.astype("datetime64[M]")
    first, following = months.astype("datetime64[D]"), (months + 1).astype("datetime64[D]")
    in_month = ((days - first).astype(int) + day) / (following - first).astype(int)
    share: NDArray[np.float64] = (months.astype(int) % 12 + in_month) / 12
    return share


def features(moments: NDArray[np.datetime64], cycles: Sequence[Cycle]) -> NDArray[np.float32]:
    """moments [T] -> [T, 2 K]: the sine and the cosine of each cycle."""
    turns = [2 * np.pi * shares(moments, cycle) for cycle in cycles]
    columns = [wave(turn) for turn in turns for wave in (np.sin, np.cos)]
    return np.stack(columns, axis=1).astype(np.float32)


def features_of(times: Sequence[str], cycles: Sequence[Cycle], origin: str) -> Tensor:
    """`features` of moments as they are written. Raises DataError where they are no dates."""
    moments = moments_of(times)
    if moments is None:
        raise DataError(
            f"has no dates, and the model is told where in the {' and the '.join(cycles)} each moment falls",
            where=origin,
            remedy="give a table with the dates, or train with calendar=none",
        )
    return torch.from_numpy(features(moments, cycles))


def cycles_of(times: Sequence[str], context: int, wanted: str) -> list[Cycle]:
    """The cycles that a model should be told of, none where the rows have no dates.

    `all` are those that hold more than two steps. `auto` are those of them that go round less than twice in the `context`, so that
    the past alone does not show them, and at least twice in the training series, so that they can be learned.
    """
    moments = moments_of(times) if wanted != "none" and len(times) > 1 else None
    if moments is None:
        return []
    step = float(np.median(np.diff(moments).astype(float)))
    found = [cycle for cycle, length in LENGTHS.items() if length > 2.5 * step > 0]
    if wanted == "all":
        return found
    return [cycle for cycle in found if context * step < 2 * LENGTHS[cycle] <= len(times) * step]
