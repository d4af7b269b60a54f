"""Pen mixtures against torch.distributions in float64, and draws against the distributions they are drawn from."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, MixtureSameFamily, MultivariateNormal

from samoyed.explaining.gradient_check import check_gradients
from samoyed.layers.mixtures import LEAST_DEVIATION, MOST_CORRELATION, PenMixture

COMPONENTS = 4


@pytest.fixture
def numbers() -> Tensor:
    draw = torch.Generator().manual_seed(3)
    return torch.randn(5, 3, 6 * COMPONENTS + 2, dtype=torch.float64, generator=draw)


def reference(numbers: Tensor, bias: float = 0.0) -> MixtureSameFamily:
    """The mixture written out with covariance matrices."""
    m = COMPONENTS
    weights, means, spread, rho = numbers[..., :-2].split([m, 2 * m, 2 * m, m], -1)
    mean = means.unflatten(-1, (m, 2))
    sigma = LEAST_DEVIATION + (spread.unflatten(-1, (m, 2)) - bias).exp()
    off = MOST_CORRELATION * rho.tanh() * sigma.prod(-1)
    rows = [torch.stack([sigma[..., 0] ** 2, off], -1), torch.stack([off, sigma[..., 1] ** 2], -1)]
    normal = MultivariateNormal(mean, torch.stack(rows, -2))
    return MixtureSameFamily(Categorical(logits=(1 + bias) * weights), normal)


@pytest.mark.parametrize("bias", [0.0, 0.7])
def test_the_density_is_that_of_torch_distributions(numbers: Tensor, bias: float) -> None:
    offsets = torch.randn(5, 3, 2, dtype=torch.float64)
    found = PenMixture.of(numbers, bias)
    wanted = reference(numbers, bias)
    assert torch.allclose(found.log_density(offsets), wanted.log_prob(offsets), rtol=1e-12, atol=1e-12)
    assert torch.allclose(found.mean(), wanted.mean, rtol=1e-12, atol=1e-12)


def test_the_pen_lifts_and_ends_as_two_bernoullis(numbers: Tensor) -> None:
    found = PenMixture.of(numbers)
    lift, end = Bernoulli(logits=numbers[..., -2]), Bernoulli(logits=numbers[..., -1])
    yes, no = torch.ones(5, 3, dtype=torch.float64), torch.zeros(5, 3, dtype=torch.float64)
    assert torch.allclose(found.log_pen(no, no), lift.log_prob(no))
    assert torch.allclose(found.log_pen(yes, no), lift.log_prob(yes) + end.log_prob(no))
    assert torch.allclose(found.log_pen(yes, yes), lift.log_prob(yes) + end.log_prob(yes))
    total = found.log_pen(no, no).exp() + found.log_pen(yes, no).exp() + found.log_pen(yes, yes).exp()
    assert torch.allclose(total, yes)


def test_gradients_are_those_of_finite_differences(numbers: Tensor) -> None:
    offsets = torch.randn(5, 3, 2, dtype=torch.float64)
    lifted = (offsets[..., 0] > 0).double()
    leaf = numbers.clone().requires_grad_()

    def loss() -> Tensor:
        mixture = PenMixture.of(leaf)
        return -(mixture.log_density(offsets) + mixture.log_pen(lifted, lifted * (offsets[..., 1] > 0))).sum()

    assert check_gradients(loss, {"numbers": leaf}).ok()


def test_far_numbers_leave_the_density_finite() -> None:
    for scale in (1e2, 1e3):
        numbers = scale * torch.linspace(-1, 1, 6 * COMPONENTS + 2)[None].requires_grad_()
        density = PenMixture.of(numbers.clamp(-80, 80)).log_density(torch.zeros(1, 2))
        density.sum().backward()
        assert torch.isfinite(density).all()
    peak = PenMixture.of(torch.full((1, 8), -50.0)).log_density(torch.full((1, 2), -50.0)).item()
    height = -math.log(2 * math.pi * LEAST_DEVIATION**2 * math.sqrt(1 - MOST_CORRELATION**2))
    assert peak == pytest.approx(height, rel=1e-4)


def test_draws_have_the_moments_of_the_mixture() -> None:
    numbers = torch.randn(6 * COMPONENTS + 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    draw = torch.Generator().manual_seed(6)
    count = 200_000
    uniform = torch.rand(count, COMPONENTS + 2, dtype=torch.float64, generator=draw).clamp(1e-9, 1 - 1e-9)
    normal = torch.randn(count, 2, dtype=torch.float64, generator=draw)
    offsets, lifts, ends = PenMixture.of(numbers.expand(count, -1)).draw(uniform, normal)
    wanted = reference(numbers)
    error = (wanted.variance / count).sqrt()
    assert ((offsets.mean(0) - wanted.mean).abs() < 5 * error).all()
    assert torch.allclose(offsets.var(0), wanted.variance, rtol=0.03)
    parts = reference(numbers).component_distribution
    weights = wanted.mixture_distribution.probs
    mixed = (weights * (parts.covariance_matrix[..., 0, 1] + parts.mean.prod(-1))).sum() - wanted.mean.prod()
    product = (offsets - offsets.mean(0)).prod(1)
    assert abs(product.mean() - mixed) < 5 * product.std() / math.sqrt(count)
    lift, end = numbers[-2:].sigmoid().tolist()
    assert float(lifts.double().mean()) == pytest.approx(lift, abs=0.006)
    assert float(ends.double().mean()) == pytest.approx(lift * end, abs=0.006)


def test_infinite_bias_draws_the_likeliest_component_at_its_mean() -> None:
    numbers = torch.randn(1, 6 * COMPONENTS + 2, generator=torch.Generator().manual_seed(7))
    offsets, _, _ = PenMixture.of(numbers, 1e4).draw(torch.full((1, COMPONENTS + 2), 0.5), torch.zeros(1, 2))
    best = int(numbers[0, :COMPONENTS].argmax())
    assert torch.allclose(offsets[0], numbers[0, COMPONENTS : 3 * COMPONENTS].view(COMPONENTS, 2)[best])
