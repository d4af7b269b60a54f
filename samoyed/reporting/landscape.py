"""The loss around a network's weights as a map, and the spectrum of its Hessian."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from samoyed.reporting.figures import COLOURS, figure
from samoyed.tasks import Picture

if TYPE_CHECKING:
    from samoyed.explaining.hessian import Spectrum


def surface(places: Sequence[float], losses: NDArray[np.float64], here: float) -> Picture:
    """Contours of the loss over two directions, on a scale of its logarithm, and the loss along each."""
    drawn, (left, right) = figure(8.6, 3.7, 1, 2, width_ratios=(1.15, 1))
    finite = losses[np.isfinite(losses)]
    top = float(finite.max()) if len(finite) else 1.0
    shown = np.log10(np.clip(np.where(np.isfinite(losses), losses, top), 1e-6, None))
    filled = left.contourf(places, places, shown, levels=18)
    left.contour(places, places, shown, levels=18, colors="white", linewidths=0.35, alpha=0.6)
    left.plot(0, 0, "o", color=COLOURS[1], markersize=6, markeredgecolor="white")
    left.set_aspect("equal")
    left.grid(visible=False)
    left.set_xlabel("first direction")
    left.set_ylabel("second direction")
    bar = drawn.colorbar(filled, ax=left, shrink=0.9)
    bar.set_label("loss, power of ten")
    middle = len(places) // 2
    right.plot(places, losses[middle], color=COLOURS[0], label="first direction")
    right.plot(places, losses[:, middle], color=COLOURS[2], label="second direction")
    right.plot(0, here, "o", color=COLOURS[1], markersize=6)
    right.set_yscale("log")
    right.set_xlabel("step, in the weights' own norm")
    right.set_ylabel("loss")
    right.legend(fontsize=8.5)
    caption = (
        "The loss on training examples as all filters are moved along two random directions, each by its own norm at 1; the dot is the "
        "trained network."
    )
    return Picture("landscape", "The loss around the network", caption, drawn)


def spectrum(found: "Spectrum") -> Picture:
    """The density of the Hessian's eigenvalues: a Gaussian for each value that was found, on a logarithmic axis."""
    drawn, axes = figure(7.2, 3.2)
    values, weights = found.values.numpy(), found.weights.numpy()
    span = max(found.largest - found.smallest, 1e-12)
    width = span / 120
    at = np.linspace(found.smallest - 0.06 * span, found.largest + 0.06 * span, 700)
    bells = np.exp(-0.5 * ((at[:, None] - values) / width) ** 2) / (width * np.sqrt(2 * np.pi))
    density = bells @ weights
    axes.fill_between(at, density, 1e-12, color=COLOURS[0], alpha=0.35)
    axes.plot(at, density, color=COLOURS[0], linewidth=1.3)
    axes.set_yscale("log")
    axes.set_ylim(bottom=max(float(density.max()) * 1e-7, 1e-12), top=4 * float(density.max()))
    for value, name, side in ((found.smallest, "smallest", "left"), (found.largest, "largest", "right")):
        axes.axvline(value, color=COLOURS[1], linewidth=1.1, linestyle="--")
        axes.annotate(
            f"{name} {value:.3g}", (value, 0.9), (4 if side == "left" else -4, 0), xycoords=axes.get_xaxis_transform(),
            textcoords="offset points", ha=side, fontsize=8.5,
        )  # fmt: skip
    axes.axvline(0, color=COLOURS[6], linewidth=0.8)
    axes.set_xlabel("eigenvalue")
    axes.set_ylabel("density")
    caption = (
        "How the loss curves: many directions are flat, few are steep, and to the left of 0 it still falls to both sides. "
        f"{found.negative:.2%} of the eigenvalues are clearly negative."
    )
    return Picture("hessian", "Eigenvalues of the Hessian", caption, drawn)
