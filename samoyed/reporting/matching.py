"""Pictures of a measure of likeness: the errors of verification, nearest neighbours, a map. Legend: N pictures, E numbers each."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from samoyed.reporting.figures import COLOURS, figure
from samoyed.tasks import Picture

if TYPE_CHECKING:
    from samoyed.tasks._matching import Roc

Array = NDArray[np.float64]
_QUERIES, _SHOWN, _MAPPED, _NAMED = 10, 7, 400, 7
_WIDE, _HIGH = 24, 20  # pictures that have room side by side on a map


def curve(learned: "Roc", pixels: "Roc") -> Picture:
    """The receiver operating characteristic of the embedding, beside that of the pixels as they are, with both equal error rates."""
    drawn, axes = figure(4.8, 4.6)
    axes.plot([0, 1], [1, 0], color=COLOURS[6], linestyle=":", linewidth=1.2)
    for found, colour, name in ((learned, COLOURS[0], "embedding"), (pixels, COLOURS[1], "pixels")):
        axes.plot(found.accepts, 1 - found.rejects, color=colour, label=f"{name}, equal error rate {found.equal:.1%}")
        axes.plot([found.equal], [1 - found.equal], "o", color=colour)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.set_xlabel("impostors accepted")
    axes.set_ylabel("genuine pairs accepted")
    axes.legend(loc="lower right")
    caption = (
        "Pairs of test pictures: from the strictest threshold at the left to the laxest. On the dotted line as many genuine pairs are "
        "rejected as impostors are accepted; the cosine of the raw pixels is drawn beside it."
    )
    return Picture("roc", "Telling pairs apart", caption, drawn)


def likenesses(genuine: Array, impostors: Array, threshold: float, parts: int = 80) -> Picture:
    """How alike genuine pairs and impostors are: counts in equal parts of -1 to 1."""
    drawn, axes = figure(6.4, 3.2)
    places = np.linspace(-1, 1, parts + 1)
    for counts, colour, name in (
        (impostors, COLOURS[1], "of two identities"),
        (genuine, COLOURS[0], "of one identity"),
    ):
        some = counts.reshape(parts, -1).sum(1)
        axes.stairs(100 * some / max(some.sum(), 1), places, fill=True, alpha=0.55, color=colour, label=name)
    axes.axvline(threshold, color=COLOURS[6], linestyle="--", linewidth=1.2)
    axes.annotate(
        "called the same → ", (threshold, 1), xycoords=("data", "axes fraction"), va="bottom", ha="right", fontsize=8.5
    )
    axes.set_xlabel("likeness, the cosine of two embeddings")
    axes.set_ylabel("% of such pairs")
    axes.legend(loc="center left")
    caption = f"Pairs of test pictures. From {threshold:.2f} up, where both errors were equal on the validation split, two are called the same."
    return Picture("likeness", "How alike are pairs?", caption, drawn)


def neighbours(vectors: Array, identities: NDArray[np.int64], names: dict[int, str], images: Tensor) -> Picture:
    """Test pictures and the ones most alike, others' identities named: vectors [N, E], images uint8 [N, C, H, W]."""
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    queries = np.unique(np.linspace(0, len(units) - 1, min(_QUERIES, len(units))).astype(int))
    likeness = units[queries] @ units.T
    likeness[np.arange(len(queries)), queries] = -np.inf
    ranked = np.argsort(-likeness, axis=1)[:, : min(_SHOWN, len(units) - 1)]
    columns, side = ranked.shape[1] + 1, max(images.shape[2:])
    edge, gap = max(1, round(0.06 * side)), round(0.12 * side)
    step = side + 2 * edge + gap
    canvas = np.full((step * len(queries), step * columns, 4), 0.0)
    drawn, axes = figure(0.95 * columns + 0.9, 1.0 * len(queries))
    same = identities[ranked] == identities[queries, None]
    right = int(same.sum())
    for row, query in enumerate(queries):
        for column, i in enumerate([query, *ranked[row]]):
            colour = COLOURS[6] if not column else COLOURS[0 if same[row, column - 1] else 1]
            framed = _framed(images[i], colour, edge)
            top, left = row * step, column * step
            canvas[top : top + framed.shape[0], left : left + framed.shape[1]] = framed
            if column and not same[row, column - 1]:
                axes.text(left, top, names[int(identities[i])][:12], fontsize=7, va="bottom")
        axes.text(-gap, row * step + step / 2, names[int(identities[query])][:12], fontsize=8, ha="right", va="center")
    axes.imshow(canvas, interpolation="nearest")
    axes.axis("off")
    share = right / max(1, ranked.size)
    caption = (
        "In each row a test picture, and the test pictures most alike, the likest first: blue is of the same identity, orange is of "
        f"another, which is named. {share:.0%} of these are of the same."
    )
    return Picture("neighbours", "Nearest neighbours", caption, drawn)


def map_of(vectors: Array, identities: NDArray[np.int64], names: dict[int, str], images: Tensor) -> Picture:
    """The embeddings of test pictures in the plane by t-SNE, drawn as the pictures themselves, framed by identity."""
    from samoyed.explaining.word_map import project

    some = np.unique(np.linspace(0, len(vectors) - 1, min(_MAPPED, len(vectors))).astype(int))
    places = project(vectors[some].astype(np.float32))
    kinds = list(dict.fromkeys(identities[some].tolist()))
    side = max(images.shape[2:])
    edge = max(1, round(0.06 * side))
    whole = np.array([_WIDE, _HIGH]) * (side + 2 * edge)
    spread = places - places.min(0)
    corners = (spread / np.maximum(spread.max(0), 1e-6) * (whole - side - 2 * edge)).astype(int)
    canvas = np.zeros((whole[1], whole[0], 4))
    for (left, top), i in zip(corners, some, strict=True):
        kind = kinds.index(int(identities[i]))
        framed = _framed(images[i], COLOURS[kind % len(COLOURS)] if len(kinds) <= _NAMED else COLOURS[6], edge)
        canvas[top : top + framed.shape[0], left : left + framed.shape[1]] = framed
    drawn, axes = figure(7.6, 5.6)
    axes.imshow(canvas, interpolation="nearest")
    axes.axis("off")
    named = ""
    if len(kinds) <= _NAMED:
        for kind, identity in enumerate(kinds):
            axes.plot([], [], "s", color=COLOURS[kind], label=names[int(identity)][:18])
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        named = " Frames show the identity."
    caption = f"{len(some)} test pictures by t-SNE of their embeddings: what is near there is alike.{named}"
    return Picture("map", "A map of the pictures", caption, drawn)


def _framed(image: Tensor, colour: str, edge: int) -> Array:
    """uint8 [C, H, W] -> red, green, blue and opacity [H + 2 edge, W + 2 edge, 4] from 0 to 1, in a frame."""
    _, height, width = image.shape
    made = np.ones((height + 2 * edge, width + 2 * edge, 4))
    from matplotlib.colors import to_rgb

    made[..., :3] = to_rgb(colour)
    made[edge : edge + height, edge : edge + width, :3] = image.permute(1, 2, 0).numpy() / 255
    return made
