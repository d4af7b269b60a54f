"""Pictures of what a network hears: a recording layer by layer, and which moments and bands its answer rests on.

Legend: T frames, M mel bands, U units.
"""

from typing import Any

import torch
from torch import Tensor

from samoyed.reporting.figures import AGAINST, AGAINST_FOR, COLOURS, FOR, MAP, figure
from samoyed.reporting.sounds import SHIFT
from samoyed.tasks import Picture

_UNITS = 40
SIGNED = ("integrated gradients", "occlusion")


def units(frames: Tensor, seen: list[tuple[str, Tensor]], of: str) -> Picture:
    """frames [T, M] and each layer's answers [U, T'] by name -> one above the other over the same time."""
    drawn, axes = figure(7.2, 1.25 * (len(seen) + 1) + 0.4, len(seen) + 1, 1, squeeze=False, sharex=True)
    seconds = len(frames) * SHIFT
    _spectrogram(axes[0, 0], frames)
    axes[0, 0].set_title("the recording, mel bands from low to high")
    for cell, (name, found) in zip(axes[1:, 0], seen, strict=True):
        order = found.std(1, correction=0).argsort(descending=True)[:_UNITS]
        some = found[order]
        some = some[some.argmax(1).argsort()]  # by the moment at which each answers most
        low, high = some.amin(1, keepdim=True), some.amax(1, keepdim=True)
        scaled = (some - low) / (high - low).clamp(min=1e-12)
        cell.imshow(
            scaled.numpy(), origin="lower", aspect="auto", cmap=MAP, vmin=0, vmax=1, interpolation="nearest",
            extent=(0, seconds, 0, len(some)),
        )  # fmt: skip
        cell.set_title(f"{name}: {len(found)} units at {found.shape[1]:,} moments")
        _plain(cell)
    axes[-1, 0].set_xlabel("seconds")
    caption = (
        f"{of}, layer by layer from the input up. Of each layer the {_UNITS} units that vary most, a line each, ordered by the moment at "
        "which they answer most, from their least (dark) to their greatest value (bright)."
    )
    return Picture("feature-maps", "What each layer hears", caption, drawn)


def evidence(frames: Tensor, found: dict[str, Tensor], said: str) -> Picture:
    """frames [T, M] and heat maps [T, M] by name, over the same time; below them what each moment adds to the answer."""
    shares = found.get("integrated gradients")
    rows = 1 + len(found) + (shares is not None)
    drawn, axes = figure(7.2, 1.3 * rows + 0.4, rows, 1, squeeze=False, sharex=True)
    _spectrogram(axes[0, 0], frames)
    axes[0, 0].set_title("the recording, mel bands from low to high")
    seconds, bands = len(frames) * SHIFT, frames.shape[1]
    for cell, (name, heat) in zip(axes[1:, 0], found.items(), strict=False):
        most = float(heat.abs().flatten().kthvalue(max(1, round(0.995 * heat.numel()))).values) or 1.0
        how: dict[str, Any] = {"cmap": AGAINST_FOR, "vmin": -most} if name in SIGNED else {"cmap": "magma", "vmin": 0}
        where: dict[str, Any] = {"origin": "lower", "aspect": "auto", "interpolation": "nearest"}
        where["extent"] = (0, seconds, 0, bands)
        cell.imshow(frames.T.numpy(), cmap="gray", vmin=-4.0, vmax=5.0, **where)
        cell.imshow(heat.T.numpy(), alpha=0.75, vmax=most, **how, **where)
        cell.set_title(name)
        _plain(cell)
    if shares is not None:
        cell, sums = axes[-1, 0], shares.sum(1)
        at = (torch.arange(len(sums)) + 0.5) * SHIFT
        colours = [FOR if v >= 0 else AGAINST for v in sums.tolist()]
        cell.bar(at.tolist(), sums.tolist(), width=SHIFT, color=colours)
        cell.axhline(0, color=COLOURS[6], linewidth=0.8)
        cell.set_title("integrated gradients, summed over the bands")
    axes[-1, 0].set_xlabel("seconds")
    caption = (
        f"{said} Saliency: how much a change there moves the answer. Integrated gradients: its share in the answer, blue for and orange "
        "against, beside a recording in which every band is at its mean. Occlusion: what is lost (blue) or gained (orange) where a stretch of time "
        "and bands is brought to that mean."
    )
    return Picture("evidence", "Where it listens", caption, drawn)


def _spectrogram(cell: Any, frames: Tensor) -> None:
    cell.imshow(
        frames.T.numpy(), origin="lower", aspect="auto", cmap=MAP, vmin=-2.5, vmax=2.5, interpolation="nearest",
        extent=(0, len(frames) * SHIFT, 0, frames.shape[1]),
    )  # fmt: skip
    _plain(cell)


def _plain(cell: Any) -> None:
    cell.set_yticks([])
    cell.grid(visible=False)
