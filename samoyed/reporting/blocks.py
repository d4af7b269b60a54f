"""Pictures of a classifier of clips or volumes: strips of what it sees, and where it is wrong and most certain.

Legend: N examples, D frames or slices, C channels, H height, W width, K classes.
"""

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from samoyed.reporting.figures import AGAINST, AGAINST_FOR, COLOURS, FOR, MAP, figure
from samoyed.tasks import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROWS, _COLUMNS = 8, 8
_MAPS = 2  # of a layer
_SIGNED = ("integrated gradients", "occlusion")


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


def maps(pictures: Tensor, seen: list[tuple[str, Tensor]], of: str, step: str) -> Picture:
    """pictures uint8 [D, C, H, W] and each layer's maps [maps, D', H', W'] -> strips of each layer's liveliest maps."""
    rows = [("what is seen", strip(pictures.float() / 255), {"cmap": "gray", "vmin": 0, "vmax": 1})]
    for name, found in seen:
        order = found.flatten(1).std(1, correction=0).argsort(descending=True)[:_MAPS]
        count, depth, high, wide = found.shape
        for place, map_ in enumerate(found[order]):
            scaled = (map_ - map_.min()) / (map_.max() - map_.min()).clamp(min=1e-12)
            title = f"{name}: {count} maps of {depth} x {high} x {wide}" if place == 0 else ""
            rows.append((title, strip(scaled[:, None]), {"cmap": MAP, "vmin": 0, "vmax": 1}))
    drawn, axes = _rows(rows, len(pictures), pictures.shape[2], pictures.shape[3])
    for cell, (title, shown, how) in zip(axes, rows, strict=True):
        _show(cell, shown, **how)
        cell.set_title(title, fontsize=8.5)
    caption = (
        f"{of}, layer by layer from the input up, {step} after {step} from left to right. Of each layer the {_MAPS} maps that vary most, "
        "each from its least (dark) to its greatest value (bright)."
    )
    return Picture("feature-maps", "What each layer sees", caption, drawn)


def evidence(pictures: Tensor, found: dict[str, Tensor], step: str, said: str) -> Picture:
    """pictures uint8 [D, C, H, W] and heat maps [D, H, W] by name, as strips; below them what each frame or slice adds."""
    depth, _, high, wide = pictures.shape
    rows: list[Any] = [("what is seen", None), *found.items()]
    shares = found.get("integrated gradients")
    drawn, axes = _rows(rows, depth, high, wide, more=0.9 if shares is not None else 0.0)
    _show(axes[0], strip(pictures.float() / 255), cmap="gray", vmin=0, vmax=1)
    axes[0].set_title("what is seen", fontsize=8.5)
    grey = strip(pictures.float().mean(1, keepdim=True) / 255)
    for cell, (name, heat) in zip(axes[1:], found.items(), strict=False):
        most = float(heat.abs().flatten().kthvalue(max(1, round(0.995 * heat.numel()))).values) or 1.0
        _show(cell, grey, cmap="gray", vmin=-0.6, vmax=1.6)
        how = {"cmap": AGAINST_FOR, "vmin": -most} if name in _SIGNED else {"cmap": "magma", "vmin": 0}
        _show(cell, strip(heat[:, None]), alpha=0.75, vmax=most, **how)
        cell.set_title(name, fontsize=8.5)
    if shares is not None:
        sums = shares.sum((1, 2)).tolist()
        colours = [FOR if v >= 0 else AGAINST for v in sums]
        axes[-1].bar(range(1, depth + 1), sums, color=colours, width=0.8)
        axes[-1].axhline(0, color=COLOURS[6], linewidth=0.8)
        axes[-1].set_title(f"integrated gradients, summed over each {step}", fontsize=8.5)
        axes[-1].set_xlabel(step)
    caption = (
        f"{said} Saliency: how much a change of the place moves the answer. Integrated gradients: its share in the answer, blue for and "
        f"orange against. Grad-CAM: where the last maps speak for it, dark where none does. Occlusion: what is lost (blue) or gained (orange) where a "
        f"block is hidden. At most {_COLUMNS} of {depth} {step}s."
    )
    return Picture("evidence", "Where it looks", caption, drawn)


def strip(pictures: Tensor) -> Tensor:
    """At most 8 of the pictures [D, C, H, W], evenly spread, side by side with gaps that are blank: [H, ..., C], or [H, ...] of one channel."""
    steps = torch.linspace(0, len(pictures) - 1, min(_COLUMNS, len(pictures))).round().long()
    some = pictures[steps]
    gap = max(1, round(0.06 * some.shape[3]))
    blank = torch.full((*some.shape[:3], gap), float("nan") if some.shape[1] == 1 else 1.0)
    row = torch.cat([some, blank], 3).permute(1, 2, 0, 3).flatten(2)[..., :-gap]
    return row[0] if len(row) == 1 else row.permute(1, 2, 0)


def _rows(rows: list[Any], depth: int, high: int, wide: int, more: float = 0.0) -> tuple["Figure", list[Any]]:
    """A figure with an axis for each row of strips, and one more in inches below them."""
    across = min(_COLUMNS, depth) * wide / high
    tall = min(0.9, 8.0 / across)
    count = len(rows) + (more > 0)
    sizes = [tall + 0.22] * len(rows) + ([more + 0.3] if more else [])
    drawn, axes = figure(
        max(3.5, tall * across + 0.2), sum(sizes) + 0.15, count, 1, squeeze=False, gridspec_kw={"height_ratios": sizes}
    )
    return drawn, list(axes[:, 0])


def _show(cell: Any, row: Tensor, **how: Any) -> None:
    cell.imshow(row.numpy(), interpolation="nearest", **how)
    cell.axis("off")
    cell.set_anchor("W")


def _strips(some: list[int], log_probs: Tensor, labels: Tensor, classes: list[str], blocks: Tensor) -> "Figure":
    depth, high, wide = blocks.shape[1], blocks.shape[3], blocks.shape[4]
    drawn, axes = _rows(some, depth, high, wide)
    best, answers = log_probs.max(-1)
    for cell, i in zip(axes, some, strict=True):
        _show(cell, strip(blocks[i].float() / 255), cmap="gray", vmin=0, vmax=1)
        truth = classes[labels[i]] if labels[i] >= 0 else "unseen class"
        right = bool(answers[i] == labels[i])
        title = truth if right else f"{truth} → {classes[answers[i]]}, {math.exp(best[i]):.0%}"
        cell.set_title(title[:60], fontsize=8.5)
    return drawn
