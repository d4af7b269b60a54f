"""Pictures of a search: what each trial reached, which settings mattered, and where the good ones lie."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from samoyed.reporting.figures import COLOURS, figure
from samoyed.tasks import Picture


class Tried(NamedTuple):
    """One trial: its figure, whether it is `whole` or `ended early`, and its settings."""

    number: int
    value: float
    state: str
    seconds: float
    params: dict[str, Any]


def history(tried: Sequence[Tried], better: str, watch: str) -> Picture:
    """Every trial's figure in order, and the best so far."""
    drawn, axes = figure(8.0, 3.2)
    for state, marker, colour in (("ended early", "x", COLOURS[6]), ("whole", "o", COLOURS[0])):
        some = [t for t in tried if t.state == state]
        axes.plot([t.number for t in some], [t.value for t in some], marker, color=colour, label=state, markersize=4.5)
    whole = [t for t in tried if t.state == "whole"]
    keep = np.minimum if better == "lower" else np.maximum
    best = list(keep.accumulate([t.value for t in whole])) if whole else []
    axes.step([t.number for t in whole], best, where="post", color=COLOURS[1], label="best so far")
    first = next((t for t in whole if t.number == 0), None)
    if first is not None:
        axes.axhline(first.value, color=COLOURS[2], linestyle=":", linewidth=1.3, label="the defaults")
    _near(axes, tried, better)
    axes.set_xlabel("trial")
    axes.set_ylabel(f"{watch}, validation")
    axes.legend(fontsize=8, ncols=4, loc="lower left", bbox_to_anchor=(0, 1))
    return Picture(
        "history", "How the search went", "Trial 0 has the defaults. Far-off trials lie beyond the upper edge.", drawn
    )


def _near(axes: Any, tried: Sequence[Tried], better: str) -> None:
    """Lets no trial that went far astray flatten the others; the defaults stay in sight."""
    values = sorted(t.value for t in tried if t.state == "whole")
    if len(values) <= 4:
        return
    low, high = values[0], values[-1]
    if better == "lower":
        middle = values[len(values) // 2]
        shown = [t.value for t in tried if t.number == 0] + [middle + 4 * (middle - low) + 1e-9]
        high = min(max(t.value for t in tried), max(shown))
    room = 0.05 * (high - low) or 1e-3
    axes.set_ylim(low - room, high + room)


def importance(shares: dict[str, float]) -> Picture:
    """The share of variance that each setting explains."""
    drawn, axes = figure(6.4, 0.3 * len(shares) + 0.9)
    at = range(len(shares))
    axes.barh(at, [100 * share for share in shares.values()], color=COLOURS[0], height=0.6)
    axes.set_yticks(at, list(shares))
    axes.invert_yaxis()
    axes.set_xlabel("% of the variance among whole trials")
    caption = "By a forest of regression trees over the trials (Hutter 2014): rough where trials are few."
    return Picture("importance", "Which settings mattered", caption, drawn)


def slices(
    tried: Sequence[Tried], names: Sequence[str], logarithmic: set[str], watch: str, better: str = "lower"
) -> Picture:
    """The figure against each setting."""
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    drawn, grid = figure(8.6, 2.3 * rows, rows, columns, squeeze=False, sharey=True)
    axes = [one for row in grid for one in row]
    for at, name in zip(axes, names, strict=False):
        some = [t for t in tried if name in t.params]
        at.plot(
            [_shown(t.params[name]) for t in some],
            [t.value for t in some],
            "o",
            color=COLOURS[0],
            markersize=4,
            alpha=0.7,
        )
        given = [_shown(t.params[name]) for t in some]
        if name in logarithmic and given:
            at.set_xscale("log")
            ends = sorted({float(f"{v:.2g}") for v in (min(given), (min(given) * max(given)) ** 0.5, max(given))})
            at.set_xticks(ends, [f"{v:.2g}" if v < 1 else f"{v:g}" for v in ends])
            at.set_xticks([], minor=True)
        elif any(isinstance(v, str) for v in given):
            at.margins(x=0.35)
            at.tick_params(axis="x", labelsize=7.5)
        at.set_xlabel(name)
    for at in axes[len(names) :]:
        at.set_visible(False)
    _near(axes[0], tried, better)
    drawn.supylabel(watch, fontsize=9.5)
    caption = "Each point is a whole trial. Far-off trials lie beyond the upper edge."
    return Picture("slices", "Where the good ones lie", caption, drawn)


def _shown(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else str(value).lower()
