"""The recurrent network by hand: the same loss and gradient as torch.nn.RNN, by autograd, by differences and in real time."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from samoyed.explaining.recurrence_by_hand import Parameters, forward, in_real_time, reach, through_time


def case(seed: int, time: int = 9):
    draw = np.random.default_rng(seed)
    p = Parameters.drawn(4, 6, 5, seed, radius=1.3)
    return draw.normal(size=(time, 4)), draw.integers(5, size=time), p


def by_autograd(x, targets, p, start):
    cell = nn.RNN(4, 6, dtype=torch.float64)
    parts = [torch.from_numpy(part.copy()).requires_grad_() for part in p]
    state = torch.from_numpy(start.copy()).requires_grad_()
    values = {
        "weight_ih_l0": parts[0],
        "weight_hh_l0": parts[1],
        "bias_ih_l0": parts[3],
        "bias_hh_l0": torch.zeros(6).double(),
    }
    hidden, _ = torch.func.functional_call(cell, values, (torch.from_numpy(x), state[None]))
    hidden.retain_grad()
    losses = F.cross_entropy(hidden @ parts[2].T + parts[4], torch.from_numpy(targets), reduction="none")
    return losses, parts, state, hidden


@pytest.mark.parametrize("seed", range(3))
def test_the_three_ways_agree_with_autograd(seed):
    x, targets, p = case(seed)
    start = np.random.default_rng(99).normal(size=6)
    trace = forward(x, targets, p, start)
    losses, parts, state, hidden = by_autograd(x, targets, p, start)
    np.testing.assert_allclose(trace.losses, losses.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(trace.h[1:], hidden.detach().numpy(), rtol=1e-12, atol=1e-14)
    losses.sum().backward()
    found, by_start = through_time(x, targets, p, trace)
    for mine, theirs in zip(found, parts, strict=True):
        np.testing.assert_allclose(mine, theirs.grad.numpy(), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(by_start, state.grad.numpy(), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("time", [1, 2, 15])
def test_real_time_recurrent_learning_is_backpropagation_through_time(time):
    x, targets, p = case(5, time)
    back, _ = through_time(x, targets, p, forward(x, targets, p))
    for mine, theirs in zip(in_real_time(x, targets, p), back, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-13)


def test_the_gradient_equals_finite_differences():
    x, targets, p = case(7, 5)
    found, _ = through_time(x, targets, p, forward(x, targets, p))
    for part, gradient in zip(p, found, strict=True):
        for place in [(0,) * part.ndim, tuple(n - 1 for n in part.shape)]:
            here, either = part[place], []
            for shift in (1e-6, -1e-6):
                part[place] = here + shift
                either.append(forward(x, targets, p).losses.sum())
            part[place] = here
            assert (either[0] - either[1]) / 2e-6 == pytest.approx(gradient[place], rel=1e-6, abs=1e-9)


def test_how_far_a_gradient_reaches():
    x, targets, p = case(3)
    trace = forward(x, targets, p)
    losses, _, state, _ = by_autograd(x, targets, p, np.zeros(6))
    (by_start,) = torch.autograd.grad(losses[-1], state)
    norms = reach(p, trace, int(targets[-1]))
    assert len(norms) == len(x) + 1
    assert norms[0] == pytest.approx(float(by_start.norm()), rel=1e-10)
    probs = torch.from_numpy(trace.probs[-1]) - F.one_hot(torch.tensor(targets[-1]), 5)
    assert norms[-1] == pytest.approx(float((torch.from_numpy(p.V).T @ probs).norm()), rel=1e-10)
