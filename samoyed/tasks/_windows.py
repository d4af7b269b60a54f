"""What time-series forecasting hands its models, and what it keeps beside them."""

from typing import Annotated, Any, NamedTuple, Self

import numpy as np
import torch
from annotated_types import Ge, Le, MinLen
from numpy.typing import NDArray
from pydantic import model_validator
from torch import Tensor

from samoyed.errors import DataError
from samoyed.examples import Series
from samoyed.features.scale import ScaleState
from samoyed.sources.series_table import following
from samoyed.stored import Stored
from samoyed.tasks._calendar import Cycle, features_of
from samoyed.tasks._intervals import Levels


class Windows(NamedTuple):
    """past float32 [B, T, F], scaled, the target as feature 0, what the calendar says last; future float32 [B, horizon], the target, scaled alike."""

    past: Tensor
    future: Tensor


_Steps = Annotated[int, Ge(1), Le(2**24)]


class State(Stored):
    """What was learned from the training split, and what the settings left open."""

    target: str
    columns: Annotated[list[str], MinLen(1)]
    horizon: _Steps
    context: _Steps
    season: _Steps
    scale: ScaleState
    calendar: list[Cycle] = []
    band: list[Annotated[float, Ge(0)]] | None
    levels: Levels = Levels()
    streams: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        count, scale = len(self.columns), self.scale
        if not count == len(scale.log) == len(scale.mean) == len(scale.deviation) or self.columns[0] != self.target:
            raise ValueError("a scale for each column, the target first")
        if self.band is not None and len(self.band) != self.horizon:
            raise ValueError("a band for each step ahead")
        return self


def part(series: Series, start: int, end: int) -> Series:
    """The rows from `start` up to, not including, `end`."""
    return Series(series.values[start:end], series.names, series.times[start:end], series.origin)


def columns_of(series: Series, names: list[str]) -> NDArray[np.float64]:
    """The named columns [T, F], in this order. Raises DataError where one is not there."""
    missing = [name for name in names if name not in series.names]
    if missing:
        raise DataError(
            f"has no column {missing[0]!r}",
            where=series.origin,
            remedy=f"its columns are {', '.join(series.names)}",
        )
    return np.ascontiguousarray(series.values[:, [series.names.index(name) for name in names]])


def refuse_short(name: str, series: Series, context: int, horizon: int) -> None:
    """Raises DataError where a split does not hold one window."""
    if len(series.values) < context + horizon:
        raise DataError(
            f"the {name} split has {len(series.values)} rows, and one window takes {context + horizon} "
            f"(context {context} + horizon {horizon})",
            where=series.origin,
            remedy="set a smaller horizon or context, or give a longer series",
        )


def unfolded(values: Tensor, length: int) -> Tensor:
    """values [T, F] -> every run of `length` steps [T - length + 1, length, F], as a view."""
    return values.unfold(0, length, 1).transpose(1, 2)


def last_of(task: Any, example: Series) -> Tensor:
    """What a model of the forecasting `task` sees of a series, [T, F], scaled. Raises DataError where its values are too few, or
    have no logarithm."""
    reach = task.steps_back
    values: Tensor = task.scale.forward(torch.from_numpy(columns_of(example, task.columns)[-reach:])).float()
    if len(values) < reach:
        raise DataError(f"has {len(values)} rows, and the model sees {reach}", where=example.origin)
    if not bool(values.isfinite().all()):
        raise DataError("holds values that are not positive, and training took their logarithm", where=example.origin)
    if task.cycles:
        times = [*example.times[-reach:], *following(example.times, task.steps_ahead)]
        values = torch.cat([values, features_of(times, task.cycles, example.origin)[task.steps_ahead :]], 1)
    return values


def steps_of(past: Tensor, columns: int) -> Tensor:
    """past [B, T, F], `columns` of the series and what the calendar says -> [B, T - 1, F], each step's difference from the one before."""
    values, told = past.tensor_split([columns], 2)
    return torch.cat([values.diff(dim=1), told[:, 1:]], 2)


def said(answer: dict[str, Any], coverage: float) -> str:
    """An answer in lines: each moment, its forecast and its interval."""
    low, high = answer.get("low", []), answer.get("high", [])
    about = f", with intervals made to hold {coverage:.0%} of the values" if low else ""
    shown = [f"   {a:.5g} to {b:.5g}" for a, b in zip(low, high, strict=True)] or [""] * len(answer["times"])
    rows = zip(answer["times"], answer["forecast"], shown, strict=True)
    lines = [f"  {time:>12}  {value:10.5g}{interval}" for time, value, interval in rows]
    return "\n".join([f"{answer['input']}: {answer['target']}{about}", *lines])
