"""A map of words: t-SNE of their vectors, with names that can be read (van der Maaten & Hinton 2008; the review's Figure 4)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from samoyed.reporting.figures import COLOURS, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CLUSTERS = len(COLOURS)
_POINTS = 7.0  # size of the letters
_GAP = 1.5  # pixels between names
_SIDES = ((0, 0, "center", "center"), (4, 0, "left", "center"), (-4, 0, "right", "center"), (0, 4, "center", "bottom"), (0, -4, "center", "top"))  # fmt: skip


def project(vectors: NDArray[np.float32], seed: int = 0) -> NDArray[np.float32]:
    """vectors [V, D] -> [V, 2] by t-SNE on the cosines, begun at the principal components."""
    from sklearn.manifold import TSNE

    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    if len(units) < 4:
        return np.pad(units, ((0, 0), (0, 2)))[:, :2].astype(np.float32)
    perplexity = max(1.0, min(30.0, (len(units) - 1) / 4))
    made: NDArray[np.float32] = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(
        units.astype(np.float32)
    )
    return made


def draw(words: Sequence[str], vectors: NDArray[np.float32], seed: int = 0) -> tuple["Figure", int]:
    """The map of words [V], the most important first, and how many of them found room for their names.

    A name stands on its point, or beside it where that is taken, and is left out where every side is; a dot stays. Colours are
    groups of words by k-means on the vectors, which the map has not seen: where they hold together, it is right about them.
    """
    from sklearn.cluster import KMeans

    places = project(vectors, seed)
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    groups = np.zeros(len(words), int)
    if len(words) > 5 * _CLUSTERS:
        groups = KMeans(_CLUSTERS, n_init=3, random_state=seed).fit_predict(units)
    made, axes = figure(9.0, 7.2)
    axes.axis("off")
    axes.set_position((0.0, 0.0, 1.0, 1.0))
    made.set_layout_engine("none")
    low, high = places.min(0), places.max(0)
    room = 0.04 * np.maximum(high - low, 1e-6)
    axes.set_xlim(low[0] - room[0], high[0] + room[0])
    axes.set_ylim(low[1] - room[1], high[1] + room[1])
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer: Any = FigureCanvasAgg(made).get_renderer()  # type: ignore[no-untyped-call]
    taken: list[tuple[float, float, float, float]] = []
    pixels = axes.transData.transform(places)
    dots, named = [], 0
    for i, word in enumerate(words):
        colour = COLOURS[groups[i]]
        for dx, dy, across, up in _SIDES:
            text = axes.annotate(
                word, places[i], (dx, dy), textcoords="offset points", ha=across, va=up, fontsize=_POINTS,
                color=colour, parse_math=False,
            )  # fmt: skip
            box = text.get_window_extent(renderer)
            mine = (box.x0 - _GAP, box.y0, box.x1 + _GAP, box.y1)
            inside = mine[0] > 0 and mine[1] > 0 and mine[2] < made.bbox.width and mine[3] < made.bbox.height
            if inside and not any(_overlap(mine, other) for other in taken):
                taken.append(mine)
                named += 1
                if (dx, dy) != (0, 0):
                    dots.append(i)
                break
            text.remove()
        else:
            dots.append(i)
    free = [i for i in dots if not any(b[0] < pixels[i, 0] < b[2] and b[1] < pixels[i, 1] < b[3] for b in taken)]
    axes.scatter(places[free, 0], places[free, 1], s=5, c=[COLOURS[groups[i]] for i in free], linewidths=0)
    return made, named


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
