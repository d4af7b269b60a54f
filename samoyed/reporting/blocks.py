"""Pictures of a classifier of clips or volumes: strips of what it sees, and where it is wrong and most certain.

Legend: N examples, D frames or slices, C channels, H height, W width, K classes.
"""

import math

import torch
from matplotlib.figure import Figure
from torch import Tensor

from samoyed.reporting.figures import figure
from samoyed.tasks import Picture

_ROWS, _COLUMNS = 8, 8


def seen(log_probs: Tensor, labels: Tensor, classes: list[str], blocks: Tensor, noun: str, step: str) -> Picture:
    """A test example of each of at most 8 classes: log_probs [N, K], labels [N], blocks uint8 [N, D, C, H, W]."""
    of_each = [int(where[0]) for k in range(len(classes)) if len(where := (labels == k).nonzero()[:, 0])]
    places = torch.linspace(0, len(of_each) - 1, min(_ROWS, len(of_each))).long().tolist()
    some = [of_each[i] for i in sorted(set(places))]
    caption = (
        f"Test {noun} as the network sees them, {step} after {step} from left to right, at most {_COLUMNS} of {blocks.shape[1]}. Beside "
        "each, its class, and the answer where that is another."
    )
    return Picture("seen", "What it sees", caption, _strips(some, log_probs, labels, classes, blocks))


def mistakes(log_probs: Tensor, labels: Tensor, classes: list[str], blocks: Tensor, noun: str, step: str) -> Picture:
    """The wrong answers of highest probability, as `seen`."""
    best, answers = log_probs.max(-1)
    sure = torch.where(answers != labels, best, -math.inf)
    ranked = [i for i in sure.argsort(descending=True)[:_ROWS].tolist() if sure[i] > -math.inf]
    if not ranked:
        drawn, axes = figure(4, 1.2)
        axes.axis("off")
        axes.text(0.5, 0.5, f"None of the test {noun} was classified wrongly.", ha="center", va="center", fontsize=11)
        return Picture("mistakes", "The surest mistakes", "There are none on the test split.", drawn)
    caption = "True class → answer, with the probability given to it: where the network is wrong and most certain."
    drawn = _strips(ranked, log_probs, labels, classes, blocks)
    return Picture("mistakes", "The surest mistakes", caption, drawn)


def _strips(some: list[int], log_probs: Tensor, labels: Tensor, classes: list[str], blocks: Tensor) -> Figure:
    depth, high, wide = blocks.shape[1], blocks.shape[3], blocks.shape[4]
    steps = torch.linspace(0, depth - 1, min(_COLUMNS, depth)).round().long()
    across = len(steps) * wide / high  # how much wider than high a strip is
    tall = min(0.9, 8.0 / across)
    drawn, axes = figure(max(3.5, tall * across + 0.2), (tall + 0.22) * len(some) + 0.1, len(some), 1, squeeze=False)
    best, answers = log_probs.max(-1)
    gap = max(1, round(0.06 * wide))
    for cell, i in zip(axes[:, 0], some, strict=True):
        pictures = blocks[i, steps].float() / 255  # [steps, C, H, W]
        blank = torch.ones(len(steps), pictures.shape[1], high, gap)
        strip = torch.cat([pictures, blank], 3).permute(1, 2, 0, 3).flatten(2)[..., :-gap]
        shown = strip[0] if len(strip) == 1 else strip.permute(1, 2, 0)
        cell.imshow(shown.numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        cell.axis("off")
        cell.set_anchor("W")
        truth = classes[labels[i]] if labels[i] >= 0 else "unseen class"
        right = bool(answers[i] == labels[i])
        title = truth if right else f"{truth} → {classes[answers[i]]}, {math.exp(best[i]):.0%}"
        cell.set_title(title[:60], fontsize=8.5)
    return drawn
