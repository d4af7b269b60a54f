"""Pictures of a classifier of recordings: what it hears, and where it is wrong and most certain.

Legend: N recordings, T frames, M mel bands, C classes.
"""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from samoyed.reporting.figures import MAP, figure
from samoyed.tasks import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHIFT = 0.010  # seconds from frame to frame


def heard(log_probs: Tensor, labels: Tensor, classes: list[str], frames: Tensor, lengths: Tensor) -> Picture:
    """A test recording of each of at most 8 classes: log_probs [N, C], labels [N], frames [N, T, M], lengths [N]."""
    of_each = [int(where[0]) for c in range(len(classes)) if len(where := (labels == c).nonzero()[:, 0])]
    places = torch.linspace(0, len(of_each) - 1, min(8, len(of_each))).long().tolist()
    some = [of_each[i] for i in sorted(set(places))]
    caption = (
        "Test recordings as the network hears them: seconds across, mel bands from low (bottom) to high, brighter where there is more "
        "energy than that band has on average. Above each, its class, and the answer where that is another."
    )
    drawn = _grid(some, log_probs, labels, classes, frames, lengths)
    return Picture("spectrograms", "What it hears", caption, drawn)


def mistakes(log_probs: Tensor, labels: Tensor, classes: list[str], frames: Tensor, lengths: Tensor) -> Picture:
    """The wrong answers of highest probability, as `heard`."""
    best, answers = log_probs.max(-1)
    sure = torch.where(answers != labels, best, -math.inf)
    ranked = [i for i in sure.argsort(descending=True)[:8].tolist() if sure[i] > -math.inf]
    if not ranked:
        drawn, axes = figure(4, 1.2)
        axes.axis("off")
        axes.text(0.5, 0.5, "No test recording was classified wrongly.", ha="center", va="center", fontsize=11)
        return Picture("mistakes", "The surest mistakes", "There are none on the test split.", drawn)
    caption = "True class → answer, with the probability given to it: where the network is wrong and most certain."
    drawn = _grid(ranked, log_probs, labels, classes, frames, lengths)
    return Picture("mistakes", "The surest mistakes", caption, drawn)


def _grid(
    some: list[int], log_probs: Tensor, labels: Tensor, classes: list[str], frames: Tensor, lengths: Tensor
) -> "Figure":
    columns = min(4, len(some))
    rows = math.ceil(len(some) / columns)
    drawn, axes = figure(max(3.2, 2.0 * columns + 0.5), 1.75 * rows + 0.2, rows, columns, squeeze=False)
    for cell in axes.flat:
        cell.axis("off")
    best, answers = log_probs.max(-1)
    for cell, i in zip(axes.flat, some, strict=False):
        count = int(lengths[i])
        cell.axis("on")
        cell.grid(visible=False)
        cell.imshow(
            frames[i, :count].float().cpu().T.numpy(), origin="lower", aspect="auto", cmap=MAP, vmin=-2.5, vmax=2.5,
            extent=(0, count * SHIFT, 0, frames.shape[2]), interpolation="nearest",
        )  # fmt: skip
        cell.set_yticks([])
        cell.tick_params(labelsize=7)
        truth = classes[labels[i]] if labels[i] >= 0 else "unseen class"
        right = bool(answers[i] == labels[i])
        title = truth if right else f"{truth} → {classes[answers[i]]}, {math.exp(best[i]):.0%}"
        cell.set_title(title[:32], fontsize=8.5)
    return drawn
