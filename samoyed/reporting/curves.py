"""Curves of training: the objective, the watched metric, the learning rate."""

from typing import TYPE_CHECKING, Any

from samoyed.reporting.figures import COLOURS, figure
from samoyed.tasks import Picture, Task

if TYPE_CHECKING:
    from samoyed.training.progress import Epoch


def curves(epochs: "list[Epoch]", task: Task[Any, Any]) -> list[Picture]:
    """Objective on the training split, first metric on the validation split, and learning rate, against epochs."""
    if not epochs:
        return []
    x = [e.epoch for e in epochs]
    style = {"marker": "o", "markersize": 3} if len(x) < 40 else {}
    drawn, (left, middle, right) = figure(8.6, 2.7, 1, 3)
    left.plot(x, [e.loss for e in epochs], color=COLOURS[0], **style)
    left.set_title("objective, training")
    metric = task.reported[task.watch]
    values = [e.valid[task.watch].value for e in epochs]
    middle.plot(x, values, color=COLOURS[1], **style)
    best = max((e.epoch for e in epochs if e.best), default=x[-1])
    middle.axvline(best, color=COLOURS[6], linestyle=":", linewidth=1.2)
    middle.set_title(f"{task.watch} ({metric.unit}), validation")
    right.plot(x, [e.learning_rate for e in epochs], color=COLOURS[2], **style)
    right.set_title("learning rate")
    for axes in (left, middle, right):
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    left.set_ylim(bottom=min(0, min(e.loss for e in epochs)))
    caption = f"The dotted line marks epoch {best}, whose weights are kept: the best on the validation split."
    return [Picture("curves", "How it learned", caption, drawn)]
