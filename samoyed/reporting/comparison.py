"""Pictures of runs side by side: their figures with intervals, and how each learned."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from samoyed.reporting.figures import COLOURS, figure
from samoyed.tasks import Picture

_MARKERS = ("o", "s", "^", "D", "v", "P", "X")


class Interval(NamedTuple):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


def intervals(names: Sequence[str], metrics: Sequence[tuple[str, str, Sequence[Interval | None]]]) -> Picture:
    """Each metric (its name, its unit, an interval for each run or None) in axes of its own, a line for each run."""
    columns = min(3, len(metrics))
    rows = -(-len(metrics) // columns)
    drawn, grid = figure(8.6, rows * (0.75 + 0.24 * len(names)) + 0.3, rows, columns, squeeze=False, sharey=True)
    axes = [one for row in grid for one in row]
    for at, (name, unit, found) in zip(axes, metrics, strict=False):
        for place, one in enumerate(found):
            if one is not None:
                off = [[max(0.0, one.value - one.low)], [max(0.0, one.high - one.value)]]
                at.errorbar(one.value, place, xerr=off, **_look(place), markersize=5, capsize=3, linestyle="")
        at.set_title(f"{name} ({unit})")
        at.set_yticks(range(len(names)), names)
        at.set_ylim(len(names) - 0.5, -0.5)
    for at in axes[len(metrics) :]:
        at.set_visible(False)
    return Picture(
        "intervals", "Figures with their intervals", "Points are the figures above, bars their 95 % intervals.", drawn
    )


def learned(names: Sequence[str], histories: Sequence[list[dict[str, Any]]], watch: str, unit: str) -> Picture | None:
    """The watched metric on the validation split, by epoch and by time, and the objective; None where nobody kept epochs."""
    if not any(histories):
        return None
    drawn, (left, middle, right) = figure(8.6, 3.0, 1, 3)
    for place, (name, epochs) in enumerate(zip(names, histories, strict=True)):
        if not epochs:
            continue
        look = _look(place) | {"marker": _MARKERS[place % len(_MARKERS)] if len(epochs) < 40 else ""}
        x = [e["epoch"] for e in epochs]
        seconds = [sum(e["seconds"] for e in epochs[: i + 1]) for i in range(len(epochs))]
        left.plot(x, [e["loss"] for e in epochs], label=name, markersize=3, **look)
        valid = [e["valid"].get(watch, float("nan")) for e in epochs]
        middle.plot(x, valid, markersize=3, **look)
        right.plot(seconds, valid, markersize=3, **look)
    left.set_title("objective, training")
    middle.set_title(f"{watch} ({unit}), validation")
    right.set_title("the same, by time")
    for axes, label in ((left, "epoch"), (middle, "epoch"), (right, "seconds of training")):
        axes.set_xlabel(label)
    left.legend(loc="upper right", fontsize=8)
    caption = "Objectives of unlike tasks' settings or models need not be of one kind; the validation figures are."
    return Picture("learned", "How each learned", caption, drawn)


def _look(place: int) -> dict[str, Any]:
    return {"color": COLOURS[place % len(COLOURS)], "marker": _MARKERS[place % len(_MARKERS)]}
