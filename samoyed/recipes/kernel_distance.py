"""A Gaussian-kernel machine knows nothing far from its examples; a network may carry on.

A kernel machine with a local kernel answers

    f(x) = b + sum_i a_i exp(-g |x - x_i|^2)

so that far from every example x_i all terms vanish and f(x) -> b, whatever the truth is (Bengio, Delalleau and Le
Roux 2005, "The curse of dimensionality for local kernel machines"). Each layer of a ReLU network is linear along a
ray far out, so the network goes on along it.

Measured: examples inside the unit disc are labelled by which of six sectors they lie in, alternating. A support
vector machine (g and C chosen by five-fold cross-validation) and five networks are then asked on circles of growing
radius: their accuracy there, and how much the kernel machine's f still varies. As a control, the labels are rings
instead of sectors.

Departures: the sectors suit the network, because along a ray they never change. Rings do change along it, and away
from the examples the network fails on them as well: it carries on what it learned, which is not always the truth.
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from samoyed.recipes._small import Crowd, errors, regions, seeded
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import COLOURS, figure, style, to_png

expected = "near its examples the kernel machine fits; far away it answers one constant, while the network still works"
seconds = 4

RADII = [0.3, 0.5, 0.7, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0]


def sectors(x: Tensor) -> Tensor:
    """Six sectors about the origin, alternately 0 and 1: x [B, 2] -> [B]."""
    turn = torch.atan2(x[:, 1], x[:, 0])
    return (torch.sin(3 * turn) > 0).long()


def rings(x: Tensor) -> Tensor:
    """Rings 0.5 wide about the origin, alternately 0 and 1: x [B, 2] -> [B]."""
    radius: Tensor = torch.linalg.vector_norm(x, dim=1)
    return (radius / 0.5).long() % 2


class Learned:
    """A kernel machine and five networks fitted to 600 examples in the unit disc, labelled by `truth`."""

    def __init__(self, truth: Callable[[Tensor], Tensor]) -> None:
        from sklearn.model_selection import GridSearchCV
        from sklearn.svm import SVC

        turn, radius = 2 * math.pi * torch.rand(600), torch.rand(600).sqrt()
        self.truth, self.x = truth, torch.stack([radius * turn.cos(), radius * turn.sin()], 1)
        self.y = truth(self.x)
        grid = {"gamma": [1.0, 3.0, 10.0, 30.0], "C": [1.0, 10.0, 100.0]}
        self.machine = GridSearchCV(SVC(), grid, cv=5).fit(self.x.numpy(), self.y.numpy()).best_estimator_
        self.networks = Crowd([2, 32, 32, 2], [math.sqrt(2)] * 5)
        for _ in self.networks.descend(self.x, self.y, rates=0.1, steps=1500, batch=100, momentum=0.9):
            pass

    def kernel(self, x: Tensor) -> Tensor:
        """f(x) of the kernel machine: x [B, 2] -> [B], positive for class 1."""
        return torch.from_numpy(np.asarray(self.machine.decision_function(x.numpy())))

    @torch.no_grad()
    def network(self, x: Tensor) -> Tensor:
        """How much more the first network believes in class 1 than in class 0: x [B, 2] -> [B]."""
        logits = self.networks(x)[0]
        return logits[:, 1] - logits[:, 0]

    @torch.no_grad()
    def accuracy(self, x: Tensor) -> tuple[float, float]:
        """The share of x [B, 2] that the kernel machine gets right, and the mean share that the networks do."""
        classes = self.truth(x)
        right = ((self.kernel(x) > 0).long() == classes).double().mean()
        return float(right), float(1 - errors(self.networks(x), classes).mean())


def circle(radius: float | Tensor) -> Tensor:
    """720 inputs evenly around the origin: [720, 2], at one radius or at a radius [720] each."""
    turn = 2 * math.pi * (torch.arange(720) + 0.5) / 720
    return torch.stack([turn.cos(), turn.sin()], 1) * torch.as_tensor(radius).reshape(-1, 1)


def run(out: Path, echo: Callable[[str], None]) -> Outcome:
    """Fits both learners inside the unit disc and asks them ever farther outside."""
    with seeded(0):
        echo("sectors: fitting the kernel machine and five networks")
        wedge = Learned(sectors)
        echo("rings: the same, as a control")
        ring = Learned(rings)
        ring_inside, ring_outside = (
            ring.accuracy(circle(torch.rand(720))),
            ring.accuracy(circle(1 + 3 * torch.rand(720))),
        )
    curves = {r: wedge.accuracy(circle(r)) for r in RADII}
    measured = {
        "kernel_accuracy_inside": curves[0.7][0],
        "network_accuracy_inside": curves[0.7][1],
        "kernel_accuracy_far": curves[4.0][0],
        "network_accuracy_far": curves[4.0][1],
        "kernel_spread_inside": float(wedge.kernel(circle(0.7)).std()),
        "kernel_spread_far": float(wedge.kernel(circle(4.0)).std()),
        "rings_network_accuracy_inside": ring_inside[1],
        "rings_kernel_accuracy_outside": ring_outside[0],
        "rings_network_accuracy_outside": ring_outside[1],
    }
    holds = (
        min(measured["kernel_accuracy_inside"], measured["network_accuracy_inside"]) > 0.9
        and measured["kernel_accuracy_far"] < 0.6
        and measured["kernel_spread_far"] < 1e-3 * measured["kernel_spread_inside"]
        and measured["network_accuracy_far"] > measured["kernel_accuracy_far"] + 0.2
    )
    sentence = (
        f"Well inside the disc of its examples the kernel machine is right for {curves[0.7][0]:.0%} of the inputs; at "
        f"four times the disc's radius it gives one constant answer, right for {curves[4.0][0]:.0%}, where the network "
        f"is right for {curves[4.0][1]:.0%}. Where the truth changes outside (rings) the network fails as well: "
        f"{ring_outside[1]:.0%}."
    )
    return Outcome(holds, measured, sentence, (_draw(out, wedge, curves),))


@style()
def _draw(out: Path, learned: Learned, curves: dict[float, tuple[float, float]]) -> Path:
    made, (left, middle, right) = figure(11, 3.9, 1, 3)
    for panel, predict, title in (
        (left, learned.kernel, "Kernel machine: one answer far away"),
        (middle, learned.network, "ReLU network: carries on outwards"),
    ):
        regions(panel, predict, -4, 4, points=400)
        for label, colour in ((0, COLOURS[1]), (1, COLOURS[0])):
            panel.scatter(*learned.x[learned.y == label].T.numpy(), s=1.5, color=colour)
        panel.set(title=title, xlabel="x₁", ylabel="x₂", xticks=range(-4, 5, 2), yticks=range(-4, 5, 2))
        panel.text(-3.8, 0.2, "dotted: the truth", fontsize=8.5)
        for turn in range(3):  # the three lines that bound the six true sectors
            across, up = 6 * math.cos(turn * math.pi / 3), 6 * math.sin(turn * math.pi / 3)
            panel.plot([-across, across], [-up, up], ":", color=COLOURS[6], linewidth=1)
    right.axvspan(0, 1, color=COLOURS[6], alpha=0.14, linewidth=0)
    right.text(0.5, 0.32, "examples\nlie here", ha="center", fontsize=8.5)
    right.plot(list(curves), [c[1] for c in curves.values()], "o-", markersize=3.5)
    right.text(4, 0.93, "ReLU network, mean of 5", ha="right", color=COLOURS[0])
    right.plot(list(curves), [c[0] for c in curves.values()], "s--", markersize=3.5)
    right.text(1.5, 0.7, "Gaussian-kernel machine", color=COLOURS[1])
    right.axhline(0.5, color=COLOURS[6], linewidth=1)
    right.text(4, 0.47, "always the same answer", ha="right", va="top", fontsize=8.5)
    right.set(
        title="Accuracy at a distance",
        xlabel="distance from the centre",
        ylabel="right answers",
        xlim=(0, 4.1),
        ylim=(0.2, 1.03),
    )
    right.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return to_png(made, out / "kernel_distance.png")
