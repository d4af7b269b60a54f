"""What the small recipes share: seeds, digits, networks trained side by side, decision regions.

Axes: M models, B batch, D inputs, K outputs.

The digits are the 1797 images of 8 x 8 pixels that ship with scikit-learn (the test part of Alpaydin and Kaynak's
"Optical recognition of handwritten digits", UCI 1998), so that every recipe runs on real data without a download.
"""

import copy
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from samoyed.reporting.figures import COLOURS


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, draws from torch's CPU generator depend on `seed` alone; outside, they go on undisturbed."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


class Digits(NamedTuple):
    """Pixels in [0, 1] less the training mean [B, 64] float32, and classes [B] int64: 1347 to train, 450 to test."""

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor


def digits(seed: int = 0) -> Digits:
    """The digits in two parts, drawn by `seed`. Nothing of the test part enters the scaling."""
    from sklearn.datasets import load_digits

    pixels, classes = load_digits(return_X_y=True)
    x, y = torch.tensor(pixels, dtype=torch.float32) / 16, torch.tensor(classes)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    train, test = order[450:], order[:450]
    mean = x[train].mean(0)
    return Digits(x[train] - mean, y[train], x[test] - mean, y[test])


def cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """Mean cross-entropy in nats of each model: logits [M, B, K], classes [B] -> [M]."""
    each = F.cross_entropy(logits.flatten(0, 1), classes.repeat(len(logits)), reduction="none")
    return each.view(len(logits), -1).mean(1)


class Crowd:
    """M multilayer networks of one shape that learn side by side, each with its own weights and learning rate.

    A grid of settings costs little more than one network: each layer of all M is a single batched matrix product. The
    models never touch one another, so one that diverges leaves the rest alone. Weights are normal with standard
    deviation scale / sqrt(inputs of the layer), biases zero. `norm` puts batch normalisation (Ioffe and Szegedy 2015)
    before each hidden nonlinearity, always with the statistics of the examples at hand.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        scales: Sequence[float],
        activation: Callable[[Tensor], Tensor] = torch.relu,
        norm: bool = False,
    ) -> None:
        self.activation = activation
        spread = torch.tensor(scales, dtype=torch.float32)[:, None, None]
        pairs = list(itertools.pairwise(sizes))
        self.weights = [torch.randn(len(scales), a, b) * spread / math.sqrt(a) for a, b in pairs]
        self.biases = [torch.zeros(len(scales), 1, b) for _, b in pairs]
        self.gains = [torch.ones(len(scales), 1, b) for _, b in pairs[:-1]] if norm else []

    def __call__(self, x: Tensor, thin: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """x [B, D] -> the outputs of every model [M, B, K]. `thin` alters each hidden layer's outputs (dropout)."""
        return self.layers(x, thin)[-1]

    def layers(self, x: Tensor, thin: Callable[[Tensor], Tensor] | None = None) -> list[Tensor]:
        """The outputs of every layer in order, each [M, B, units]; the last has no nonlinearity."""
        outputs = [x.expand(len(self.weights[0]), *x.shape)]
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if i == len(self.weights) - 1:
                return [*outputs[1:], torch.baddbmm(bias, outputs[-1], weight)]
            if self.gains:
                total = torch.bmm(outputs[-1], weight)
                variance, mean = torch.var_mean(total, 1, correction=0, keepdim=True)
                total = (total - mean) * torch.rsqrt(variance + 1e-5) * self.gains[i] + bias
            else:
                total = torch.baddbmm(bias, outputs[-1], weight)
            hidden = self.activation(total)
            outputs.append(hidden if thin is None else thin(hidden))
        raise ValueError("a network needs at least two sizes")

    def descend(
        self,
        x: Tensor,
        y: Tensor,
        *,
        rates: Sequence[float] | float,
        steps: int,
        batch: int | None = None,
        momentum: float = 0.0,
        loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
        thin: Callable[[Tensor], Tensor] | None = None,
    ) -> Iterator[Tensor]:
        """Gradient descent: yields the losses [M] on each step's batch (all of x if `batch` is None), then updates.

        Batches are consecutive parts of a permutation drawn anew each epoch, the same for every model.
        """
        parameters = [p.requires_grad_() for p in (*self.weights, *self.biases, *self.gains)]
        speed = torch.tensor(rates).expand(len(self.weights[0]))[:, None, None]
        velocities = [torch.zeros_like(p) for p in parameters]
        order = torch.empty(0, dtype=torch.int64)
        for _ in range(steps):
            if batch is not None and len(order) < batch:
                order = torch.randperm(len(x))
            chosen, order = (slice(None), order) if batch is None else (order[:batch], order[batch:])
            losses = loss(self(x[chosen], thin), y[chosen])
            yield losses.detach()
            gradients = torch.autograd.grad(losses.sum(), parameters)
            with torch.no_grad():
                for parameter, gradient, velocity in zip(parameters, gradients, velocities, strict=True):
                    velocity.mul_(momentum).add_(gradient)
                    parameter.sub_(speed * velocity)

    def only(self, model: int) -> "Crowd":
        """A crowd of one: a copy of the given model."""
        alone = copy.copy(self)
        for name in ("weights", "biases", "gains"):
            setattr(alone, name, [p.detach()[model : model + 1].clone() for p in getattr(self, name)])
        return alone


