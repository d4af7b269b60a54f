"""A long memory: an identity at the start lets a plain recurrent network add two numbers that lie far apart.

A sequence of 60 pairs is read: a number between 0 and 1, and a mark that is 1 at one place in each half and 0 elsewhere; asked is
the sum of the two marked numbers (the adding problem of Hochreiter and Schmidhuber 1997). Always answering 1 has a squared error of
1/6, and a network does no better before it carries a number over dozens of steps.

Three networks of 100 units learn it from fresh sequences: a tanh network, whose gradients fade on the way back; the IRNN of Le,
Jaitly and Hinton (2015), which is a ReLU network whose recurrent matrix starts as the identity, its biases as 0 and its input
weights with deviation 0.001; and long short-term memory whose forget gate starts open.

Measured: the mean squared error on 2,000 fresh sequences after 6,000 steps of Adam on 64 each, with the gradient clipped at 1; each
network at the best of two learning rates. The recipe holds if the IRNN's error is below a tenth of the constant answer's, and the
tanh network's above nine tenths of it.

Departures: the paper has 150 steps and more, gradient descent, and training for up to a thousand times as long.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from samoyed.layers import recurrence
from samoyed.recipes._small import adding, seeded
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import COLOURS, figure, style, to_png

expected = "two numbers 60 steps apart: the IRNN adds them, a tanh network never does better than a constant"
seconds = 240

TIME, UNITS, STEPS, BATCH, FRESH = 60, 100, 6_000, 64, 2_000
RATES = (0.0003, 0.001)
KINDS = {"tanh": "tanh network", "irnn": "IRNN", "lstm": "LSTM"}
WINDOW = 100  # steps that a drawn point is the mean of


class Learned(NamedTuple):
    """One training: its learning rate, the error on fresh sequences, and the error of each step [STEPS]."""

    rate: float
    error: float
    errors: Tensor


class Adder(nn.Module):
    """x [B, T, 2] -> the sum [B], from the last hidden state."""

    def __init__(self, kind: str, units: int) -> None:
        super().__init__()
        if kind == "lstm":
            self.core: nn.Module = recurrence.LSTM(2, units, batch_first=True, forget_bias=1.0)
        elif kind == "irnn":
            self.core = recurrence.RNN(2, units, batch_first=True, nonlinearity="relu", identity=True)
            nn.init.normal_(self.core.get_parameter("weight_ih_l0"), std=0.001)
        else:
            self.core = recurrence.RNN(2, units, batch_first=True)
        self.output = nn.Linear(units, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, T, 2] -> [B]."""
        hidden, _ = self.core(x)
        answer: Tensor = self.output(hidden[:, -1])[:, 0]
        return answer


def learn(kind: str, rate: float, time_: int = TIME, units: int = UNITS, steps: int = STEPS) -> Learned:
    """One network from its start to its end, on sequences of `time_` pairs; the same for the same arguments."""
    with seeded(0):
        net, errors = Adder(kind, units), torch.empty(steps)
        optimizer = torch.optim.Adam(net.parameters(), rate)
        for step in range(steps):
            x, y = adding(time_, BATCH)
            error = F.mse_loss(net(x), y)
            errors[step] = error.detach()
            optimizer.zero_grad()
            error.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
        x, y = adding(time_, FRESH)
        with torch.no_grad():
            return Learned(rate, float(F.mse_loss(net(x), y)), errors)


def run(out: Path, echo: Callable[[str], None]) -> Outcome:
    """Trains the three networks at both rates."""
    constant, best = 1 / 6, dict[str, Learned]()
    for kind, name in KINDS.items():
        for rate in RATES:
            began = time.monotonic()
            found = learn(kind, rate)
            echo(f"{name}, learning rate {rate}: squared error {found.error:.4f} ({time.monotonic() - began:.0f} s)")
            if kind not in best or found.error < best[kind].error:
                best[kind] = found
    measured = {f"error_{kind}": found.error for kind, found in best.items()} | {"error_constant": constant}
    measured |= {f"rate_{kind}": found.rate for kind, found in best.items()}
    holds = best["irnn"].error < constant / 10 and best["tanh"].error > 0.9 * constant
    sentence = (
        f"Asked for the sum of two marked numbers of {TIME}, the tanh network has a squared error of {best['tanh'].error:.3f}, which "
        f"always answering 1 does too ({constant:.3f}); the IRNN has {best['irnn'].error:.4f}, the LSTM "
        f"{best['lstm'].error:.4f}."
    )
    return Outcome(holds, measured, sentence, (_draw(out, best, constant),))


@style()
def _draw(out: Path, best: dict[str, Learned], constant: float) -> Path:
    made, panel = figure(9.6, 4.2)
    for colour, (kind, found) in zip(COLOURS, best.items(), strict=False):
        smooth = found.errors.unfold(0, WINDOW, WINDOW).mean(1)
        steps = WINDOW * (torch.arange(len(smooth)) + 1)
        panel.semilogy(steps, smooth, color=colour, linewidth=1.8, label=f"{KINDS[kind]} (rate {found.rate})")
    panel.axhline(constant, color=COLOURS[6], linewidth=1, linestyle="--", label="always answering 1")
    panel.set(title=f"The sum of two marked numbers among {TIME}", xlabel="step", ylabel="squared error")
    panel.legend(loc="lower left")
    return to_png(made, out / "long_memory.png")
