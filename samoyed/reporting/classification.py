"""Pictures of a classifier: what it confuses, its surest mistakes, its filters, its calibration.

Legend: N examples, C classes.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

from samoyed.reporting.figures import AGAINST_FOR, COLOURS, figure
from samoyed.tasks import Picture

_MOST_NAMED = 30


def confusion(log_probs: Tensor, labels: Tensor, classes: list[str], noun: str = "pictures") -> Picture:
    """log_probs [N, C], labels [N] -> the counts of true against answered class, coloured by share of the true class."""
    size = len(classes)
    known = labels >= 0
    flat = labels[known] * size + log_probs[known].argmax(-1)
    counts = torch.bincount(flat, minlength=size * size).view(size, size)
    shares = (counts / counts.sum(1, keepdim=True).clamp(min=1)).numpy()
    side = min(9.0, 2.4 + 0.36 * size)
    drawn, axes = figure(side + 0.9, side)
    image = axes.imshow(shares, vmin=0, vmax=1)
    axes.grid(False)
    if size <= _MOST_NAMED:
        long = max(map(len, classes)) > 3
        axes.set_xticks(range(size), classes, rotation=90 if long else 0)
        axes.set_yticks(range(size), classes)
        for i in range(size):
            for j in range(size):
                if counts[i, j]:
                    ink = "black" if shares[i, j] > 0.5 else "white"
                    axes.text(
                        j,
                        i,
                        f"{int(counts[i, j]):,}",
                        ha="center",
                        va="center",
                        fontsize=7.5 if size > 8 else 9,
                        color=ink,
                    )
    axes.set_xlabel("answered")
    axes.set_ylabel("true class")
    drawn.colorbar(image, ax=axes, shrink=0.75, label="share of the true class")
    wrong = counts.clone().fill_diagonal_(0)
    worst = divmod(int(wrong.argmax()), size)
    most, pair = int(wrong.max()), f"{classes[worst[0]]} is taken for {classes[worst[1]]}"
    said = (
        "nothing is confused"
        if not most
        else f"most often, {pair} ({most} times)"
        if most > 1
        else "no mistake is made twice"
    )
    return Picture("confusion", "What it confuses", f"Test {noun} by true and answered class; {said}.", drawn)


def mistakes(log_probs: Tensor, labels: Tensor, classes: list[str], images: Tensor, most: int = 16) -> Picture:
    """The wrong answers of highest probability: log_probs [N, C], labels [N], images uint8 [N, channels, H, W]."""
    best, answers = log_probs.max(-1)
    sure = torch.where(answers != labels, best, -math.inf)
    ranked = [i for i in sure.argsort(descending=True)[:most].tolist() if sure[i] > -math.inf]
    if not ranked:
        drawn, axes = figure(4, 1.2)
        axes.axis("off")
        axes.text(0.5, 0.5, "No test picture was classified wrongly.", ha="center", va="center", fontsize=11)
        return Picture("mistakes", "The surest mistakes", "There are none on the test split.", drawn)
    columns = min(8, len(ranked))
    rows = math.ceil(len(ranked) / columns)
    drawn, axes = figure(max(2.4, 1.15 * columns + 0.4), 1.5 * rows, rows, columns, squeeze=False)
    for cell in axes.flat:
        cell.axis("off")
    for cell, i in zip(axes.flat, ranked, strict=False):
        show(cell, images[i])
        truth = classes[labels[i]] if labels[i] >= 0 else "unseen class"
        cell.set_title(f"{truth} → {classes[answers[i]]}\n{math.exp(best[i]):.0%} sure", fontsize=8, loc="center")
    caption = "True class → answer, with the probability given to it: where the network is wrong and most certain."
    return Picture("mistakes", "The surest mistakes", caption, drawn)


def filters(model: nn.Module, most: int = 32) -> list[Picture]:
    """The first layer's weights as pictures, if the first layer with weights is convolutional."""
    first = next((m for m in model.modules() if next(m.parameters(recurse=False), None) is not None), None)
    if not isinstance(first, nn.Conv2d) or first.in_channels not in (1, 3):
        return []
    kernels = first.weight.detach().cpu()[:most]
    columns = min(8, len(kernels))
    rows = math.ceil(len(kernels) / columns)
    drawn, axes = figure(max(2.4, 0.95 * columns + 0.5), 0.95 * rows + 0.2, rows, columns, squeeze=False)
    drawn.set_layout_engine("constrained", w_pad=0.06, h_pad=0.06)
    for cell in axes.flat:
        cell.axis("off")
    for cell, kernel in zip(axes.flat, kernels, strict=False):
        limit = float(kernel.abs().max()) or 1.0
        if first.in_channels == 1:
            cell.imshow(kernel[0].numpy(), cmap=AGAINST_FOR, vmin=-limit, vmax=limit)
        else:
            cell.imshow((kernel.permute(1, 2, 0) / limit * 0.5 + 0.5).numpy())
    how = (
        "blue adds, orange subtracts, white ignores"
        if first.in_channels == 1
        else "grey ignores a colour, bright adds it, dark subtracts it"
    )
    return [
        Picture(
            "filters",
            "First-layer filters",
            f"Each is slid over the picture: {how}. Each is scaled by its largest weight.",
            drawn,
        )
    ]


def calibration(log_probs: Tensor, labels: Tensor, bins: int = 10, noun: str = "pictures") -> Picture:
    """Share right against the probability given to the answer, in ten bins; expected calibration error (Guo 2017)."""
    sure, answers = log_probs.exp().max(-1)
    right = (answers == labels).float()
    place = (sure * bins).long().clamp(max=bins - 1)
    count = torch.bincount(place, minlength=bins).float()
    confidence = torch.bincount(place, sure, bins) / count.clamp(min=1)
    accuracy = torch.bincount(place, right, bins) / count.clamp(min=1)
    off = float(((accuracy - confidence).abs() * count).sum() / count.sum())
    drawn, (above, below) = figure(4.6, 4.4, 2, 1, sharex=True, height_ratios=(3, 1))
    some = count > 0
    above.plot([0, 1], [0, 1], color=COLOURS[6], linestyle="--", linewidth=1.2, label="as sure as right")
    above.plot(confidence[some], accuracy[some], marker="o", label="this network")
    above.set_ylabel("share right")
    above.set_ylim(-0.03, 1.03)
    above.legend(loc="upper left")
    below.bar(np.arange(bins) / bins + 0.5 / bins, count.numpy(), width=0.9 / bins, color=COLOURS[5])
    below.set_yscale("log")
    below.set_ylabel(noun)
    below.set_xlabel("probability given to the answer")
    caption = f"Points on the line mean that answers given with 80 % are right 80 % of the time. Expected calibration error {off:.3f}."
    return Picture("calibration", "Is it as sure as it is right?", caption, drawn)


def show(cell: "object", image: Tensor) -> None:
    """Draws uint8 [C, H, W] into a cell of a figure."""
    shown = image[0].numpy() if image.shape[0] == 1 else image.permute(1, 2, 0).numpy()
    cell.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest")  # type: ignore[attr-defined]
