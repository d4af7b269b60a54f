"""Figures that depend on the ranking of all examples: average precision. Legend: N examples, K labels."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def average_precisions(scores: Array, truths: Array) -> Callable[[Array], Array]:
    """scores [N, K], truths [N, K] of 0 and 1 -> from how often each example counts [N] the average precision [K] of each label.

    The examples are ranked by score; AP = sum_n (R_n - R_{n-1}) P_n over the places n where the score changes, of precision P and
    recall R among all that rank as high (Zhu 2004; scikit-learn's average_precision_score). NaN where no example has the label.
    """
    size = len(scores)
    order = np.argsort(-scores, axis=0, kind="stable")
    ranked, found = np.take_along_axis(scores, order, 0), np.take_along_axis(truths, order, 0)
    ends = np.vstack([ranked[1:] != ranked[:-1], np.ones((1, scores.shape[1]), bool)])
    places = np.where(ends, np.arange(size)[:, None], size)
    last = np.minimum.accumulate(places[::-1], axis=0)[::-1]  # the last place of equal score

    def figure(weights: Array) -> Array:
        counts = weights[order]
        hits = counts * found
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = hits.cumsum(0) / counts.cumsum(0)
            precisions: Array = (hits * np.nan_to_num(np.take_along_axis(precision, last, 0))).sum(0) / hits.sum(0)
        return precisions

    return figure


def mean_average_precision(rows: Array) -> Callable[[Array], float]:
    """rows [N, 2 K], scores and then truths -> from how often each example counts [N] the mean of the labels' average precisions,
    in percent, labels that no example has left out."""
    scores, truths = np.split(rows, 2, axis=1)
    each = average_precisions(scores, truths)

    def figure(weights: Array) -> float:
        found = each(weights)
        there = found[~np.isnan(found)]
        return float(100 * there.mean()) if len(there) else 0.0

    return figure
