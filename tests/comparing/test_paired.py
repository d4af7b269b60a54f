"""The tests on the same examples, against sums in fractions, SciPy's bootstrap, closed forms, and pairs made equal on purpose."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from samoyed.comparing.paired import difference, figures, holm, mcnemar, swapped
from samoyed.tasks import Metric
from samoyed.training.evaluation import pool

ERROR, ACCURACY, LOSS = Metric("%", percent=True), Metric("%", better="higher", percent=True), Metric("nats")
ROOT = Metric("units", shown_as="sqrt")


def of(totals: Any, counts: Any = None) -> NDArray[np.float64]:
    """Entries [2, N] of totals and counts, each 1 where none are given."""
    totals = np.asarray(totals, dtype=float)
    return np.stack([totals, np.ones_like(totals) if counts is None else np.asarray(counts, dtype=float)])


@pytest.mark.parametrize(("b", "c"), [(0, 0), (0, 1), (3, 3), (1, 8), (25, 9), (2, 40)])
def test_mcnemar_is_the_binomial_sum(b: int, c: int) -> None:
    tail = sum(Fraction(math.comb(b + c, k), 2 ** (b + c)) for k in range(min(b, c) + 1))
    assert mcnemar(b, c) == mcnemar(c, b) == pytest.approx(float(min(Fraction(1), 2 * tail)), rel=1e-12)


def test_right_and_wrong_are_counted_where_they_differ() -> None:
    first = of([1, 1, 1, 0, 0, 0, 0, 1])
    second = of([0, 0, 1, 1, 0, 0, 0, 0])
    found = difference(first, second, ERROR)
    assert found.value == pytest.approx(-25.0)
    assert found.counts == (1, 3)  # the first alone is right on one, the second alone on three
    assert found.p == mcnemar(1, 3)
    assert found.test == "McNemar's exact test"


def test_what_is_better_decides_who_is_right() -> None:
    right = of([1, 1, 1, 0])
    wrong = of([0, 1, 0, 0])
    assert difference(right, wrong, ACCURACY).counts == (2, 0)
    assert difference(right, wrong, ERROR).counts == (0, 2)


def test_the_interval_is_that_of_scipys_paired_bootstrap() -> None:
    draw = np.random.default_rng(1)
    first = draw.gamma(2.0, 1.0, 150)
    second = first + draw.normal(0.15, 0.5, 150)
    found = difference(of(first), of(second), LOSS)
    theirs = stats.bootstrap(
        (first, second), lambda a, b, axis: (b - a).mean(axis), paired=True, method="percentile", n_resamples=20_000,
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    width = theirs.high - theirs.low
    assert found.value == pytest.approx((second - first).mean())
    assert found.low == pytest.approx(theirs.low, abs=0.06 * width)
    assert found.high == pytest.approx(theirs.high, abs=0.06 * width)


def test_the_figures_of_the_whole_are_those_reported() -> None:
    """With each example drawn once, for means, roots, means over classes and statistics that are no means."""
    draw = np.random.default_rng(2)
    counts = draw.integers(0, 3, (40, 5)).astype(float)
    classes = np.stack([draw.uniform(0, 1, (40, 5)) * counts, counts])
    classes[:, :, 4] = 0  # counts nothing
    ratio = Metric("units", pooled=lambda sums: float(sums[0] / sums[1]))
    plain = of(draw.gamma(2.0, 1.0, 40), draw.integers(1, 5, 40))
    for entries, metric in ((plain, LOSS), (plain, ROOT), (classes, ERROR), (classes, ratio)):
        assert figures(entries, metric, np.ones((1, 40)))[0] == pytest.approx(pool(entries, metric, False).value)


def test_equal_networks_differ_in_nothing() -> None:
    entries = of(np.random.default_rng(3).gamma(2.0, 1.0, 60))
    found = difference(entries, entries, LOSS)
    assert (found.value, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)
    assert difference(of([0, 1, 0]), of([0, 1, 0]), ERROR).p == 1.0


@pytest.mark.parametrize(("kind", "metric"), [("normal", LOSS), ("binary", ERROR)])
def test_chance_alone_is_found_no_oftener_than_promised(kind: str, metric: Metric) -> None:
    """Of 300 pairs that differ by chance only, about 5 % may have p < 0.05; 9 % would be beyond three deviations."""
    draw = np.random.default_rng(4)
    low = 0
    for _ in range(300):
        if kind == "normal":
            first, second = draw.normal(1, 1, 50), draw.normal(1, 1, 50)
        else:
            first, second = (draw.random(50) < 0.3), (draw.random(50) < 0.3)
        low += difference(of(first), of(second), metric).p < 0.05
    assert low <= 27


def test_many_examples_have_the_normal_interval() -> None:
    """Against the bootstrap of the same ratios of sums, as roots, on 20,001 examples."""
    draw = np.random.default_rng(5)
    counts = draw.integers(1, 4, 20_001)
    first = draw.gamma(2.0, 1.0, 20_001) * counts
    second = first * draw.uniform(0.9, 1.12, 20_001)
    found = difference(of(first, counts), of(second, counts), ROOT)
    assert found.test == "paired normal test"
    weights = draw.multinomial(20_001, [1 / 20_001] * 20_001, 400).astype(float)
    drawn = figures(of(second, counts), ROOT, weights) - figures(of(first, counts), ROOT, weights)
    assert found.value == pytest.approx(drawn.mean(), rel=0.05)
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(drawn.std(), rel=0.12)
    assert found.p < 0.001


def test_what_cannot_be_paired_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be paired"):
        difference(of([1, 2]), of([1, 2, 3]), LOSS)
    assert difference(of([1.0]), of([2.0]), LOSS).p == 1.0


def test_holm_by_hand() -> None:
    """Holm 1979: the smallest p times 4, the next times 3, and none below one before it."""
    assert holm([0.2, 0.005, 0.011, 0.02]) == pytest.approx([0.2, 0.02, 0.033, 0.04])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_swapping_right_and_wrong_is_mcnemars_test() -> None:
    first, second = of([1, 1, 1, 0, 1, 0, 1, 1, 1, 0]), of([0, 0, 1, 0, 0, 1, 0, 0, 1, 0])
    assert swapped([(first, second)], ERROR) == pytest.approx(mcnemar(5, 1))
    many = [np.repeat(part, 40, axis=1) for part in (first, second)]
    assert swapped([(many[0], many[1])], ERROR) < 0.001


def test_swapping_is_scipys_permutation_test() -> None:
    draw = np.random.default_rng(3)
    for count, tolerance in ((9, 1e-9), (60, 0.03)):
        first = draw.gamma(2.0, 1.0, count)
        second = first + draw.normal(0.2, 0.6, count)
        theirs = stats.permutation_test(
            (first, second), lambda a, b, axis: (b - a).mean(axis), permutation_type="samples", vectorized=True,
            n_resamples=9999, rng=np.random.default_rng(0),
        )  # fmt: skip
        assert swapped([(of(first), of(second))], LOSS) == pytest.approx(theirs.pvalue, abs=tolerance)


def test_figures_of_sums_and_of_all_examples_at_once_are_swapped_alike() -> None:
    draw = np.random.default_rng(4)
    first, second = (of(draw.gamma(2.0, 1.0, 10), draw.integers(1, 9, 10)) for _ in range(2))
    expected = swapped([(first, second)], LOSS)
    rows = [(part.T[None].repeat(2, 0)) for part in (first, second)]
    pooled = Metric("nats", pooled=lambda sums: float(sums[0] / sums[1]))
    whole = Metric("nats", whole=lambda rows: lambda drawn: float(drawn @ rows[:, 0] / (drawn @ rows[:, 1])))
    assert swapped([(rows[0], rows[1])], pooled) == expected
    small = [(rows[0][:, :7], rows[1][:, :7])]
    assert swapped(small, whole) == swapped(small, pooled)
    assert difference(rows[0], rows[1], whole).value == pytest.approx(difference(first, second, LOSS).value)


def test_a_handful_and_neighbours_that_hang_together_decide_nothing() -> None:
    first, second = of([5.0, 5.1, 5.2]), of([1.0, 1.1, 1.2])
    assert swapped([(first, second)], ROOT) == 0.25
    assert swapped([(first, second)] * 4, ROOT) == 0.25
    assert swapped([(first, second)], ROOT, apart=12) == 1.0
    long = [np.tile(part, 8) for part in (first, second)]
    assert swapped([(long[0], long[1])], ROOT) < 0.001
    assert swapped([(long[0], long[1])], ROOT, apart=6) == 2 / 2**4
