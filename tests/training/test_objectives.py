"""Losses against explicit formulas in float64."""

import math

import numpy as np
import pytest
import torch

from samoyed.objectives import Mean, cross_entropy, squared_error


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("shape", [(6,), (4, 5)])
def test_cross_entropy_is_its_formula(shape: tuple[int, ...], smoothing: float) -> None:
    """-sum_k q_k log p_k with q = (1 - e) onehot + e / V, summed over all targets."""
    torch.manual_seed(0)
    logits, targets = 3 * torch.randn(*shape, 7).double(), torch.randint(7, shape)
    z, wanted = logits.numpy(), 0.0
    for place in np.ndindex(*shape):
        log_p = z[place] - math.log(np.exp(z[place]).sum())
        for k in range(7):
            q = (1 - smoothing) * (k == targets[place].item()) + smoothing / 7
            wanted -= q * log_p[k]
    mean = cross_entropy(logits, targets, smoothing)
    assert mean.total.item() == pytest.approx(wanted, rel=1e-12)
    assert mean.count.item() == math.prod(shape)
    assert mean.value().item() == pytest.approx(wanted / math.prod(shape), rel=1e-12)


def test_cross_entropy_of_certainty_and_of_ignorance() -> None:
    """All alike costs log V whatever is smoothed; a certain and right answer costs nothing, and smoothed e (V - 1) / V of it."""
    flat = torch.zeros(3, 5).double()
    targets = torch.tensor([0, 1, 4])
    for smoothing in (0.0, 0.3):
        assert cross_entropy(flat, targets, smoothing).value().item() == pytest.approx(math.log(5), rel=1e-14)
    sure = flat.scatter(1, targets[:, None], 50.0)
    assert cross_entropy(sure, targets).value().item() == pytest.approx(0.0, abs=1e-12)
    assert cross_entropy(sure, targets, 0.1).value().item() == pytest.approx(0.1 * 4 / 5 * 50, rel=1e-12)


def test_squared_error_is_its_formula() -> None:
    mean = squared_error(torch.tensor([[1.0, 2.0], [3.0, 5.0]]), torch.tensor([[0.0, 4.0], [3.0, 2.0]]))
    assert (mean.total.item(), mean.count.item()) == (14.0, 4.0)
    assert mean.value().item() == 3.5


def test_unequal_means_pool_by_their_counts() -> None:
    mean = Mean(torch.tensor([6.0, 1.0]), torch.tensor([3.0, 1.0]))
    assert mean.value().item() == 1.75
    assert Mean.of(torch.tensor([2.0, 4.0])).value().item() == 3.0
