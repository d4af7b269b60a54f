"""Whether two networks differ by more than chance, asked on the same examples.

Of things right or wrong, McNemar's test (1947) in its exact form: of the n = b + c examples on which the two differ, b would be
binomial(n, 1/2) if they were equally good. Of any other figure, the paired bootstrap (Efron & Tibshirani 1993, chapter 16; Koehn
2004): examples are drawn with replacement, the same for both, and p is twice the smaller share of draws on one side of 0, the
level at which the percentile interval just reaches 0. Above 20,000 examples, the normal interval of the difference of two ratios.

Of two settings, each of which was trained with several seeds: the randomisation test (Fisher 1935, section 21), exact where few examples
leave few ways.

All of them speak of other examples of the same kind, not of other trainings: a second seed may differ more. Neighbouring
examples of a text or series depend on each other, so that there the interval is a lower bound on the doubt.

Legend: N examples, K figures whose mean is reported, R resamples.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from samoyed.tasks import Metric

_RESAMPLES, _AT_ONCE = 2000, 2**24  # draws, and numbers held at once
_FEWER = 200  # draws for figures of all examples at once, which take long
_MANY = 20_000
_Z = 1.959963984540054  # the normal quantile of 97.5 %

Floats = NDArray[np.float64]


class Difference(NamedTuple):
    """How far a second run's figure lies above a first one's: the 95 % interval in the metric's unit, and the p of no difference.

    `counts` are, for things right or wrong, the examples on which only the first and only the second was better.
    """

    value: float
    low: float
    high: float
    p: float
    test: str
    counts: tuple[int, int] | None


def difference(first: Floats, second: Floats, metric: Metric) -> Difference:
    """entries [2, N] or [2, N, K] of two runs on the same examples in one order, as `evaluation.entries_of` gives them.

    Raises ValueError where they are not of one shape.
    """
    if first.shape != second.shape:
        raise ValueError(f"entries of shapes {first.shape} and {second.shape} cannot be paired")
    with np.errstate(all="ignore"):
        value, low, high, p, test = _interval(first, second, metric)
        if not _are_right_or_wrong(first, second, metric):
            return Difference(value, low, high, p, test, None)
        more, less = (int((a > b).sum()) for a, b in ((second[0], first[0]), (first[0], second[0])))
        counts = (more, less) if metric.better == "lower" else (less, more)
        return Difference(value, low, high, mcnemar(*counts), "McNemar's exact test", counts)


def mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided p of McNemar's exact test: on how many examples only one of the two was right.

    >>> mcnemar(1, 8), mcnemar(0, 0)
    (0.0390625, 1.0)
    """
    from scipy.stats import binomtest

    both = only_first + only_second
    return 1.0 if both == 0 else min(1.0, 2 * float(binomtest(min(only_first, only_second), both, 0.5, "less").pvalue))


