"""Which moments of the past a forecast rests on, drawn."""

from collections.abc import Sequence

from torch import Tensor

from samoyed.reporting.figures import COLOURS, figure
from samoyed.tasks import Picture


def moments(times: Sequence[str], past: Tensor, weights: dict[str, Tensor], target: str, more: str) -> Picture:
    """The past [T] with its times, and below it a bar for each moment by each method [T]."""
    rows = 1 + len(weights)
    drawn, axes = figure(8.0, 1.6 + 1.5 * rows, rows, 1, sharex=True, squeeze=False)
    at = range(len(times))
    axes[0, 0].plot(at, past.tolist(), color=COLOURS[6])
    axes[0, 0].set_title(f"{target}, as the network sees its past")
    for one, (by, values) in zip(axes[1:, 0], weights.items(), strict=True):
        one.bar(at, values.tolist(), color=[COLOURS[0] if v >= 0 else COLOURS[1] for v in values.tolist()])
        one.axhline(0, color=COLOURS[6], linewidth=0.8)
        one.set_title(by)
    some = [round(i * (len(times) - 1) / 5) for i in range(6)] if len(times) > 6 else list(at)
    axes[-1, 0].set_xticks(some, [times[i] for i in some])
    caption = f"How far each moment raises (blue) or lowers (orange) the mean forecast, scaled, against the last value repeated.{more}"
    return Picture("moments", "Which moments mattered", caption, drawn)