def errors(logits: Tensor, classes: Tensor) -> Tensor:
    """The share of wrong decisions of each model: logits [M, B, K], classes [B] -> [M]."""
    return (logits.argmax(2) != classes).double().mean(1)


def steps_until(losses: Tensor, level: float, window: int = 20) -> Tensor:
    """The first step whose last `window` losses have a mean below `level`: losses [S, M] -> [M], inf if never."""
    smooth = losses.nan_to_num(math.inf).T.unfold(1, window, 1).mean(2)
    below = smooth < level
    return torch.where(below.any(1), below.int().argmax(1) + window, math.inf)


def plane(low: float, high: float, points: int) -> tuple[Tensor, Tensor, Tensor]:
    """A square lattice: coordinates across and up, each [points, points], and as inputs [points^2, 2]; float32."""
    line = torch.linspace(low, high, points)
    up, across = torch.meshgrid(line, line, indexing="ij")
    return across, up, torch.stack([across, up], -1).reshape(-1, 2)


@torch.no_grad()
def regions(axes: Any, predict: Callable[[Tensor], Tensor], low: float, high: float, points: int = 240) -> None:
    """Tints the square [low, high]^2 by the sign of `predict` (inputs [N, 2] -> [N]) and draws the boundary."""
    across, up, inputs = plane(low, high, points)
    values = predict(inputs).reshape(across.shape).numpy()
    axes.contourf(
        across.numpy(), up.numpy(), values > 0, levels=[-0.5, 0.5, 1.5], colors=[COLOURS[1], COLOURS[0]], alpha=0.16
    )
    if values.min() < 0 < values.max():
        axes.contour(across.numpy(), up.numpy(), values, levels=[0.0], colors="#333333", linewidths=1.3)
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.grid(False)


def adding(time: int, batch: int) -> tuple[Tensor, Tensor]:
    """The adding problem (Hochreiter & Schmidhuber 1997): x [B, T, 2], numbers in [0, 1] and marks, of which each half of the
    sequence has one; y [B], the sum of the two marked numbers. Always answering 1 has a squared error of 1/6."""
    numbers, marks, rows = torch.rand(batch, time), torch.zeros(batch, time), torch.arange(batch)
    marks[rows, torch.randint(time // 2, (batch,))] = 1
    marks[rows, torch.randint(time // 2, time, (batch,))] = 1
    return torch.stack([numbers, marks], -1), (numbers * marks).sum(1)
