"""Stochastic gradient descent learns in far fewer passes than full gradient descent.

    full          w <- w - r * mean over all examples of dE/dw
    stochastic    w <- w - r * mean over a small batch of dE/dw

A small batch gives a noisy estimate of the same gradient at a fraction of the work, so for the same number of
examples processed SGD takes many steps where full descent takes one (Bottou 1998, "Online learning and stochastic
approximations"; Bottou and Bousquet 2008).

Measured on the handwritten digits (1347 to train, 450 held out) with 64-32-10 ReLU networks, the mean of 5 starts:
the training loss and the error on the held-out examples after each pass over the data, for 20 passes with batches of
10, and for 200 passes of full descent. Each method has its own best learning rate of ten, chosen by the training loss
after 20 passes; the held-out examples choose nothing.

Departures: the work is counted in examples processed, not in seconds. On hardware that computes a large batch as fast
as a small one, full descent loses less in time than it does in examples.
"""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from samoyed.recipes._small import Crowd, Digits, cross_entropy, digits, errors, seeded
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import COLOURS, figure, style, to_png

expected = "after as many examples SGD's training loss is at least 5 times lower and its held-out error lower"
seconds = 6

RATES = tuple(0.05 * 2**i for i in range(10))  # 0.05 to 25.6
SEEDS, PASSES, LONG, BATCH = 5, 20, 200, 10


def learn(data: Digits, rates: tuple[float, ...], passes: int, batch: int | None) -> Tensor:
    """Training loss and held-out error of SEEDS networks at each rate: [2, passes + 1 (from 0 on), rates, SEEDS]."""
    each = [rate for rate in rates for _ in range(SEEDS)]
    crowd = Crowd([64, 32, 10], [math.sqrt(2)] * len(each))
    steps = 1 if batch is None else len(data.x) // batch
    history = []
    for step, _ in enumerate(crowd.descend(data.x, data.y, rates=each, steps=passes * steps + 1, batch=batch)):
        if step % steps == 0:
            with torch.no_grad():
                loss = cross_entropy(crowd(data.x), data.y).nan_to_num(math.inf)
                history.append(torch.stack([loss, errors(crowd(data.test_x), data.test_y)]))
    return torch.stack(history, 1).view(2, passes + 1, len(rates), SEEDS)


def run(out: Path, echo: Callable[[str], None]) -> Outcome:
    """Finds each method's best rate, trains both for as many examples, and full descent ten times as long."""
    data = digits()
    short: dict[str, Tensor] = {}
    best: dict[str, float] = {}
    for name, batch in (("sgd", BATCH), ("full", None)):
        with seeded(0):
            found = learn(data, RATES, PASSES, batch)
        chosen = int(found[0, -1].mean(1).argmin())
        best[name], short[name] = RATES[chosen], found[:, :, chosen].mean(2)
        echo(f"{name}: best rate {best[name]:g}, training loss {short[name][0, -1]:.4f} after {PASSES} passes")
    with seeded(0):
        full = learn(data, (best["full"],), LONG, None)[:, :, 0].mean(2)
    below = full[0] < short["sgd"][0, 1]
    measured = {
        "sgd_rate": best["sgd"],
        "full_rate": best["full"],
        "sgd_loss": float(short["sgd"][0, -1]),
        "full_loss": float(short["full"][0, -1]),
        "full_loss_after_200_passes": float(full[0, -1]),
        "sgd_held_out_error": float(short["sgd"][1, -1]),
        "full_held_out_error": float(short["full"][1, -1]),
        "full_held_out_error_after_200_passes": float(full[1, -1]),
        "full_passes_to_match_one_of_sgd": float(below.int().argmax() if below.any() else LONG),
    }
    holds = (
        measured["full_loss"] > 5 * measured["sgd_loss"]
        and measured["full_held_out_error"] > measured["sgd_held_out_error"]
    )
    sentence = (
        f"After {PASSES} passes SGD's training loss is {measured['sgd_loss']:.4f} and full descent's "
        f"{measured['full_loss']:.3f}; held out, {measured['sgd_held_out_error']:.1%} and "
        f"{measured['full_held_out_error']:.1%} are wrong. Full descent needs "
        f"{measured['full_passes_to_match_one_of_sgd']:.0f} passes for the training loss that SGD has after one."
    )
    return Outcome(holds, measured, sentence, (_draw(out, short["sgd"], full, best),))


@style()
def _draw(out: Path, sgd: Tensor, full: Tensor, best: dict[str, float]) -> Path:
    made, axes = figure(9.6, 3.7, 1, 2)
    for i, panel in enumerate(axes):
        for history, name, colour in ((sgd, "sgd", COLOURS[0]), (full, "full", COLOURS[1])):
            label = {"sgd": f"SGD, batches of {BATCH}", "full": "full gradient descent"}[name]
            panel.semilogy(history[i], color=colour, label=f"{label} (rate {best[name]:g})")
        panel.set(xlabel="passes over the 1347 examples", xlim=(0, 100))
        panel.axvline(PASSES, color=COLOURS[6], linewidth=1)
    axes[0].set(title="SGD fits the examples in far fewer passes", ylabel="training loss, nats")
    axes[1].set(title="and errs less on examples held out", ylabel="wrong")
    axes[1].yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes[0].text(PASSES + 1, 0.5, "compared here", fontsize=8.5)
    axes[0].legend()
    return to_png(made, out / "sgd_against_full.png")
