"""Intervals against their definitions and published values; pooling whatever the batches were."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from samoyed.tasks import Metric
from samoyed.training.evaluation import OVERFLOWN, evaluate, pool, wilson

Z = 1.959963984540054
SHARE, PLAIN = Metric("%", percent=True), Metric("units")


def entries(count: int, seed: int = 0) -> NDArray[np.float64]:
    """Totals and counts of `count` examples of unequal weight."""
    draw = np.random.default_rng(seed)
    counts = draw.integers(1, 9, count).astype(float)
    return np.stack([draw.gamma(2.0, 1.5, count) * counts, counts])


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [  # Newcombe 1998, table I, method 3; Wilson without continuity correction
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0000),
    ],
)
def test_wilson_has_its_published_values(successes: int, count: int, low: float, high: float) -> None:
    assert wilson(successes, count) == pytest.approx((low, high), abs=5.1e-5)


@pytest.mark.parametrize("count", [1, 2, 7, 100, 10_000])
def test_wilsons_ends_lie_one_quantile_from_the_share(count: int) -> None:
    """By definition: the roots p of |share - p| = z sqrt(p (1 - p) / n)."""
    for successes in {0, 1, count // 3, count - 1, count}:
        low, high = wilson(successes, count)
        share = successes / count
        roots = np.roots([1 + Z**2 / count, -(2 * share + Z**2 / count), share**2]).real
        assert (low, high) == pytest.approx((min(roots), max(roots)), abs=1e-6)
        assert 0 <= low <= share + 1e-12
        assert share - 1e-12 <= high <= 1


def test_a_share_of_right_and_wrong_has_wilsons_interval_in_percent() -> None:
    wrong = np.array([1.0] * 3 + [0.0] * 17)
    found = pool(np.stack([wrong, np.ones(20)]), SHARE)
    low, high = wilson(3, 20)
    assert found[:3] == pytest.approx((15.0, 100 * low, 100 * high))
    assert (found.unit, found.better, found.count) == ("%", "lower", 20)


def test_the_bootstrap_is_a_bootstrap() -> None:
    """Against 20,000 resamples by hand; the ends of 1,000 resamples wander by a few percent of the width."""
    given = entries(60)
    found = pool(given, PLAIN)
    draw = np.random.default_rng(5)
    chosen = draw.integers(0, 60, (20_000, 60))
    ratios = given[0][chosen].sum(1) / given[1][chosen].sum(1)
    low, high = np.quantile(ratios, (0.025, 0.975))
    assert found.value == pytest.approx(given[0].sum() / given[1].sum(), rel=1e-12)
    assert found.low == pytest.approx(low, abs=0.08 * (high - low))
    assert found.high == pytest.approx(high, abs=0.08 * (high - low))
    assert found == pool(given, PLAIN), "the resamples are fixed"


def test_shares_of_many_things_per_example_are_resampled_by_example() -> None:
    """A text's rows hold many tokens each, which depend on each other: Wilson's interval would be too narrow."""
    rows = np.stack([np.array([0.0, 10.0] * 20), np.full(40, 10.0)])
    found = pool(rows, SHARE)
    low, high = (100 * end for end in wilson(200, 400))
    assert found.value == 50.0
    assert found.high - found.low > 2 * (high - low)


def test_above_twenty_thousand_the_interval_is_the_normal_one() -> None:
    given = entries(20_001)
    found, nearly = pool(given, PLAIN), pool(given[:, :20_000], PLAIN)
    mean = given[0].sum() / given[1].sum()
    off = given[0] - mean * given[1]
    spread = Z * math.sqrt(float((off**2).sum())) / given[1].sum()
    assert found[:3] == pytest.approx((mean, mean - spread, mean + spread), rel=1e-12)
    assert nearly[:3] == pytest.approx(found[:3], rel=0.01)
    assert nearly.high - nearly.low == pytest.approx(found.high - found.low, rel=0.1)


def test_one_outlier_among_many_does_not_make_an_interval_below_zero() -> None:
    """The normal interval of a mean of squares may reach below 0, of which there is no root."""
    squares = np.zeros(20_001)
    squares[7] = 1e6
    found = pool(np.stack([squares, np.ones(20_001)]), Metric("units", shown_as="sqrt"))
    assert found.low == 0.0
    assert found.low < found.value < found.high


@pytest.mark.parametrize(("kind", "shown"), [("sqrt", math.sqrt), ("exp", math.exp)])
def test_roots_and_exponentials_are_of_the_pooled_mean(kind: str, shown: Any) -> None:
    given = entries(50)
    plain, found = pool(given, PLAIN), pool(given, Metric("units", shown_as=kind))
    assert found[:3] == pytest.approx([shown(end) for end in plain[:3]], rel=1e-12)
    by_batch = np.mean([shown(part[0].sum() / part[1].sum()) for part in np.array_split(given, 5, axis=1)])
    assert abs(found.value - by_batch) > 1e-3, "the mean of batches' roots is another figure"


def test_one_example_has_no_interval() -> None:
    assert pool(np.array([[6.0], [4.0]]), PLAIN)[:3] == (1.5, 1.5, 1.5)


def test_an_infinite_error_is_the_largest_number() -> None:
    """A forecast may overflow: the figure is infinite, and to say so takes no warning."""
    found = pool(np.array([[1.0, np.inf, 2.0, 3.0], [1.0, 1.0, 1.0, 1.0]]), Metric("units", shown_as="sqrt"))
    assert found.value == found.low == found.high == OVERFLOWN  # as JSON has no infinity


@pytest.mark.parametrize("batch_size", [1, 3, 4, 11, 100])
def test_figures_do_not_depend_on_the_batches(batch_size: int, fit: Any, rows: Any, network: Any) -> None:
    model, data = network(hidden=4, dropout=0.5).train(), rows(11)
    found = evaluate(fit, model, data, batch_size)["loss"]
    model.eval()
    with torch.no_grad():
        wanted = float((model(data.x)[:, 0] - data.y).square().mean())
    assert found.value == pytest.approx(wanted, rel=1e-12)
    assert found.count == 11


def test_the_mode_is_as_it_was(fit: Any, rows: Any, network: Any) -> None:
    model = network()
    for mode in (True, False):
        evaluate(fit, model.train(mode), rows(4))
        assert model.training is mode
    assert fit.modes == [("metrics", False)] * 2
    assert all(p.grad is None for p in model.parameters())


def test_the_mean_over_classes_is_each_class_weighed_alike() -> None:
    """Balanced error and macro F1 as scikit-learn computes them, from entries [2, N, K], a class that is absent left out."""
    from sklearn.metrics import balanced_accuracy_score, f1_score

    drawn = np.random.default_rng(3)
    truth, said = drawn.choice(3, 400, p=(0.8, 0.15, 0.05)), drawn.integers(0, 3, 400)
    true, answered = np.eye(4)[truth], np.eye(4)[said]  # nothing is of the fourth class
    wrong = np.stack([true * (truth != said)[:, None], true])
    both = np.stack([2 * true * answered, true + answered])
    error = pool(wrong, Metric("%", percent=True))
    f1 = pool(both, Metric("F1", better="higher"))
    assert error.value == pytest.approx(100 * (1 - balanced_accuracy_score(truth, said)))
    assert f1.value == pytest.approx(f1_score(truth, said, average="macro"))
    assert error.low < error.value < error.high
    assert error.count == f1.count == 400
    many = pool(np.tile(wrong, (1, 60, 1)), Metric("%", percent=True))  # by the normal interval of a mean of ratios
    assert many.value == pytest.approx(error.value)
    assert (many.high - many.low) * 60**0.5 == pytest.approx(error.high - error.low, rel=0.1)
