"""What compression did to the weights: their values before and after, and what each layer takes on the disk."""

import numpy as np
from torch import Tensor

from samoyed.errors import printable
from samoyed.reporting.figures import COLOURS, figure
from samoyed.tasks import Picture

_LAYERS = 16


def weights(before: dict[str, Tensor], after: dict[str, Tensor], sizes: dict[str, int]) -> Picture:
    """The largest layer's weights before and after as histograms; per layer, the share that is left and bits per weight."""
    names = sorted(after, key=lambda name: -after[name].numel())[:_LAYERS]
    drawn, (left, right) = figure(8.6, max(2.9, 0.9 + 0.26 * len(names)), 1, 2)
    largest = names[0]
    old, new = (part[largest].detach().cpu().numpy().reshape(-1) for part in (before, after))
    bound = float(np.abs(np.concatenate([old, new])).max(initial=0)) or 1.0
    edges = np.linspace(-bound, bound, 121)
    left.hist(old, edges, color=COLOURS[6], alpha=0.55, label="before")
    left.hist(new[new != 0], edges, color=COLOURS[0], label="after, without zeros")
    left.set_yscale("log")
    left.set_title(printable(largest)[:40])
    left.set_xlabel("weight")
    left.set_ylabel("how many")
    left.set_ylim(top=6 * left.get_ylim()[1])  # room for the legend
    left.legend(fontsize=8, loc="upper right")
    shown = names[::-1]
    bits = [8 * sizes.get(name, 0) / after[name].numel() for name in shown]
    shares = [float(after[name].count_nonzero()) / after[name].numel() for name in shown]
    right.barh(range(len(shown)), bits, color=COLOURS[1], height=0.62)
    for y, (width, share) in enumerate(zip(bits, shares, strict=True)):
        right.annotate(f" {share:.1%} left", (width, y), va="center", fontsize=8)
    right.set_yticks(range(len(shown)), [printable(name)[:28] for name in shown], fontsize=8)
    right.set_xlim(0, 1.35 * max([*bits, 0.1]))
    right.set_xlabel("bits per weight on the disk, from 32")
    right.grid(axis="y", visible=False)
    caption = (
        "The values of the largest layer before and after; what is left of the largest layers, and what a weight costs."
    )
    return Picture("compression", "What became of the weights", caption, drawn)
