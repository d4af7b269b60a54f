"""The review's forward and backward equations, computed by hand, equal autograd.

The equations stand in samoyed/explaining/backpropagation_by_hand.py: Figure 1c and d of LeCun, Bengio and Hinton
(2015), after Rumelhart, Hinton and Williams (1986). A network of 5-7-6-4 units, so with two hidden layers, in
float64.

Measured, for ReLU, tanh and the logistic function, each with squared error and with softmax and cross-entropy: the
largest absolute difference, over 20 random networks with batches of 16, between the hand equations and autograd, for
the weights and biases of each layer and for the inputs; and between f'(z) by hand and by autograd on 2001 points of
[-8, 8]. Autograd runs on torch's own layers and losses, so that the forward equations are compared as well.

Departures: none. At z = 0 ReLU has no derivative; 0 is taken there, as PyTorch does.
"""

import itertools
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from samoyed.explaining.backpropagation_by_hand import ACTIVATIONS, LOSSES, backward, forward
from samoyed.recipes._small import seeded
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import COLOURS, figure, style, to_png

expected = "no derivative by hand differs from autograd's by more than 1e-10, in float64"
seconds = 2

SIZES = (5, 7, 6, 4)
LAYERS = {"relu": nn.ReLU, "tanh": nn.Tanh, "logistic": nn.Sigmoid}
NAMES = {"relu": "ReLU", "tanh": "tanh", "logistic": "logistic"}


def by_autograd(
    x: Tensor, targets: Tensor, weights: list[Tensor], biases: list[Tensor], activation: str, loss: str
) -> list[Tensor]:
    """The loss, then its derivatives by weights [inputs, outputs], biases and inputs, from torch's own layers."""
    x = x.clone().requires_grad_()
    linears = [nn.Linear(a, b, dtype=torch.float64) for a, b in itertools.pairwise(SIZES)]
    value = x
    for i, (linear, weight, bias) in enumerate(zip(linears, weights, biases, strict=True)):
        with torch.no_grad():
            linear.weight.copy_(weight.T)
            linear.bias.copy_(bias)
        value = linear(value)
        if i < len(linears) - 1 or loss == "squared_error":
            value = LAYERS[activation]()(value)
    if loss == "cross_entropy":
        total = F.cross_entropy(value, targets.argmax(1), reduction="sum")
    else:
        total = F.mse_loss(value, targets, reduction="sum") / 2
    parameters = [linear.weight for linear in linears] + [linear.bias for linear in linears]
    gradients = torch.autograd.grad(total, [*parameters, x])
    return [total.detach(), *(gradient.T for gradient in gradients[: len(linears)]), *gradients[len(linears) :]]


def difference(activation: str, loss: str) -> list[float]:
    """The largest difference on one random network: of the loss, each layer (weights, biases), the inputs."""
    weights = [torch.randn(a, b, dtype=torch.float64) for a, b in itertools.pairwise(SIZES)]
    biases = [torch.randn(b, dtype=torch.float64) for b in SIZES[1:]]
    x = torch.randn(16, SIZES[0], dtype=torch.float64)
    targets = F.one_hot(torch.randint(SIZES[-1], (16,)), SIZES[-1]).double()
    trace = forward(x, targets, weights, biases, activation, loss)
    hand = backward(trace, targets, weights, activation, loss)
    auto = by_autograd(x, targets, weights, biases, activation, loss)
    mine = [trace.loss, *hand.weights, *hand.biases, hand.inputs]
    apart = [float((a - b).abs().max()) for a, b in zip(mine, auto, strict=True)]
    layers = [max(apart[1 + i], apart[1 + len(weights) + i]) for i in range(len(weights))]
    return [apart[0], *layers, apart[-1]]


def curve(activation: str) -> tuple[Tensor, Tensor, Tensor, float]:
    """z, f(z), f'(z) on [-8, 8], and how far f' by hand is from autograd's."""
    z = torch.linspace(-8, 8, 2001, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(LAYERS[activation]()(z).sum(), z)
    f, by_hand = ACTIVATIONS[activation]
    z = z.detach()
    return z, f(z), by_hand(z), float((by_hand(z) - slope).abs().max())


def run(out: Path, echo: Callable[[str], None]) -> Outcome:
    """Compares every derivative on random networks, and draws the activations and the differences."""
    with seeded(0):
        apart = {
            (activation, loss): torch.tensor([difference(activation, loss) for _ in range(20)], dtype=torch.float64)
            .amax(0)
            .tolist()
            for activation in ACTIVATIONS
            for loss in LOSSES
        }
    curves = {activation: curve(activation) for activation in ACTIVATIONS}
    measured = {f"{activation}_{loss}": max(worst) for (activation, loss), worst in apart.items()}
    measured |= {f"{activation}_slope": found[3] for activation, found in curves.items()}
    worst = max(measured.values())
    for name, value in measured.items():
        echo(f"{name}: largest difference {value:.1e}")
    sentence = (
        f"Over {len(apart)} kinds of network, 20 random networks each, no loss or derivative by hand differs from "
        f"autograd's by more than {worst:.1e}; the derivatives of ReLU, tanh and the logistic function agree as "
        "closely."
    )
    return Outcome(worst < 1e-10, measured, sentence, (_draw(out, apart, curves),))


@style()
def _draw(
    out: Path, apart: dict[tuple[str, str], list[float]], curves: dict[str, tuple[Tensor, Tensor, Tensor, float]]
) -> Path:
    made, (values, slopes, gap) = figure(11, 3.7, 1, 3)
    marks = dict(zip(curves, ("-", "--", "-."), strict=True))
    for activation, (z, f, slope, _) in curves.items():
        jump = slope.clone()
        if activation == "relu":
            jump[(z > -0.008) & (z <= 0)] = torch.nan  # the derivative steps from 0 to 1: draw no line between
        values.plot(z, f, marks[activation], label=NAMES[activation])
        slopes.plot(z, jump, marks[activation])
    values.set(title="Three nonlinearities f(z)", xlabel="z", ylim=(-1.2, 2.2), xlim=(-4, 4))
    values.legend(loc="upper left")
    slopes.set(title="Their derivatives: ReLU's does not fade", xlabel="z", ylim=(-0.05, 1.1), xlim=(-4, 4))
    places = ["loss", "layer 1", "layer 2", "layer 3", "inputs"]
    for i, ((_, loss), worst) in enumerate(apart.items()):
        floor = [max(value, 1e-17) for value in worst]  # a difference of exactly zero has no logarithm
        shift = [place + 0.1 * (i - 2.5) for place in range(len(places))]
        marker = "o" if loss == "squared_error" else "^"
        gap.semilogy(shift, floor, marker, color=COLOURS[i // 2], markersize=5, alpha=0.9)
    gap.plot([], [], "o", color=COLOURS[6], label="squared error")
    gap.plot([], [], "^", color=COLOURS[6], label="softmax, cross-entropy")
    gap.axhline(1e-10, color="#222222", linewidth=1)
    gap.text(4.5, 1.6e-10, "allowed", ha="right", fontsize=8.5)
    gap.set(
        title="By hand and by autograd: the same", ylim=(1e-17, 1e-5), xticks=range(len(places)), xticklabels=places
    )
    gap.legend(loc="upper left", title="largest difference, coloured as at the left", alignment="left")
    return to_png(made, out / "backpropagation.png")