def shown(p: float) -> str:
    """A p in two digits.

    >>> shown(0.0391), shown(0.00001), shown(1.0)
    ('0.039', '< 0.001', '1')
    """
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def holm(ps: Sequence[float]) -> list[float]:
    """Each p so enlarged that the chance of any wrong finding among them stays below the level (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    found, largest = [0.0] * len(ps), 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[place]))
        found[place] = round(largest, 12)
    return found


def figures(entries: Floats, metric: Metric, weights: Floats) -> Floats:
    """The reported figure of entries [2, N] or [2, N, K] in each resample: weights [R, N], how often each was drawn -> [R]."""
    totals, counts = (part.reshape(part.shape[0], -1) for part in entries)
    if metric.whole is not None:
        figure = metric.whole(totals)
        return np.array([figure(row) for row in weights])
    return _of_sums(weights @ totals, weights @ counts, metric)


def swapped(pairs: Sequence[tuple[Floats, Floats]], metric: Metric, apart: int = 1) -> float:
    """The p of no difference between two settings: entries of the first and the second, trained with the same seed, for each seed.

    If it did not matter which of the two is which, both could change places on any example: p is the share of all ways to do so, or of 2,000
    drawn ones, in which the figures, averaged over the seeds, come out as far apart as they did. `apart` neighbours that share
    what they are measured on change places together. With n that are apart p is never below 2 / 2^n: a handful decides nothing.
    """
    examples = pairs[0][0].shape[1]
    begins = np.arange(0, examples, max(1, apart, -(-examples // _MANY)))
    ways = _ways(len(begins), _RESAMPLES if metric.whole is None else _FEWER)
    with np.errstate(all="ignore"):
        every = np.mean([_apart(first, second, metric, begins, ways) for first, second in pairs], axis=0)
    if not math.isfinite(every[0]):
        return 1.0
    every = np.abs(every[np.isfinite(every)])
    return float((every >= every[0] * (1 - 1e-9)).mean())


def _ways(count: int, most: int) -> NDArray[np.bool_]:
    """Who changes places, [R, count]: in the first row nobody; all ways where they are not more than `most`, or as many drawn."""
    if 2**count <= most:
        return (np.arange(2**count)[:, None] >> np.arange(count) & 1).astype(bool)
    drawn = np.random.default_rng(0).random((most, count), dtype=np.float32) < 0.5
    drawn[0] = False
    return drawn


def _apart(first: Floats, second: Floats, metric: Metric, begins: NDArray[np.int64], ways: NDArray[np.bool_]) -> Floats:
    """How far the second's figure lies above the first's in each of the ways [R, blocks], blocks beginning at `begins` -> [R]."""
    if metric.whole is not None:
        ways = np.repeat(ways, np.diff(begins, append=first.shape[1]), axis=1)[..., None]
        rows = [part[0].reshape(first.shape[1], -1) for part in (first, second)]
        once = np.ones(len(rows[0]))
        found = [
            metric.whole(np.where(way, rows[0], rows[1]))(once) - metric.whole(np.where(way, rows[1], rows[0]))(once)
            for way in ways
        ]
        return np.array(found)
    one, other = (np.add.reduceat(part.reshape(2, part.shape[1], -1), begins, axis=1) for part in (first, second))
    pieces, size = [], max(1, _AT_ONCE // len(begins))
    for begin in range(0, len(ways), size):
        way = ways[begin : begin + size].astype(np.float64)
        totals, counts = (way @ (b - a) for a, b in zip(one, other, strict=True))
        there = _of_sums(one[0].sum(0) + totals, one[1].sum(0) + counts, metric)
        pieces.append(_of_sums(other[0].sum(0) - totals, other[1].sum(0) - counts, metric) - there)
    return np.concatenate(pieces)


def _of_sums(totals: Floats, counts: Floats, metric: Metric) -> Floats:
    """The reported figure of sums over examples: totals [R, K], counts [R, K] -> [R]."""
    if metric.pooled is not None:
        return np.array([metric.pooled(sums) for sums in totals])
    with np.errstate(all="ignore"):
        means = _mean_over_figures(totals / counts)
    return np.array([metric.show(float(mean)) if math.isfinite(mean) else math.nan for mean in means])


def _mean_over_figures(ratios: Floats) -> Floats:
    """[R, K] -> [R]; one of the K that counts nothing is left out."""
    some = np.isfinite(ratios)
    found: Floats = np.where(some, ratios, 0.0).sum(axis=1) / some.sum(axis=1)
    return found


def _interval(first: Floats, second: Floats, metric: Metric) -> tuple[float, float, float, float, str]:
    examples = first.shape[1]
    whole = np.ones((1, examples))
    value = float((figures(second, metric, whole) - figures(first, metric, whole))[0])
    if examples < 2 or not math.isfinite(value):
        return value, value, value, 1.0, "none: too few examples"
    if examples > _MANY and metric.pooled is None and metric.whole is None:
        return _normal(first, second, metric, value)
    generator = np.random.default_rng(0)
    pieces, left = [], _RESAMPLES if metric.whole is None else _FEWER
    while left:
        size = min(left, max(1, _AT_ONCE // examples))
        drawn = generator.multinomial(examples, [1 / examples] * examples, size).astype(np.float64)
        pieces.append(figures(second, metric, drawn) - figures(first, metric, drawn))
        left -= size
    drawn = np.concatenate(pieces)
    drawn = drawn[np.isfinite(drawn)]  # a resample may hold nothing that counts
    low, high = (float(bound) for bound in np.quantile(drawn, (0.025, 0.975)))
    p = min(1.0, 2 * (1 + min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))) / (1 + len(drawn)))
    return value, min(low, value), max(high, value), p, "paired bootstrap"


def _normal(first: Floats, second: Floats, metric: Metric, value: float) -> tuple[float, float, float, float, str]:
    """By the spread of what each example adds to the difference, to first order."""
    parts = [_added(entries, metric) for entries in (first, second)]
    spread = math.sqrt(float(((parts[1] - parts[0]) ** 2).sum()))
    p = math.erfc(abs(value) / spread / math.sqrt(2)) if spread else float(value == 0)
    return value, value - _Z * spread, value + _Z * spread, p, "paired normal test"


def _added(entries: Floats, metric: Metric) -> Floats:
    """How far the reported figure would move, to first order, by counting each example once more: [N]."""
    totals, counts = (part.reshape(part.shape[0], -1) for part in entries)
    ratio = totals.sum(axis=0) / counts.sum(axis=0)
    some = np.isfinite(ratio)
    moved = np.where(some, (totals - ratio * counts) / counts.sum(axis=0), 0.0).sum(axis=1) / some.sum()
    mean = float(ratio[some].mean())
    step = 1e-6 * max(abs(mean), 1e-6)
    slope = (metric.show(mean + step) - metric.show(mean - step)) / (2 * step)
    found: Floats = slope * moved
    return found


def _are_right_or_wrong(first: Floats, second: Floats, metric: Metric) -> bool:
    """Whether each entry is one thing that is either right or wrong."""
    if not metric.percent or metric.pooled is not None or first.ndim != 2:
        return False
    return all(bool(np.isin(entries[0], (0.0, 1.0)).all() and (entries[1] == 1).all()) for entries in (first, second))
