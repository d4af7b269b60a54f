"""The dilated ConvNet against its equations written out in NumPy, its causality, and how far back it sees."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from samoyed.models.dilated_conv import DilatedConvForecaster, receptive_field

KINDS: list[dict[str, Any]] = [
    {},
    {"activation": "gated"},
    {"weight_norm": True},
    {"activation": "gated", "weight_norm": True, "kernel_size": 2},
]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=["relu", "gated", "normalised", "gated-normalised"])
Numbers = NDArray[np.float64]


def made(steps: int = 19, features: int = 2, layers: int | None = 3, **given: Any) -> DilatedConvForecaster:
    torch.manual_seed(0)
    model = DilatedConvForecaster(
        input_size=features,
        input_shape=(steps, features),
        horizon=4,
        hidden_size=5,
        num_layers=layers,
        **given,
    )
    for weight in model.parameters():
        weight.data += 0.1 * torch.randn_like(weight)  # biases too, and lengths unlike those of the directions
    return model.double().eval()


def convolved(x: Numbers, weights: Numbers, bias: Numbers, dilation: int) -> Numbers:
    """x [T][C] -> [T][M], tap j standing (k - 1 - j) d steps back, one sum at a time."""
    taps = weights.shape[2]
    y = np.zeros((len(x), len(weights)))
    for t, m in itertools.product(range(len(x)), range(len(weights))):
        y[t, m] = bias[m]
        for j, c in itertools.product(range(taps), range(x.shape[1])):
            back = t - (taps - 1 - j) * dilation
            if back >= 0:
                y[t, m] += weights[m, c, j] * x[back, c]
    return y


def written_out(model: DilatedConvForecaster, x: Numbers) -> tuple[Numbers, Numbers]:
    """past [T, F] -> (h of every step [T, H], future [horizon]) from the stored numbers alone."""
    stored = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    h = x
    for i in range(len(model.blocks)):
        y = h
        for k in range(2):
            name = f"blocks.{i}.convolutions.{k}."
            if f"{name}weight" in stored:
                weights = stored[f"{name}weight"]
            else:
                length, v = (stored[f"{name}parametrizations.weight.original{part}"] for part in (0, 1))
                weights = length * v / np.sqrt((v**2).sum(axis=(1, 2), keepdims=True))
            y = convolved(y, weights, stored[f"{name}bias"], 2**i)
            if model.blocks[i].gated:
                half = y.shape[1] // 2
                y = np.tanh(y[:, :half]) / (1 + np.exp(-y[:, half:]))
            else:
                y = np.maximum(y, 0)
        if f"blocks.{i}.past.weight" in stored:
            h = h @ stored[f"blocks.{i}.past.weight"][:, :, 0].T + stored[f"blocks.{i}.past.bias"]
        h = np.maximum(h + y, 0)
    return h, stored["output.weight"] @ h[-1] + stored["output.bias"]


@each_kind
@pytest.mark.parametrize("steps", [1, 2, 19, 24])
def test_equals_its_equations(kind: dict[str, Any], steps: int) -> None:
    model = made(**kind)
    past = torch.randn(2, steps, 2, dtype=torch.float64)
    with torch.no_grad():
        every, future = model.hidden(past), model(past)
    for row in range(2):
        h, y = written_out(model, past[row].numpy())
        np.testing.assert_allclose(every[row].numpy(), h, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(future[row].numpy(), y, rtol=1e-12, atol=1e-12)


@each_kind
def test_no_step_sees_a_later_one(kind: dict[str, Any]) -> None:
    model = made(**kind)
    past = torch.randn(1, 40, 2, dtype=torch.float64)
    with torch.no_grad():
        before = model.hidden(past)
        for t in (0, 7, 23, 39):
            changed = past.clone()
            changed[:, t:] = torch.randn_like(changed[:, t:])
            after = model.hidden(changed)
            assert torch.equal(before[:, :t], after[:, :t])
            assert not torch.equal(before[:, t], after[:, t])


@pytest.mark.parametrize(("kernel", "layers"), [(2, 1), (2, 4), (3, 2), (3, 3), (5, 2)])
def test_sees_exactly_its_receptive_field(kernel: int, layers: int) -> None:
    model = made(layers=layers, kernel_size=kernel, activation="gated")
    past = torch.randn(1, 70, 2, dtype=torch.float64, requires_grad=True)
    for y in (model.hidden(past)[0, -1].sum(), model(past).sum()):
        (gradient,) = torch.autograd.grad(y, past)
        reach = receptive_field(kernel, layers)
        assert torch.equal(gradient[0].abs().sum(1) > 0, torch.arange(70) >= 70 - reach)


@pytest.mark.parametrize("steps", [1, 5, 6, 24, 100])
@pytest.mark.parametrize("kernel", [2, 3, 7])
def test_sees_the_whole_past_by_default(steps: int, kernel: int) -> None:
    layers = len(made(steps, layers=None, kernel_size=kernel).blocks)
    assert receptive_field(kernel, layers) >= steps
    assert layers == 1 or receptive_field(kernel, layers - 1) < steps


def test_gradients_equal_finite_differences() -> None:
    model = made(activation="gated", weight_norm=True, kernel_size=2)
    past = torch.randn(2, 9, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(model, past)


def test_one_tap_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        made(kernel_size=1)
