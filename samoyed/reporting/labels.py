"""Pictures of a classifier that gives any number of labels: how well each is found, and what it answered.

Legend: N pictures, K labels.
"""

import numpy as np
import torch
from torch import Tensor

from samoyed.reporting.classification import show
from samoyed.reporting.figures import COLOURS, figure
from samoyed.tasks import Picture
from samoyed.tasks._ranked import average_precisions

_MOST_NAMED = 40


def precisions(logits: Tensor, labels: Tensor, names: list[str], noun: str = "pictures") -> Picture:
    """logits [N, K], labels [N, K] of 0 and 1 -> each label's average precision beside its share of the pictures or frames."""
    truths = labels.double().numpy()
    found = average_precisions(logits.double().numpy(), truths)(np.ones(len(truths)))
    shares, counts = truths.mean(0), truths.sum(0).astype(int)
    kept = [int(i) for i in np.argsort(-np.nan_to_num(found, nan=-1)) if counts[i]]
    absent = len(names) - len(kept)
    cut = ""
    if len(kept) > _MOST_NAMED:
        kept = kept[: _MOST_NAMED // 2] + kept[-_MOST_NAMED // 2 :]
        cut = f" Of {len(names)} labels, the best and the worst {_MOST_NAMED // 2}."
    drawn, axes = figure(6.4, 0.26 * max(2, len(kept)) + 1.0)
    places = np.arange(len(kept))[::-1]
    axes.barh(places, [100 * found[i] for i in kept], height=0.62, color=COLOURS[0], label="average precision")
    axes.plot(
        [100 * shares[i] for i in kept],
        places,
        "|",
        color=COLOURS[1],
        markersize=11,
        markeredgewidth=2.2,
        label="by chance",
    )
    for place, i in zip(places, kept, strict=True):
        axes.annotate(
            f"{100 * found[i]:.0f}",
            (100 * found[i], place),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.set_yticks(places, [f"{names[i]}  ({counts[i]:,})" for i in kept])
    axes.set_xlim(0, 108)
    axes.set_xlabel("average precision, %")
    axes.grid(axis="y", visible=False)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    caption = (
        f"Test {noun} ranked by each label's probability, the number of those that have it in brackets: 100 % where all of them "
        f"come first, the share of such {noun} where the order is chance.{cut}"
    )
    caption += f" {absent} labels are on none of the test {noun}." if absent else ""
    return Picture("labels", "How well each label is found", caption, drawn)


def answers(logits: Tensor, labels: Tensor, names: list[str], images: Tensor, most: int = 12) -> Picture:
    """The pictures with the surest wrong answers: logits [N, K], labels [N, K], images uint8 [N, C, H, W]."""
    truths = labels >= 0.5
    wrong = torch.where((logits >= 0) != truths, logits.abs(), torch.zeros_like(logits)).amax(1)
    some = [i for i in wrong.argsort(descending=True)[:most].tolist() if wrong[i] > 0]
    if not some:
        drawn, axes = figure(4, 1.2)
        axes.axis("off")
        axes.text(0.5, 0.5, "Every label of every test picture is right.", ha="center", va="center", fontsize=11)
        return Picture("mistakes", "The surest mistakes", "There are none on the test split.", drawn)
    columns = min(4, len(some))
    rows = -(-len(some) // columns)
    drawn, axes = figure(2.3 * columns, 2.5 * rows, rows, columns, squeeze=False)
    for cell in axes.flat:
        cell.axis("off")
    for cell, i in zip(axes.flat, some, strict=False):
        show(cell, images[i])
        said = logits[i] >= 0
        parts = {"right": said & truths[i], "missed": ~said & truths[i], "wrong": said & ~truths[i]}
        lines = [f"{word}: {_listed(which, names)}" for word, which in parts.items() if which.any()]
        cell.set_title("\n".join(lines) or "right: no label", fontsize=7.5, loc="left")
    caption = "The test pictures with the surest mistakes: which labels are right, which were missed, and which are not there."
    return Picture("mistakes", "The surest mistakes", caption, drawn)


def _listed(which: Tensor, names: list[str], most: int = 4) -> str:
    found = [names[i] for i in which.nonzero()[:, 0].tolist()]
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")
