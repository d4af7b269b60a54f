"""The forward and backward equations of a multilayer network, written out by hand.

The equations are those of Figure 1c and d of LeCun, Bengio and Hinton (2015), after Rumelhart, Hinton and Williams
(1986), for one example and summed over a batch. Layer n has inputs y^(n-1), weights W^(n) [inputs, outputs] and
biases b^(n):

    forward     z_j = sum_i w_ij y_i + b_j            y_j = f(z_j)
    backward    dE/dy_k = sum_l w_kl dE/dz_l          dE/dz_k = dE/dy_k f'(z_k)
                dE/dw_ij = sum over the batch of y_i dE/dz_j,     dE/db_j = sum over the batch of dE/dz_j

At the output layer the recursion starts from the loss, of which there are two:

    squared error             E = 1/2 sum_l (y_l - t_l)^2                       dE/dy_l = y_l - t_l
    softmax, cross-entropy    E = -sum_l t_l log y_l,  y = softmax(z)           dE/dz_l = y_l - t_l        (Bridle 1990)

Nothing here uses autograd, which can therefore be checked against it. Axes: B batch, and a number of units for each
layer. Meant for float64.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


def relu(z: Tensor) -> Tensor:
    """max(0, z)."""
    return torch.where(z > 0, z, torch.zeros_like(z))


def relu_slope(z: Tensor) -> Tensor:
    """1 where z > 0, else 0; at 0, where no derivative exists, 0 as in PyTorch."""
    return (z > 0).to(z.dtype)


def tanh(z: Tensor) -> Tensor:
    """(e^z - e^-z) / (e^z + e^-z), with e raised to negative numbers only, so that it never overflows."""
    shrunk = torch.exp(-2 * z.abs())
    return z.sign() * (1 - shrunk) / (1 + shrunk)


def tanh_slope(z: Tensor) -> Tensor:
    """1 - tanh(z)^2."""
    return 1 - tanh(z).square()


def logistic(z: Tensor) -> Tensor:
    """1 / (1 + e^-z), with e raised to negative numbers only."""
    shrunk = torch.exp(-z.abs())
    return torch.where(z >= 0, 1 / (1 + shrunk), shrunk / (1 + shrunk))


def logistic_slope(z: Tensor) -> Tensor:
    """s(z) (1 - s(z)), written as s(z) s(-z), which keeps its digits where s(z) is near 1."""
    return logistic(z) * logistic(-z)


ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "relu": (relu, relu_slope),
    "tanh": (tanh, tanh_slope),
    "logistic": (logistic, logistic_slope),
}
LOSSES = ("squared_error", "cross_entropy")


def log_softmax(z: Tensor) -> Tensor:
    """z_l - log sum_m e^(z_m) over the last axis, the largest z taken out first so that nothing overflows."""
    shifted = z - z.max(-1, keepdim=True).values
    return shifted - shifted.exp().sum(-1, keepdim=True).log()


class Trace(NamedTuple):
    """All that the forward pass computes: z and y of each layer [B, units]; `outputs` begins with the inputs."""

    totals: list[Tensor]
    outputs: list[Tensor]
    loss: Tensor


class Gradients(NamedTuple):
    """dE/dW [inputs, outputs] and dE/db [outputs] of each layer, dE/dz of each layer and dE/dx [B, units]."""

    weights: list[Tensor]
    biases: list[Tensor]
    totals: list[Tensor]
    inputs: Tensor


def forward(
    x: Tensor, targets: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], activation: str, loss: str
) -> Trace:
    """The forward pass and the loss summed over the batch.

    x [B, inputs], targets [B, outputs] (for cross-entropy: probabilities, one-hot for a class). Every layer uses
    `activation` (a key of ACTIVATIONS), except that with the loss "cross_entropy" the output layer is a softmax.
    """
    f, _ = ACTIVATIONS[activation]
    totals: list[Tensor] = []
    outputs = [x]
    for weight, bias in zip(weights, biases, strict=True):
        totals.append(outputs[-1] @ weight + bias)
        outputs.append(f(totals[-1]))
    if loss == "cross_entropy":
        log_probs = log_softmax(totals[-1])
        outputs[-1] = log_probs.exp()
        return Trace(totals, outputs, -(targets * log_probs).sum())
    return Trace(totals, outputs, (outputs[-1] - targets).square().sum() / 2)


def backward(trace: Trace, targets: Tensor, weights: Sequence[Tensor], activation: str, loss: str) -> Gradients:
    """The backward pass: every derivative of `trace.loss`, from the output layer to the inputs.

    For cross-entropy the targets of an example must sum to one, as dE/dz_l = y_l - t_l needs.
    """
    _, slope = ACTIVATIONS[activation]
    by_total = trace.outputs[-1] - targets
    if loss == "squared_error":
        by_total = by_total * slope(trace.totals[-1])
    by_totals, by_weights, by_biases = [by_total], [], []
    for layer in reversed(range(len(weights))):
        by_weights.append(trace.outputs[layer].T @ by_total)
        by_biases.append(by_total.sum(0))
        by_output = by_total @ weights[layer].T
        if layer > 0:
            by_total = by_output * slope(trace.totals[layer - 1])
            by_totals.append(by_total)
    return Gradients(by_weights[::-1], by_biases[::-1], by_totals[::-1], by_output)
