"""How well likeness tells identities apart: verification, identification. Legend: N pictures, E numbers of an embedding.

The likeness of two pictures is the cosine of their embeddings. A pair is genuine if both are of one identity, else an impostor. At a
threshold t the false-reject rate is the share of genuine pairs below t, the false-accept rate that of impostors at t or above; the
equal error rate is where they meet.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Figure = Callable[[Array], float]
_BINS, _ROWS = 4000, 512


class Roc(NamedTuple):
    """At each threshold [T], from the lowest up: the false-accept and false-reject rates; where they meet, and at which threshold."""

    thresholds: Array
    accepts: Array
    rejects: Array
    equal: float
    at: float


def units(vectors: Array) -> Array:
    """vectors [N, E] -> the same of length 1."""
    found: Array = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return found


def blocks(vectors: Array, identities: Array) -> Iterator[tuple[slice, Array, NDArray[np.bool_], NDArray[np.bool_]]]:
    """Some rows at a time: which, their likeness to all [R, N], which of these pairs are genuine, and which are of two pictures."""
    made = units(vectors)
    for start in range(0, len(made), _ROWS):
        rows = slice(start, min(start + _ROWS, len(made)))
        same = identities[rows, None] == identities
        two = np.arange(start, rows.stop)[:, None] != np.arange(len(made))
        yield rows, made[rows] @ made.T, same & two, two


def histograms(vectors: Array, identities: Array) -> tuple[Array, Array]:
    """How many genuine pairs and impostors lie in each of `_BINS` equal parts of -1 to 1."""
    genuine, impostors = np.zeros(_BINS), np.zeros(_BINS)
    for _, likeness, same, two in blocks(vectors, identities):
        place = np.clip(((likeness + 1) / 2 * _BINS).astype(np.int64), 0, _BINS - 1)
        genuine += np.bincount(place[same], minlength=_BINS)
        impostors += np.bincount(place[two & ~same], minlength=_BINS)
    return genuine / 2, impostors / 2


def roc(vectors: Array, identities: Array) -> Roc:
    """Error rates at 4,001 thresholds from -1 to 1. Where there is no genuine pair, or no impostor, nothing is told apart: 0.5."""
    genuine, impostors = histograms(vectors, identities)
    thresholds = np.linspace(-1, 1, _BINS + 1)
    if not genuine.sum() or not impostors.sum():
        return Roc(thresholds, np.linspace(1, 0, _BINS + 1), np.linspace(0, 1, _BINS + 1), 0.5, 0.0)
    rejects = np.concatenate([[0.0], genuine.cumsum() / genuine.sum()])
    accepts = 1 - np.concatenate([[0.0], impostors.cumsum() / impostors.sum()])
    over = int(np.argmax(rejects >= accepts))  # rejects rise from 0 to 1 and accepts fall from 1 to 0
    before, after = accepts[over - 1] - rejects[over - 1], rejects[over] - accepts[over]
    share = before / (before + after) if before + after else 0.5
    equal = accepts[over - 1] + share * (accepts[over] - accepts[over - 1])
    at = thresholds[over - 1] + share * (thresholds[over] - thresholds[over - 1])
    return Roc(thresholds, accepts, rejects, float(equal), float(at))


def equal_error_rate(rows: Array) -> Figure:
    """rows [N, E + 1], embeddings and identities -> from how often each picture counts [N] the equal error rate in percent.

    A pair counts as often as the product of its two pictures' counts; to first order, at the threshold where the rates meet, its
    deviation from the figure of all is twice that of the sums over one picture of each pair (Hoeffding 1948).
    """
    vectors, identities = rows[:, :-1], rows[:, -1]
    found = roc(vectors, identities)
    counts = np.zeros(
        (4, len(rows))
    )  # of each picture: genuine pairs rejected, genuine pairs, impostors accepted, impostors
    for some, likeness, same, two in blocks(vectors, identities):
        other = two & ~same
        counts[:, some] = [
            (same & (likeness < found.at)).sum(1), same.sum(1), (other & (likeness >= found.at)).sum(1), other.sum(1)
        ]  # fmt: skip

    def linear(weights: Array) -> float:
        rejected, genuine, accepted, impostors = (float(count) for count in counts @ weights)
        return (rejected / max(genuine, 1e-12) + accepted / max(impostors, 1e-12)) / 2

    base = linear(np.ones(len(rows)))
    return lambda weights: 100 * min(1.0, max(0.0, found.equal + 2 * (linear(weights) - base)))


def nearest_error(rows: Array) -> Figure:
    """rows [N, E + 1] -> from how often each counts [N] the share in percent of pictures whose likest other one is of another
    identity, among those whose identity has another picture."""
    wrong, counted = np.zeros(len(rows)), np.zeros(len(rows))
    for some, likeness, same, two in blocks(rows[:, :-1], rows[:, -1]):
        nearest = np.where(two, likeness, -np.inf).argmax(1)
        counted[some] = same.any(1)
        wrong[some] = counted[some] * ~same[np.arange(len(same)), nearest]
    return lambda weights: 100 * float(weights @ wrong) / max(float(weights @ counted), 1e-12)
