"""Pictures of a forecaster: forecasts beside the truth and the naive forecast, and the error by distance.

Legend: N windows, H horizon.
"""

import math
from typing import Any

from torch import nn

from samoyed.reporting.figures import COLOURS, figure
from samoyed.tasks import Picture, Split


def against_truth(task: Any, model: nn.Module, split: Split, test: Any) -> Picture:
    """Forecasts that follow one another through the test split, each `horizon` long, over the truth."""
    horizon, context = task.steps_ahead, task.steps_back
    series = split.test[0]
    truth = series.values[:, series.names.index(task.column)]
    starts = list(range(0, len(test.past), horizon))[:24]
    past = test.past[starts]
    drawn, axes = figure(7.6, 3.8)
    end = starts[-1] + context + horizon
    axes.plot(range(0, end), truth[:end], color=COLOURS[6], linewidth=1.4, label="truth")
    for kind, forecast, colour, style in (
        ("this network", task.forecast(model, past), COLOURS[0], "-"),
        (f"one season ago ({task.period})" if task.period > 1 else "last value", task.naive(past)[1], COLOURS[1], ":"),
    ):
        shown = task.scale.backward(forecast).cpu()
        for k, start in enumerate(starts):
            x = range(start + context, start + context + horizon)
            marker = "o" if horizon == 1 else None
            axes.plot(
                x, shown[k], color=colour, linestyle=style, marker=marker, markersize=3, label=kind if k == 0 else None
            )
            if kind == "this network" and task.band is not None:
                low, high = task.interval(forecast[k].cpu())
                axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.axvline(context - 0.5, color=COLOURS[6], linewidth=0.8, linestyle="--")
    marks = _ticks(len(series.times[:end]))
    axes.set_xticks(marks, [series.times[i] for i in marks])
    axes.set_ylabel(task.column)
    axes.legend(loc="upper left", ncols=3)
    caption = (
        f"Right of the dashed line is the test split: every {horizon} steps a forecast of the next {horizon}, made from what lay before. "
        f"The band is made to hold {task.coverage:.0%} of the values, from the validation errors."
    )
    return Picture("forecast", "Forecast against truth", caption, drawn)


def by_horizon(task: Any, model: nn.Module, test: Any) -> Picture:
    """Root mean squared error for each step ahead, of the model and both naive forecasts."""
    truth = task.scale.backward(test.future)
    drawn, axes = figure(6.4, 3.0)
    last, season = task.naive(test.past)
    steps = range(1, task.steps_ahead + 1)
    for kind, forecast, colour, marker in (
        ("this network", task.forecast(model, test.past), COLOURS[0], "o"),
        ("one season ago", season, COLOURS[1], "s"),
        ("last value", last, COLOURS[2], "^"),
    ):
        if kind == "one season ago" and task.period == 1:
            continue
        error = (task.scale.backward(forecast) - truth).square().mean(0).sqrt().cpu()
        axes.plot(steps, error, color=colour, marker=marker, markersize=4, label=kind)
    axes.set_xlabel("steps ahead")
    axes.set_ylabel(f"RMSE, {task.column}")
    axes.set_ylim(0, 1.2 * axes.get_ylim()[1])
    axes.legend(loc="upper left", ncols=3)
    return Picture("horizon", "Error by distance", f"Over all {len(test.past)} windows of the test split.", drawn)


def by_origin(task: Any, model: nn.Module, split: Split, test: Any) -> Picture:
    """The back-test: root mean squared error over the horizon of the forecast made after each moment of the test split."""
    truth = task.scale.backward(test.future)
    times = [time for series in split.test for time in series.times[task.steps_back - 1 : -task.steps_ahead]]
    drawn, axes = figure(7.6, 3.0)
    last, season = task.naive(test.past)
    together = math.ceil(len(times) / 40)  # origins to a point
    for kind, forecast, colour, marker in (
        ("this network", task.forecast(model, test.past), COLOURS[0], "o"),
        ("one season ago", season, COLOURS[1], "s"),
        ("last value", last, COLOURS[2], "^"),
    ):
        if kind == "one season ago" and task.period == 1:
            continue
        squares = (task.scale.backward(forecast) - truth).square().mean(1).cpu().split(together)
        error = [float(part.mean().sqrt()) for part in squares]
        axes.plot(range(0, len(times), together), error, color=colour, marker=marker, markersize=4, label=kind)
    marks = _ticks(len(times))
    axes.set_xticks(marks, [times[i] for i in marks])
    axes.set_xlabel("last moment known to the forecast")
    axes.set_ylabel(f"RMSE, {task.column}")
    axes.set_ylim(0, 1.2 * axes.get_ylim()[1])
    axes.legend(loc="upper left", ncols=3)
    each = "one forecast" if together == 1 else f"{together} neighbouring forecasts"
    caption = (
        f"{len(times)} forecasts of {task.steps_ahead} steps by the moment at which they are made; the weights stay as trained. "
        f"A point is {each}."
    )
    return Picture("origins", "Back-test", caption, drawn)


def _ticks(count: int) -> list[int]:
    every = max(1, count // 6)
    return list(range(0, count, every))
