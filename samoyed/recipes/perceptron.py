"""The perceptron learns every half-space and can never learn XOR; one hidden layer can.

A perceptron decides sign(w . x + b). Rosenblatt's rule (1958) looks at one example after another, and only where the
decision is wrong moves the weights towards it:

    w <- w + t x,    b <- b + t        with the target t = +1 or -1

If some half-space separates the classes with margin g, and every (x, 1) has length at most R, the rule makes at most
(R / g)^2 mistakes in all (Novikoff 1962). XOR has no such half-space (Minsky and Papert 1969).

Measured: mistakes on AND, OR and on 40 random half-spaces of 2 to 20 inputs, beside Novikoff's bound; the fewest errors
that any weights visited in 1000 epochs make on XOR; the errors of a 2-4-2 network on XOR, over 20 starts.

Departures: on AND, OR and XOR the weights start at random, as from zero they would stay on a lattice full of ties; the
random half-spaces keep only examples at least 0.05 from the boundary, so that the bound is finite.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from samoyed.recipes._small import Crowd, errors, regions, seeded
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import COLOURS, figure, style, to_png

expected = "no errors on AND, OR and random half-spaces, within Novikoff's bound; at least one error on XOR, always"
seconds = 3

CORNERS = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
TARGETS = {
    "AND": torch.tensor([-1.0, -1.0, -1.0, 1.0]),
    "OR": torch.tensor([-1.0, 1.0, 1.0, 1.0]),
    "XOR": torch.tensor([-1.0, 1.0, 1.0, -1.0]),
}


class Learned(NamedTuple):
    """The best weights visited [D + 1], bias last; the fewest errors in each epoch; the mistakes corrected."""

    weights: Tensor
    history: list[int]
    mistakes: int


def perceptron(x: Tensor, targets: Tensor, start: Tensor, epochs: int) -> Learned:
    """Rosenblatt's rule on x [B, D], targets [B] of +-1, from weights `start` [D + 1], in a new order each epoch.

    Stops at the first weights without error.
    """
    inputs = torch.cat([x, torch.ones(len(x), 1)], 1)
    signed = inputs * targets[:, None]  # a decision is right where the weights' product with this is positive
    weights = best = start
    least = int((signed @ start <= 0).sum())
    history, mistakes = [least], 0
    for _ in range(epochs):
        fewest = len(x)
        for example in signed[torch.randperm(len(signed))]:
            if example @ weights <= 0:
                weights, mistakes = weights + example, mistakes + 1
                left = int((signed @ weights <= 0).sum())
                fewest = min(fewest, left)
                if left < least:
                    best, least = weights, left
            if least == 0:
                return Learned(best, [*history, 0], mistakes)
        history.append(fewest)
    return Learned(best, history, mistakes)


def half_space(size: int) -> tuple[int, int, float]:
    """A random half-space of `size` inputs: the errors left, the mistakes made, and Novikoff's bound on them."""
    normal = torch.nn.functional.normalize(torch.randn(size), dim=0)
    offset = 0.3 * torch.randn(())
    x = torch.rand(400, size) * 2 - 1
    distance = x @ normal + offset
    x, distance = x[distance.abs() > 0.05], distance[distance.abs() > 0.05]
    learned = perceptron(x, distance.sign(), torch.zeros(size + 1), epochs=2000)
    margin = distance.abs().min() / (1 + offset**2).sqrt()  # the separating (normal, offset), scaled to length one
    radius = (x.square().sum(1) + 1).max()
    return learned.history[-1], learned.mistakes, float(radius / margin**2)


