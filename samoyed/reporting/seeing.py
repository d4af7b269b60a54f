"""Pictures of what a network sees: maps of its layers, the pixels an answer rests on, what each layer does not mind.

Legend: C channels, H height, W width.
"""

import torch
from torch import Tensor

from samoyed.reporting.figures import AGAINST_FOR, COLOURS, MAP, figure
from samoyed.tasks import Picture

Shown = list[tuple[str, Tensor]]  # (name, maps [maps, H, W]) by layer
_MAPS = 12


def maps(picture: Tensor, seen: Shown, of: str) -> Picture:
    """picture uint8 [C, H, W] and each layer's maps [maps, H, W] -> a row per layer, its liveliest maps side by side."""
    drawn, axes = figure(8.2, 0.82 * len(seen) + 1.0, len(seen) + 1, 1, squeeze=False)
    for cell in axes[:, 0]:
        cell.axis("off")
    _show(axes[0, 0], picture)
    axes[0, 0].set_anchor("W")
    axes[0, 0].set_title("the picture", fontsize=8.5)
    for cell, (name, found) in zip(axes[1:, 0], seen, strict=True):
        order = found.flatten(1).std(1, correction=0).argsort(descending=True)[:_MAPS]
        cell.imshow(_row(found[order.sort().values]), cmap=MAP, vmin=0, vmax=1, interpolation="nearest")
        cell.set_anchor("W")
        count, high, wide = found.shape
        cell.set_title(f"{name}: {count} maps of {wide} x {high}", fontsize=8.5)
    caption = (
        f"{of}, layer by layer from the input up. Of each layer "
        f"the {_MAPS} maps that vary most, each from its least (dark) to its greatest value (bright)."
    )
    return Picture("feature-maps", "What each layer sees", caption, drawn)


def evidence(picture: Tensor, found: dict[str, Tensor], signed: tuple[str, ...], said: str) -> Picture:
    """picture uint8 [C, H, W] and heat maps [H, W] by name, those in `signed` for (blue) and against (orange)."""
    drawn, axes = figure(2.0 * (len(found) + 1), 2.5, 1, len(found) + 1, squeeze=False)
    _show(axes[0, 0], picture)
    axes[0, 0].set_title("the picture", loc="center")
    grey = picture.float().mean(0) / 255
    for cell, (name, heat) in zip(axes[0, 1:], found.items(), strict=True):
        most = float(heat.abs().flatten().kthvalue(max(1, round(0.995 * heat.numel()))).values) or 1.0
        cell.imshow(grey.numpy(), cmap="gray", vmin=-0.6, vmax=1.6)
        how = (
            {"cmap": AGAINST_FOR, "vmin": -most, "vmax": most}
            if name in signed
            else {"cmap": "magma", "vmin": 0, "vmax": most}
        )
        cell.imshow(heat.numpy(), alpha=0.75, interpolation="nearest", **how)
        cell.set_title(name, loc="center")
    for cell in axes.flat:
        cell.axis("off")
    caption = (
        f"{said} Saliency: how much a change of the pixel moves the answer. Integrated gradients: its share in the answer, blue for "
        "and orange against. Grad-CAM: where the last maps speak for it, dark where none does. Occlusion: what is lost (blue) or gained (orange) where a square is hidden."
    )
    return Picture("evidence", "Where it looks", caption, drawn)


def invariance(found: dict[str, list[tuple[str, float]]], pictures: int) -> Picture:
    """Per change, how far it moves each layer, as a share of the distance between classes (`explaining.seeing.spread`)."""
    names = [name for name, _ in next(iter(found.values()))]
    drawn, axes = figure(7.0, 3.8)
    for colour, (change, rows) in zip(COLOURS, found.items(), strict=False):
        axes.plot(
            range(1, len(rows) + 1),
            [ratio for _, ratio in rows],
            marker="o",
            markersize=3.5,
            label=change,
            color=colour,
        )
    axes.axhline(1, linestyle="--", linewidth=1.0, color=COLOURS[6])
    axes.text(len(names), 1.02, "another class", ha="right", va="bottom", fontsize=8.5)
    axes.set_ylim(bottom=0)
    if len(names) <= 12:
        axes.set_xticks(range(1, len(names) + 1), names, rotation=25, ha="right", fontsize=8)
    else:
        axes.set_xlabel("layer, from the input up")
    axes.set_ylabel("distance moved, between classes = 1")
    axes.legend()
    caption = (
        f"How far a change that leaves the class as it is moves each layer, against the distance between {pictures} test pictures of "
        "different classes. A line that falls means that higher layers mind the change less than they mind the class."
    )
    return Picture("invariance", "What each layer does not mind", caption, drawn)


def _row(found: Tensor) -> Tensor:
    """Maps [maps, H, W], each brought to 0 .. 1, side by side with gaps that are left blank."""
    low, high = found.amin((1, 2), keepdim=True), found.amax((1, 2), keepdim=True)
    scaled = ((found - low) / (high - low).clamp(min=1e-12)).float()
    gap = max(1, round(0.06 * found.shape[2]))
    blank = torch.full((len(found), found.shape[1], gap), float("nan"))
    return torch.cat([scaled, blank], 2).transpose(0, 1).flatten(1)[:, :-gap].numpy()  # type: ignore[return-value]


def _show(cell: "object", image: Tensor) -> None:
    shown = image[0].numpy() if image.shape[0] == 1 else image.permute(1, 2, 0).numpy()
    cell.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest")  # type: ignore[attr-defined]
