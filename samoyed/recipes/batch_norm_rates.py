"""Batch normalisation widens the range of learning rates and initial weights that train.

    z' = g (z - mean) / sqrt(variance + 1e-5) + b        mean and variance of each unit over the batch; g, b learned

A layer's weights may then be any multiple of themselves without changing its output, so a large learning rate or a bad
initial scale no longer blows activations and gradients up or fades them out (Ioffe and Szegedy 2015).

Measured on the digits, with 6 hidden layers of 32 ReLU units and batches of 64: the training loss after 150 steps,
the median of 5 starts, with and without batch normalisation, for learning rates from 0.003 to 18 at the usual initial
weights, and for initial weights 0.01 to 10 times the usual at rate 0.1, four of each to a decade. Reported: the
decades in which the loss ends below 0.3, each setting counted as a quarter of one.

Departures: the loss is that of the whole training set with its own statistics, where a network in use would keep
running averages of the batches'.
"""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from samoyed.recipes._small import Crowd, cross_entropy, digits, seeded
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import COLOURS, figure, style, to_png

expected = (
    "with batch normalisation the ranges of rates and of initial weights that train are at least 1.5 times as wide"
)
seconds = 10

STEPS, SEEDS, LEVEL, HIDDEN = 150, 5, 0.3, 6
RATES = tuple(10 ** (i / 4) for i in range(-10, 6))
SCALES = tuple(10 ** (i / 4) for i in range(-8, 5))
USUAL = math.sqrt(2)
CEILING = 20.0


def final_losses(norm: bool, rates: tuple[float, ...], scales: tuple[float, ...]) -> Tensor:
    """The training loss after STEPS steps for each pair of rate and scale: [pairs, SEEDS], inf if it diverged."""
    data = digits()
    pairs = [(rate, scale) for rate, scale in zip(rates, scales, strict=True) for _ in range(SEEDS)]
    crowd = Crowd([64, *[32] * HIDDEN, 10], [USUAL * scale for _, scale in pairs], norm=norm)
    for _ in crowd.descend(data.x, data.y, rates=[rate for rate, _ in pairs], steps=STEPS, batch=64):
        pass
    with torch.no_grad():
        return cross_entropy(crowd(data.x), data.y).nan_to_num(math.inf).view(len(rates), SEEDS)


def run(out: Path, echo: Callable[[str], None]) -> Outcome:
    """Sweeps learning rates and initial weights, with and without batch normalisation."""
    sweeps: dict[tuple[str, str], Tensor] = {}
    measured: dict[str, float] = {}
    for norm, name in ((False, "plain"), (True, "norm")):
        with seeded(0):
            sweeps[name, "rates"] = final_losses(norm, RATES, (1.0,) * len(RATES))
            sweeps[name, "scales"] = final_losses(norm, (0.1,) * len(SCALES), SCALES)
        for what in ("rates", "scales"):
            middle = sweeps[name, what].median(1).values
            measured[f"{name}_{what}_decades"] = float((middle < LEVEL).sum()) / 4
            measured[f"{name}_{what}_best_loss"] = float(middle.min())
            echo(f"{name}: {measured[f'{name}_{what}_decades']} decades of {what} train")
    holds = all(
        measured[f"norm_{what}_decades"] >= 1.5 * measured[f"plain_{what}_decades"] > 0 for what in ("rates", "scales")
    )
    sentence = (
        f"With batch normalisation {measured['norm_rates_decades']:g} decades of learning rates train, without it "
        f"{measured['plain_rates_decades']:g}; of initial weights, {measured['norm_scales_decades']:g} decades and "
        f"{measured['plain_scales_decades']:g}."
    )
    return Outcome(holds, measured, sentence, (_draw(out, sweeps),))


@style()
def _draw(out: Path, sweeps: dict[tuple[str, str], Tensor]) -> Path:
    made, axes = figure(9.6, 3.8, 1, 2, sharey=True)
    names = {"plain": "without", "norm": "with batch normalisation"}
    for panel, what, settings, label, title in (
        (axes[0], "rates", RATES, "learning rate", "More learning rates train"),
        (axes[1], "scales", SCALES, "initial weights, times the usual", "More initial weights train"),
    ):
        for (name, text), colour, marker in zip(names.items(), (COLOURS[1], COLOURS[0]), "so", strict=True):
            losses = sweeps[name, what].clamp(max=CEILING)  # what diverged is drawn at the top
            panel.loglog(settings, losses.median(1).values, f"{marker}-", color=colour, markersize=4, label=text)
            panel.fill_between(settings, losses.amin(1), losses.amax(1), color=colour, alpha=0.15, linewidth=0)
        panel.axhline(math.log(10), color=COLOURS[6], linewidth=1, linestyle=":")
        panel.axhline(LEVEL, color=COLOURS[6], linewidth=1)
        panel.set(title=title, xlabel=label, ylim=(0.01, CEILING * 1.25))
    axes[0].text(1.3, CEILING, "diverged", fontsize=8.5, ha="right", va="center")
    axes[0].text(RATES[-1], 0.9 * LEVEL, "trained", fontsize=8.5, ha="right", va="top")
    axes[1].text(SCALES[0], 1.15 * math.log(10), "guessing", fontsize=8.5, va="bottom")
    axes[0].set_ylabel("training loss after 150 steps, nats")
    axes[0].legend(loc="lower left")
    return to_png(made, out / "batch_norm_rates.png")
