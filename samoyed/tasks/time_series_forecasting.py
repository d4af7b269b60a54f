"""Time-series forecasting: the next values of a series from its past."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from samoyed.errors import DataError
from samoyed.examples import Series
from samoyed.features.scale import Scale
from samoyed.objectives import Mean, full
from samoyed.reporting import forecasting
from samoyed.settings import Count, Share
from samoyed.sources import Source, one_file
from samoyed.sources._arrays import series_of
from samoyed.sources.series_table import SeriesTable, following, season_of
from samoyed.splitting import tail
from samoyed.tasks import Metric, Picture, Split, _why
from samoyed.tasks._calendar import Cycle, cycles_of, features_of
from samoyed.tasks._intervals import Levels, half_widths
from samoyed.tasks._stretches import Stretches
from samoyed.tasks._windows import State, Windows, columns_of, last_of, part, refuse_short, said, steps_of, unfolded


class TimeSeriesForecasting(Stretches):
    """Forecast the next `horizon` values of a series from the `context` values before them.

    Raw data: a CSV with a header, one row per moment, in order. Reported as root mean squared error in the data's own unit,
    lower is better, beside that of two naive forecasts: the last value repeated, and the value one season before.

    Splits: as named (train, valid, test), else in order of time: the last 20 % of the rows are the test, the 10 % before them
    validation. A window belongs to the split that holds all of its future; its past may reach back before the split.
    Every window of the test split is forecast, so that its figures are a back-test from every origin; intervals are conformal, from
    the validation errors, as wide as those are at the level of the forecast; their coverage and width are reported beside the error.
    Each window is seen relative to its last value, and positive series that grow are seen as logarithms.

    Args:
        target: Column to forecast; by default the last column of numbers.
        horizon: How many steps ahead; by default one season, 12 for months.
        context: How many past steps the model sees; by default two seasons, at least 16 and at least the horizon.
        season: After how many steps the series repeats; by default read off the dates (months 12, days 7, hours 24).
        inputs: What the model sees: the target alone, or all columns of numbers.
        transform: Logarithm of the values first: auto takes it where all are positive and the largest is three times the
            smallest.
        gaps: What to do where a value or a date is missing: refuse, or interpolate in a straight line.
        calendar: Whether the model sees where in its day, week and year each moment falls, the future's too: auto tells it the
            cycles that go round less than twice in the context and at least twice in the training rows; all, or none.
        coverage: The share of values that intervals are made to hold.
        carry: Whether training reads the series as one stream, `context` steps at a time, forecasts at each step, and carries the
            state of the model on from chunk to chunk (Williams & Peng 1990); the model then sees differences from step to step.
            None does so for models that have a state: rnn, lstm and gru.

    Examples:
        samoyed train time-series-forecasting prices.csv model=gru target=close horizon=12
        samoyed train time-series-forecasting sunspots.csv context=132 horizon=24 season=132
        samoyed predict runs/time-series-forecasting/1 prices.csv
    """

    sample = "airline_passengers"
    example = "Series"
    model = "gru"
    inputs = ("input_size", "input_shape", "season")
    outputs = ("horizon", "output_size")
    defaults: ClassVar[dict[str, Any]] = {
        "epochs": 200,
        "batch_size": 32,
        "learning_rate": 0.003,
        "weight_decay": 0.001,
        "clip_norm": 1.0,
        "patience": 40,
    }
    watch = "rmse"
    unit = "values"

    def __init__(
        self,
        *,
        target: str | None = None,
        horizon: Count | None = None,
        context: Count | None = None,
        season: Count | None = None,
        inputs: Literal["target", "all"] = "target",
        transform: Literal["auto", "log", "none"] = "auto",
        gaps: Literal["refuse", "interpolate"] = "refuse",
        calendar: Literal["auto", "all", "none"] = "auto",
        coverage: Share = 0.8,
        carry: bool | None = None,
    ) -> None:
        self.target, self.horizon, self.context, self.season = target, horizon, context, season
        self.which, self.transform, self.gaps = inputs, transform, gaps
        self.calendar, self.coverage, self.carry, self.levels = calendar, coverage, carry, Levels()
        self.cycles: list[Cycle] = []
        self.band: list[float] | None = None

    def source_options(self) -> dict[str, Any]:
        return {"gaps": self.gaps, "target": self.target}

    def split(self, parts: dict[str, list[Series]], seed: int) -> Split:
        whole = (parts.get("all") or parts["train"])[0]
        self._settle(whole)
        length, reach = len(whole.values), self.steps_back
        if "test" in parts and "valid" in parts:
            return Split(parts["train"], parts["valid"], parts["test"], "train, valid, test as named")
        if "test" in parts:
            first, last = round(length * 0.9), length
            rule = "train, test as named; validation: the last 10 % of the training rows"
        else:
            first, last = tail(length)
            rule = f"in order of time: train to {whole.times[first - 1]}, validation to {whole.times[last - 1]}, test to {whole.times[-1]}"
        train, valid = part(whole, 0, first), part(whole, max(0, first - reach), last)
        test = parts["test"][0] if "test" in parts else part(whole, max(0, last - reach), length)
        for name, series in (("training", train), ("validation", valid), ("test", test)):
            refuse_short(name, series, reach, self.steps_ahead)
        return Split([train], parts.get("valid", [valid]), [test], rule)

    def found(self, split: Split, sources: dict[str, Source]) -> list[tuple[str, str]]:
        series = split.train[0]
        values = np.concatenate([columns_of(s, [self.column]) for s in (series, split.test[0])])
        season = f"repeats after {self.period}" if self.period > 1 else "no season known"
        span = f"{series.times[0]} to {split.test[0].times[-1]}"
        return [
            ("series", f"{self.column}, {values.min():g} to {values.max():g}, {span}, {season}"),
            ("windows", f"{self.steps_back} past values -> {self.steps_ahead} future values"),
            *([("calendar", f"where each moment falls in the {' and the '.join(self.cycles)}")] if self.cycles else []),
        ]

    def count(self, examples: Sequence[Series]) -> str:
        taken = self.steps_back + self.steps_ahead - 1
        return f"{sum(max(0, len(e.values) - taken) for e in examples):,} windows"

    def fit(self, examples: Sequence[Series]) -> None:
        self._settle(examples[0])
        self.scale = Scale.learn(np.concatenate([columns_of(e, self.columns) for e in examples]), self.transform)

    def state(self) -> dict[str, Any]:
        sizes = {"horizon": self.steps_ahead, "context": self.steps_back, "season": self.period, "band": self.band}
        learned: dict[str, Any] = {
            "streams": self.streams,
            "scale": self.scale.state(),
            "calendar": self.cycles,
            "levels": self.levels.model_dump(),
        }
        return {"target": self.column, "columns": self.columns, **sizes, **learned}

    def restore(self, state: dict[str, Any]) -> None:
        found = State.model_validate(state)
        self.column, self.target, self.columns, self.levels = found.target, found.target, found.columns, found.levels
        self.steps_ahead, self.steps_back, self.period = found.horizon, found.context, found.season
        self.streams = found.streams
        self.scale, self.cycles, self.band = Scale(**found.scale.model_dump()), found.calendar, found.band

    def sizes(self) -> dict[str, Any]:
        features = len(self.columns) + 2 * len(self.cycles)
        return {
            "input_size": features,
            "input_shape": (self.steps_back, features),
            "season": self.period,
            "horizon": self.steps_ahead,
            "output_size": self.steps_ahead,
        }

    def collate(self, examples: Sequence[Series]) -> Windows:
        """Every window of every series: past [N, T, F] and future [N, H] are views, so that overlap costs no memory.

        What the calendar says follows the columns; step t of the past is told of the moment `horizon` steps later, so that the
        last `horizon` steps know those to be forecast.
        """
        pasts, futures = [], []
        for series in examples:
            values = self.scale.forward(torch.from_numpy(columns_of(series, self.columns))).float()
            if not bool(values.isfinite().all()):
                raise DataError(
                    "holds values that are not positive, and the logarithm was chosen from the training data",
                    where=series.origin,
                    remedy="train with transform=none",
                )
            length = self.steps_back + self.steps_ahead
            if len(values) < length:
                raise DataError(f"has {len(values)} rows, and one window takes {length}", where=series.origin)
            windows = unfolded(values, length)
            pasts.append(windows[:, : self.steps_back])
            if self.cycles:
                told = features_of(series.times, self.cycles, series.origin)[self.steps_ahead :]
                pasts[-1] = torch.cat([pasts[-1], unfolded(told, self.steps_back)[: len(windows)]], 2)
            futures.append(windows[:, self.steps_back :, 0])
        return Windows(*(p[0] if len(p) == 1 else torch.cat(p) for p in (pasts, futures)))

    @property
    def apart(self) -> int:
        """Windows begin at every step, so that as many as the horizon is long forecast one moment."""
        return self.steps_ahead

    @property
    def reported(self) -> dict[str, Metric]:
        root, mean = Metric(self.column, shown_as="sqrt"), Metric(self.column)
        found = {"rmse": root, "mae": mean, "naive rmse": root, "seasonal rmse": root}
        if self.band is not None:  # there are no intervals while training
            found |= {"coverage": Metric("% of values", better="higher", percent=True), "width": mean}
        return found

    def metrics(self, model: nn.Module, batch: Windows) -> dict[str, Mean]:
        truth = self.scale.backward(batch.future)
        count = torch.full((len(truth),), float(self.steps_ahead), device=truth.device)

        forecast = self.forecast(model, batch.past)
        error, last, season = (self.scale.backward(f) - truth for f in (forecast, *self.naive(batch.past)))
        found = {
            "rmse": Mean(error.square().sum(1), count),
            "mae": Mean(error.abs().sum(1), count),
            "naive rmse": Mean(last.square().sum(1), count),
            "seasonal rmse": Mean(season.square().sum(1), count),
        }
        if self.band is not None:
            low, high = self.interval(forecast)
            held = ((low <= truth) & (truth <= high)).to(truth)
            found |= {"coverage": Mean(held.sum(1), count), "width": Mean((high - low).sum(1), count)}
        return found

    def forecast(self, model: nn.Module, past: Tensor) -> Tensor:
        """past [B, T, F] -> future [B, horizon], both scaled; the model sees and says differences from the last value."""
        count = len(self.columns)
        last = past[:, -1:, :count]
        if self.streams:
            return full(model(steps_of(past, count))) + last[:, :, 0]
        seen = torch.cat([past[..., :count] - last, past[..., count:]], 2) if self.cycles else past - last
        return full(model(seen)) + last[:, :, 0]

    def naive(self, past: Tensor) -> tuple[Tensor, Tensor]:
        """The last value repeated, and the value one season before each: both [B, horizon], scaled."""
        ahead = torch.arange(self.steps_ahead, device=past.device)
        season = min(self.period, self.steps_back)
        return past[:, -1:, 0].expand(-1, self.steps_ahead), past[:, self.steps_back - season + ahead % season, 0]

    def calibrate(self, model: nn.Module, valid: Windows) -> None:
        """The band: half the width of the interval for each step ahead, scaled, and how it follows the forecast's level."""
        forecasts = torch.cat([self.forecast(model, b.past) for b in self.batches(valid, 512)])
        errors = forecasts - torch.cat([b.future for b in self.batches(valid, 512)])
        self.levels = Levels.learned(forecasts, errors)
        self.band = half_widths(errors, self.coverage, self.levels.of(forecasts)).tolist()

    def interval(self, forecast: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled forecasts [..., horizon] -> the ends of their intervals in the data's units."""
        band = torch.tensor(self.band, device=forecast.device) * self.levels.of(forecast)
        return self.scale.backward(forecast - band), self.scale.backward(forecast + band)

    def read(self, raw: Any) -> Series:
        if isinstance(raw, Series):
            return raw
        if isinstance(raw, np.ndarray | list):
            return series_of(raw, self.columns)
        return next(SeriesTable(one_file(raw, "table"), **self.source_options()).examples())

    def answer(self, model: nn.Module, example: Series) -> dict[str, Any]:
        return self.answers(model, [example])[0]

    def answers(self, model: nn.Module, examples: Sequence[Series], **options: Any) -> list[dict[str, Any]]:
        futures = self.forecast(model, torch.stack([last_of(self, e) for e in examples]).to(self.device))
        shown = [self.scale.backward(futures)]
        if self.band is not None:
            shown += self.interval(futures)
        rows = zip(*(part.tolist() for part in shown), strict=True)
        return [
            {
                "input": example.origin,
                "target": self.column,
                "times": following(example.times, self.steps_ahead),
                **dict(zip(("forecast", "low", "high"), row, strict=False)),
            }
            for example, row in zip(examples, rows, strict=True)
        ]

    def say(self, answer: dict[str, Any]) -> str:
        return said(answer, self.coverage)

    def explain(self, model: nn.Module, example: Series) -> dict[str, Any]:
        """How far each moment of the past moves the forecast, as `parts`, with a sentence: JSON."""
        return _why.series_as_json(self, model, example, last_of(self, example))

    def explained(self, model: nn.Module, example: Series) -> list[Picture]:
        """The past, and what each of its moments adds by integrated gradients and by hiding it."""
        return _why.series_drawn(self, model, example, last_of(self, example))

    def pictures(self, model: nn.Module, split: Split, data: dict[str, Windows]) -> list[Picture]:
        return [
            forecasting.against_truth(self, model, split, data["test"]),
            forecasting.by_horizon(self, model, data["test"]),
            forecasting.by_origin(self, model, split, data["test"]),
        ]

    def _settle(self, series: Series) -> None:
        """Fixes what the settings left open, from the training series."""
        self.column = self.target or series.names[-1]
        self.columns = [self.column, *(n for n in series.names if n != self.column and self.which == "all")]
        self.period = self.season or season_of(series.times)
        self.steps_ahead = self.horizon or max(self.period, 1)
        self.steps_back = self.context or max(2 * self.period, 16, self.steps_ahead)
        self.cycles = cycles_of(series.times, self.steps_back, self.calendar)
