"""The equations written by hand: their exact values, and against autograd and torch.nn, none of which they use."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from samoyed.explaining.backpropagation_by_hand import ACTIVATIONS, LOSSES, backward, forward, log_softmax

REFERENCE = {"relu": torch.relu, "tanh": torch.tanh, "logistic": torch.sigmoid}
SIZES = (5, 7, 6, 4)


def network(seed: int = 0) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
    """Random inputs [9, 5], one-hot targets [9, 4], weights and biases of two hidden layers, in float64."""
    torch.manual_seed(seed)
    weights = [torch.randn(a, b, dtype=torch.float64) for a, b in itertools.pairwise(SIZES)]
    biases = [torch.randn(b, dtype=torch.float64) for b in SIZES[1:]]
    targets = F.one_hot(torch.randint(4, (9,)), 4).double()
    return torch.randn(9, 5, dtype=torch.float64), targets, weights, biases


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_slopes_equal_torch(name: str) -> None:
    f, slope = ACTIVATIONS[name]
    z = torch.cat([torch.linspace(-40, 40, 4001), torch.tensor([-800.0, 0.0, 800.0])]).double().requires_grad_()
    (by_autograd,) = torch.autograd.grad(REFERENCE[name](z).sum(), z)
    assert torch.allclose(f(z.detach()), REFERENCE[name](z.detach()), rtol=1e-12, atol=1e-15)
    assert torch.allclose(slope(z.detach()), by_autograd, rtol=0, atol=1e-14)


def test_activations_have_their_exact_values() -> None:
    def value(name: str, z: float) -> tuple[float, float]:
        f, slope = ACTIVATIONS[name]
        point = torch.tensor(z, dtype=torch.float64)
        return f(point).item(), slope(point).item()

    assert value("relu", -2.0) == (0.0, 0.0)
    assert value("relu", 0.0) == (0.0, 0.0)
    assert value("relu", 3.0) == (3.0, 1.0)
    assert value("tanh", 0.0) == (0.0, 1.0)
    assert value("tanh", math.log(2)) == pytest.approx((0.6, 0.64), abs=1e-15)
    assert value("logistic", 0.0) == (0.5, 0.25)
    assert value("logistic", math.log(3)) == pytest.approx((0.75, 0.1875), abs=1e-15)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_hand_equations_equal_autograd(activation: str, loss: str) -> None:
    x, targets, weights, biases = network()
    leaves = [t.clone().requires_grad_() for t in (x, *weights, *biases)]
    value, middle = leaves[0], []
    for i, (weight, bias) in enumerate(zip(leaves[1:4], leaves[4:], strict=True)):
        middle.append(value @ weight + bias)
        value = middle[-1] if i == 2 and loss == "cross_entropy" else REFERENCE[activation](middle[-1])
    total = (
        F.cross_entropy(value, targets, reduction="sum")
        if loss == "cross_entropy"
        else ((value - targets) ** 2).sum() / 2
    )
    auto = torch.autograd.grad(total, leaves + middle)

    trace = forward(x, targets, weights, biases, activation, loss)
    hand = backward(trace, targets, weights, activation, loss)
    assert trace.loss.item() == pytest.approx(total.item(), rel=1e-13)
    mine = [hand.inputs, *hand.weights, *hand.biases, *hand.totals]
    assert len(mine) == len(auto)
    for a, b in zip(mine, auto, strict=True):
        assert a.shape == b.shape
        assert float((a - b).abs().max()) < 1e-10
        assert float(b.abs().max()) > 1e-6  # or the comparison would be of zeros


@pytest.mark.parametrize(("activation", "module"), [("relu", nn.ReLU), ("tanh", nn.Tanh), ("logistic", nn.Sigmoid)])
def test_hand_equations_equal_torch_layers(activation: str, module: type[nn.Module]) -> None:
    x, targets, weights, biases = network(1)
    layers: list[nn.Module] = []
    for weight, bias in zip(weights, biases, strict=True):
        linear = nn.Linear(*weight.shape, dtype=torch.float64)
        linear.load_state_dict({"weight": weight.T, "bias": bias})
        layers += [linear, module()]
    model = nn.Sequential(*layers)
    loss = nn.MSELoss(reduction="sum")(model(x), targets) / 2
    loss.backward()
    trace = forward(x, targets, weights, biases, activation, "squared_error")
    hand = backward(trace, targets, weights, activation, "squared_error")
    assert torch.allclose(trace.outputs[-1], model(x), rtol=1e-12, atol=1e-14)
    linears = [layer for layer in model if isinstance(layer, nn.Linear)]
    for linear, weight, bias in zip(linears, hand.weights, hand.biases, strict=True):
        assert float((linear.weight.grad - weight.T).abs().max()) < 1e-10
        assert float((linear.bias.grad - bias).abs().max()) < 1e-10


def test_softmax_and_cross_entropy_have_their_exact_values() -> None:
    """z = log(1, 2, 5) gives probabilities 1/8, 2/8, 5/8; the second class costs log 4, and dE/dz = y - t."""
    z = torch.tensor([[1.0, 2.0, 5.0]], dtype=torch.float64).log()
    target = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64)
    identity, zero = [torch.eye(3, dtype=torch.float64)], [torch.zeros(3, dtype=torch.float64)]
    trace = forward(z, target, identity, zero, "relu", "cross_entropy")
    assert trace.outputs[-1][0].tolist() == pytest.approx([0.125, 0.25, 0.625], abs=1e-15)
    assert trace.loss.item() == pytest.approx(math.log(4), abs=1e-15)
    hand = backward(trace, target, identity, "relu", "cross_entropy")
    assert hand.totals[0][0].tolist() == pytest.approx([0.125, -0.75, 0.625], abs=1e-15)


def test_squared_error_has_its_exact_value() -> None:
    """One ReLU unit: y = 2 * 3 + 1 = 7, t = 5, so E = 2, dE/dw = (7 - 5) * 3, dE/db = 2, dE/dx = 2 * 2."""
    x, target = torch.tensor([[3.0]]).double(), torch.tensor([[5.0]]).double()
    weight, bias = [torch.tensor([[2.0]]).double()], [torch.tensor([1.0]).double()]
    trace = forward(x, target, weight, bias, "relu", "squared_error")
    hand = backward(trace, target, weight, "relu", "squared_error")
    found = trace.loss, hand.weights[0], hand.biases[0], hand.inputs
    assert [value.item() for value in found] == [2.0, 6.0, 2.0, 4.0]


def test_log_softmax_neither_overflows_nor_minds_a_shift() -> None:
    z = torch.tensor([[1e4, 1e4 - 1.0, -1e4]], dtype=torch.float64)
    assert torch.allclose(log_softmax(z), F.log_softmax(z, -1), rtol=1e-12, atol=0)
    assert torch.allclose(log_softmax(z), log_softmax(z - 1e4), rtol=1e-9, atol=0)
    assert log_softmax(z).exp().sum().item() == pytest.approx(1.0, abs=1e-15)
