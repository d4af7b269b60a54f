"""Pictures of word vectors: the map, and the neighbours of some words."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from samoyed.explaining import word_map
from samoyed.explaining.word_tests import unit
from samoyed.reporting.figures import COLOURS, figure
from samoyed.tasks import Picture

_MAPPED = 500
_ROWS, _NEAREST, _AMONG = 14, 6, 20_000


def pictures(words: Sequence[str], vectors: NDArray[np.float32]) -> list[Picture]:
    """The map of the first words [V], and neighbours of some of them, by vectors [V, D]."""
    drawn, named = word_map.draw(words[:_MAPPED], vectors[:_MAPPED])
    mapped = min(_MAPPED, len(words))
    caption = (
        f"t-SNE of {mapped} words by the cosines of their vectors; {named} have room for their names, the others are dots. "
        "Words used alike lie together; colours are groups by k-means on the vectors themselves, which the map has not seen."
    )
    return [Picture("map", "A map of the words", caption, drawn), _neighbours(words, vectors)]


def _neighbours(words: Sequence[str], vectors: NDArray[np.float32]) -> Picture:
    units = unit(vectors[:_AMONG])
    chosen = np.unique(np.geomspace(1, max(1, min(len(words), 2_000)), _ROWS).astype(int) - 1)
    drawn, axes = figure(7.6, 0.24 * len(chosen) + 0.5)
    axes.axis("off")
    axes.set_xlim(0, 1)
    axes.set_ylim(len(chosen), -0.6)
    for row, i in enumerate(chosen):
        cosines = units @ units[i]
        cosines[i] = -np.inf
        near = np.argsort(-cosines, kind="stable")[: min(_NEAREST, len(words) - 1)]
        axes.text(0.0, row, words[i][:22], fontsize=8.5, weight="bold", parse_math=False)
        for column, j in enumerate(near):
            x = 0.2 + 0.8 * column / _NEAREST
            axes.text(x, row, words[j][:14], fontsize=8, parse_math=False)
            axes.text(x, row + 0.38, f"{cosines[j]:.2f}", fontsize=5.5, color=COLOURS[6])
    caption = "Each row: a word, from common to rarer ones, and the words whose vectors have the largest cosines with its own."
    return Picture("neighbours", "Nearest words", caption, drawn)
