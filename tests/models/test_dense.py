"""The multilayer network and the linear layer against their equations in NumPy, in float64."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from samoyed.models.linear import Linear
from samoyed.models.mlp import MLP

EQUATIONS = {
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "logistic": lambda z: 1 / (1 + np.exp(-z)),
}


def test_linear_is_its_equation(weights: Callable[..., dict[str, np.ndarray]]) -> None:
    model = Linear(input_shape=(2, 3), output_size=4).double()
    w, x = weights(model), torch.randn(5, 2, 3).double()
    wanted = x.numpy().reshape(5, 6) @ w["output.weight"].T + w["output.bias"]
    assert np.abs(model(x).detach().numpy() - wanted).max() < 1e-12


@pytest.mark.parametrize("sizes", [(7,), (7, 5), (4, 6, 5, 3)])
@pytest.mark.parametrize("activation", EQUATIONS)
def test_mlp_is_its_equation(
    activation: str, sizes: tuple[int, ...], weights: Callable[..., dict[str, np.ndarray]]
) -> None:
    model = MLP(input_shape=(3, 2), output_size=4, hidden_sizes=sizes, activation=activation).double().eval()  # type: ignore[arg-type]
    w, x = weights(model), torch.randn(9, 3, 2).double()
    linear = [f"hidden.{i}" for i, layer in enumerate(model.hidden) if isinstance(layer, nn.Linear)]
    assert len(linear) == len(sizes)
    h = x.numpy().reshape(9, 6)
    for name in linear:
        h = EQUATIONS[activation](h @ w[f"{name}.weight"].T + w[f"{name}.bias"])
    wanted = h @ w["output.weight"].T + w["output.bias"]
    assert np.abs(model(x).detach().numpy() - wanted).max() < 1e-12


def test_batch_normalisation_stands_between_the_sum_and_its_activation(
    weights: Callable[..., dict[str, np.ndarray]],
) -> None:
    model = MLP(input_shape=(6,), output_size=2, hidden_sizes=(5,), dropout=0.0, batch_norm=True).double()
    w, x = weights(model), torch.randn(40, 6).double() * 3 + 1
    z = x.numpy() @ w["hidden.0.weight"].T + w["hidden.0.bias"]

    def wanted(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        normal = (z - mean) / np.sqrt(variance + 1e-5) * w["hidden.1.weight"] + w["hidden.1.bias"]
        return np.maximum(normal, 0) @ w["output.weight"].T + w["output.bias"]

    assert np.abs(model.train()(x).detach().numpy() - wanted(z.mean(0), z.var(0))).max() < 1e-10
    running = 0.1 * z.mean(0), 0.9 + 0.1 * z.var(0, ddof=1)  # one step of each from 0 and 1
    assert np.abs(model.eval()(x).detach().numpy() - wanted(*running)).max() < 1e-10


def test_dropout_is_inverted_and_ends_with_training() -> None:
    """Training keeps a share 1 - p of the hidden units, 1 / (1 - p) times as large; evaluation keeps them all."""
    model = MLP(input_shape=(4,), output_size=1, hidden_sizes=(20_000,), dropout=0.25)
    x = torch.randn(1, 4)
    with torch.no_grad():
        kept, whole = model.train().hidden(x), model.eval().hidden(x)
    alive = whole > 0
    ratio = (kept / whole)[alive]
    assert set(ratio.mul(3).round().tolist()) == {0.0, 4.0}
    assert float((ratio > 0).float().mean()) == pytest.approx(0.75, abs=0.02)
    assert torch.equal(model(x), model(x))


@pytest.mark.parametrize(("activation", "deviation"), [("relu", (2 / 900) ** 0.5), ("tanh", (2 / (900 + 800)) ** 0.5)])
def test_weights_are_drawn_as_published(activation: str, deviation: float) -> None:
    """He 2015: N(0, 2 / inputs); Glorot 2010: U(-a, a), a^2 = 6 / (inputs + outputs), so a variance of 2 / (inputs + outputs)."""
    model = MLP(input_shape=(30, 30), output_size=1, hidden_sizes=(800,), activation=activation)  # type: ignore[arg-type]
    weight = model.hidden[0].weight.detach()
    assert float(weight.std()) == pytest.approx(deviation, rel=0.01)
    assert abs(float(weight.mean())) < deviation / 100
    bounded = float(weight.abs().max()) <= 3**0.5 * deviation + 1e-6
    assert bounded == (activation == "tanh")
    assert not model.hidden[0].bias.any()
