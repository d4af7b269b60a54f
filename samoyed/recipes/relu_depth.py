"""ReLU trains a deep stack where the logistic function hardly moves; tanh can keep up.

    ReLU max(0, z)        tanh(z)        logistic 1 / (1 + e^-z)

ReLU's derivative is 1 wherever a unit is active, so that gradients reach the first layers of a deep stack; the logistic
function's is at most 1/4, and eight of them in a row leave next to nothing (Glorot, Bordes and Bengio 2011).

Measured: the step at which the training loss first falls below 0.1 (mean of 20 steps; the length of the run if it
never does), the median of 5 random starts, with 8 hidden layers of 32 units, batches of 50 and momentum 0.9. Each
nonlinearity gets the best of four learning rates and the weights that its theory asks for: standard deviation sqrt(2
/ inputs) for ReLU (He 2015), 1 / sqrt(inputs) for tanh (Glorot and Bengio 2010), four times that for the logistic
function, whose slope at 0 is 1/4. Data: two intertwined spirals, and the handwritten digits.

Departures: Glorot's networks were three wide layers on larger images, and the effect on tanh is not as general as it
was taken to be: clear on the spirals, absent on the digits, and gone on both when tanh starts from weights 5/3 as
large. That start is measured too, and drawn, but the recipe holds or fails without it.
"""

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from samoyed.recipes._small import Crowd, digits, seeded, steps_until
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import COLOURS, figure, style, to_png

expected = "8 hidden layers: ReLU learns, logistic does not; tanh takes twice ReLU's steps on spirals, not on digits"
seconds = 12

HIDDEN, LEVEL, SEEDS = 8, 0.1, 5
STEPS = {"spirals": 600, "digits": 400}
RATES = (0.01, 0.03, 0.1, 0.3)
KINDS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "ReLU": (torch.relu, math.sqrt(2)),
    "tanh": (torch.tanh, 1.0),
    "logistic": (torch.sigmoid, 4.0),
    "tanh, large start": (torch.tanh, 5 / 3),
}


def spirals(size: int = 1000, turns: float = 1.5) -> tuple[Tensor, Tensor]:
    """Two spirals of `turns` turns about one another: x [size, 2], and which of them [size]."""
    along, which = torch.rand(size).sqrt(), torch.randint(2, (size,))
    turn = math.pi * (2 * turns * along + which)
    return 1.7 * along[:, None] * torch.stack([turn.cos(), turn.sin()], 1), which


def learn(x: Tensor, y: Tensor, kind: str, steps: int) -> tuple[float, float, Tensor]:
    """Trains SEEDS networks at each rate: the best rate, its median step of success, and its losses [steps, SEEDS]."""
    activation, scale = KINDS[kind]
    rates = [rate for rate, _ in itertools.product(RATES, range(SEEDS))]
    crowd = Crowd([x.shape[1], *[32] * HIDDEN, int(y.max()) + 1], [scale] * len(rates), activation)
    losses = torch.stack(list(crowd.descend(x, y, rates=rates, steps=steps, batch=50, momentum=0.9)))
    losses = losses.nan_to_num(math.inf).view(steps, len(RATES), SEEDS)
    reached = steps_until(losses.flatten(1), LEVEL).clamp(max=steps).view(len(RATES), SEEDS).median(1).values
    # Where no rate succeeds, the one with the least loss at the end is the best.
    final = losses[-50:].mean(0).median(1).values
    best = int(reached.argmin() if (reached < steps).any() else final.argmin())
    return RATES[best], float(reached[best]), losses[:, best]


def run(out: Path, echo: Callable[[str], None]) -> Outcome:
    """Trains every kind of stack on the spirals and on the digits."""
    results: dict[tuple[str, str], tuple[float, float, Tensor]] = {}
    for data, steps in STEPS.items():
        for kind in KINDS:
            with seeded(0):
                x, y = spirals() if data == "spirals" else digits()[:2]
                results[data, kind] = rate, step, _ = learn(x, y, kind, steps)
            when = f"at step {step:.0f}" if step < steps else f"not in {steps} steps"
            echo(f"{data}, {kind}: loss below {LEVEL} {when} (rate {rate})")
    names = {kind: kind.lower().replace(", ", "_").replace(" ", "_") for kind in KINDS}
    measured = {f"{data}_steps_{names[kind]}": step for (data, kind), (_, step, _) in results.items()}
    ratio = {data: measured[f"{data}_steps_tanh"] / measured[f"{data}_steps_relu"] for data in STEPS}
    measured |= {f"{data}_tanh_over_relu": value for data, value in ratio.items()}
    learned = all(measured[f"{data}_steps_relu"] < steps for data, steps in STEPS.items())
    stuck = all(measured[f"{data}_steps_logistic"] == steps for data, steps in STEPS.items())
    large = [measured[f"{data}_steps_tanh_large_start"] for data in STEPS]
    sentence = (
        f"With {HIDDEN} hidden layers ReLU reaches a loss of {LEVEL} in {measured['spirals_steps_relu']:.0f} steps on "
        f"the spirals and {measured['digits_steps_relu']:.0f} on the digits; the logistic function "
        f"{'does not' if stuck else 'does too'} within {' and '.join(map(str, STEPS.values()))}. tanh needs "
        f"{ratio['spirals']:.1f} times as many steps as ReLU on the spirals, {ratio['digits']:.1f} times as many on "
        f"the digits; from larger weights it needs {large[0]:.0f} and {large[1]:.0f}."
    )
    return Outcome(learned and stuck and ratio["spirals"] >= 2, measured, sentence, (_draw(out, results),))


@style()
def _draw(out: Path, results: dict[tuple[str, str], tuple[float, float, Tensor]]) -> Path:
    made, axes = figure(9.6, 3.8, 1, 2)
    titles = {
        "spirals": "Spirals: ReLU ahead of tanh in its usual start",
        "digits": "Digits: ReLU and tanh about level",
    }
    for panel, (data, title) in zip(axes, titles.items(), strict=True):
        for i, kind in enumerate(KINDS):
            rate, _, losses = results[data, kind]
            smooth = losses.T.unfold(1, 20, 1).mean(2)
            low, middle, high = (smooth.quantile(q, dim=0) for q in (0.25, 0.5, 0.75))
            steps = torch.arange(len(middle)) + 20
            dashes = "--" if kind == "tanh, large start" else "-"
            colour = COLOURS[1] if kind.startswith("tanh") else COLOURS[i]
            panel.semilogy(steps, middle, dashes, color=colour, label=f"{kind} (rate {rate})", linewidth=1.6)
            panel.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
        panel.axhline(LEVEL, color=COLOURS[6], linewidth=1)
        panel.set(title=title, xlabel="step", ylim=(3e-4, 5))
        panel.legend(loc="lower left", fontsize=8.5)
    axes[0].set_ylabel("training loss, nats")
    return to_png(made, out / "relu_depth.png")