def run(out: Path, echo: Callable[[str], None]) -> Outcome:
    """Trains perceptrons on AND, OR, XOR and half-spaces, and a network on XOR; draws what each one decides."""
    with seeded(0):
        learned = {name: perceptron(CORNERS, t, 4 * torch.randn(3), epochs=1000) for name, t in TARGETS.items()}
        for name, found in learned.items():
            echo(f"perceptron on {name}: {min(found.history)} of 4 wrong at best, {len(found.history) - 1} epochs")
        spaces = [half_space(size) for size in (2, 5, 10, 20) for _ in range(10)]
        crowd = Crowd([2, 4, 2], [1.0] * 20, torch.tanh)
        xor = (TARGETS["XOR"] > 0).long()
        for _ in crowd.descend(CORNERS, xor, rates=0.5, steps=1000, momentum=0.9):
            pass
        wrong = errors(crowd(CORNERS), xor)
    measured = {
        "errors_and": float(learned["AND"].history[-1]),
        "errors_or": float(learned["OR"].history[-1]),
        "errors_xor_at_best": float(min(learned["XOR"].history)),
        "half_spaces": float(len(spaces)),
        "half_spaces_separated": float(sum(left == 0 for left, _, _ in spaces)),
        "mistakes_over_bound_at_most": max(mistakes / bound for _, mistakes, bound in spaces),
        "networks_solving_xor": float((wrong == 0).sum()),
        "networks": float(len(wrong)),
    }
    echo(f"half-spaces separated: {measured['half_spaces_separated']:.0f} of {len(spaces)}")
    holds = (
        measured["errors_and"] == measured["errors_or"] == 0
        and measured["half_spaces_separated"] == len(spaces)
        and measured["mistakes_over_bound_at_most"] <= 1
        and measured["errors_xor_at_best"] >= 1
        and measured["networks_solving_xor"] >= 0.9 * len(wrong)
    )
    sentence = (
        f"The perceptron separates AND, OR and {measured['half_spaces_separated']:.0f} of {len(spaces)} random "
        f"half-spaces, with at most {measured['mistakes_over_bound_at_most']:.0%} of the mistakes Novikoff's bound "
        f"allows; on XOR it never has fewer than {measured['errors_xor_at_best']:.0f} of 4 wrong in 1000 epochs, while "
        f"{measured['networks_solving_xor']:.0f} of {len(wrong)} networks with one hidden layer learn it."
    )
    solver = crowd.only(int(wrong.argmin()))
    return Outcome(holds, measured, sentence, (_draw(out, learned, spaces, solver),))


@style()
def _draw(out: Path, learned: dict[str, Learned], spaces: list[tuple[int, int, float]], solver: Crowd) -> Path:
    made, axes = figure(10, 6.4, 2, 3)
    for panel, (name, found) in zip(axes.flat, learned.items(), strict=False):
        best = min(found.history)
        _decisions(panel, name, _half_plane(found.weights))
        panel.set_title(f"{name}: the best line leaves {best} wrong" if best else f"{name}: a line separates it")
    network, rule, bound = axes.flat[3:]
    _decisions(network, "XOR", lambda x: solver(x)[0, :, 1] - solver(x)[0, :, 0])
    network.set_title("XOR with a hidden layer: none wrong")
    for (name, found), dashes in zip(learned.items(), ("-", "--", "-"), strict=True):
        rule.plot(found.history[:31], dashes, label=name, marker="o", markersize=3)
    rule.set(title="The perceptron never settles on XOR", xlabel="epoch", ylabel="fewest wrong in the epoch, of 4")
    rule.set(ylim=(-0.15, 4.3), yticks=range(5))
    rule.legend()
    mistakes, allowed = [space[1] for space in spaces], [space[2] for space in spaces]
    ends = [min(mistakes), max(allowed)]
    bound.loglog(allowed, mistakes, "o", markersize=4, alpha=0.8)
    bound.loglog(ends, ends, color=COLOURS[6], linewidth=1.2)
    bound.annotate("the bound", (ends[1], ends[1]), (-8, -2), textcoords="offset points", ha="right", fontsize=8.5)
    bound.set(title="40 half-spaces, all within the bound", xlabel="mistakes that Novikoff allows")
    bound.set_ylabel("mistakes made")
    return to_png(made, out / "perceptron.png")


def _half_plane(weights: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: x @ weights[:-1] + weights[-1]


@torch.no_grad()
def _decisions(panel: Any, name: str, predict: Callable[[Tensor], Tensor]) -> None:
    """The regions of `predict` with the four corners over them, those that it gets wrong encircled."""
    regions(panel, predict, -0.5, 1.5)
    for place, target, value in zip(CORNERS.tolist(), TARGETS[name], predict(CORNERS), strict=True):
        colour, marker = (COLOURS[0], "o") if target > 0 else (COLOURS[1], "s")
        panel.scatter(*place, color=colour, marker=marker, s=70, zorder=3, edgecolor="white")
        if value * target <= 0:
            panel.scatter(*place, s=260, facecolor="none", edgecolor="#222222", linewidth=1.4, zorder=4)
            panel.annotate("wrong", place, (0, 13), textcoords="offset points", ha="center", fontsize=8.5)
    panel.set(xticks=[0, 1], yticks=[0, 1], xlabel="x₁", ylabel="x₂")
