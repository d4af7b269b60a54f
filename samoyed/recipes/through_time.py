"""Gradients through time: three ways to one, how far back it reaches, what clipping saves.

The equations stand in samoyed/explaining/recurrence_by_hand.py: Figure 5 of LeCun, Bengio and Hinton (2015), backpropagation
through time (Werbos 1990) and real-time recurrent learning (Williams and Zipser 1989), in NumPy and float64.

Measured:
- the largest difference, over 10 random networks of 5 inputs, 8 units and 6 outputs on 12 steps, between backpropagation
  through time by hand and autograd, run on torch's own cell; between it and real-time recurrent learning; and between autograd
  on torch's cell and on the layer that Samoyed's models use;
- |dL_T/dh_t| against the number of steps back, for tanh networks of 64 units whose recurrent matrix has a largest eigenvalue
  of modulus 0.5, 1 and 2, means over 20 starts: the factor from one step back to the one before, over 30 steps. Below 1 it
  vanishes; above, it explodes where tanh is not saturated (Bengio, Simard and Frasconi 1994; Pascanu, Mikolov and Bengio 2013);
- a ReLU network that starts from the identity, which learns to add two marked numbers among 20 by plain gradient descent at
  one learning rate: with the gradient's norm clipped at 1, and without.

Departures: none in the equations. The adding task is Hochreiter and Schmidhuber's (1997) with Le, Jaitly and Hinton's (2015) network.
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from samoyed.explaining.recurrence_by_hand import Parameters, forward, in_real_time, reach, through_time
from samoyed.layers import recurrence
from samoyed.recipes._small import adding, seeded
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import COLOURS, figure, style, to_png

expected = "by hand, in real time and by autograd within 1e-10; gradients vanish below an eigenvalue of 1; clipping saves a run"
seconds = 20

RADII = (0.5, 1.0, 2.0)
BACK = 30
TIME, RATE, CLIP, STEPS = 20, 0.02, 1.0, 1500


def by_torch(cell: nn.RNN | recurrence.RNN, x: Tensor, targets: Tensor, p: Parameters) -> list[Tensor]:
    """dL/dU, dL/dW, dL/dV, dL/db, dL/dc by autograd through a layer [T, I] -> [T, N] with torch.nn.RNN's parameters."""
    weights = [torch.from_numpy(part.copy()) for part in p]
    with torch.no_grad():
        for name, value in zip(
            ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0"), (weights[0], weights[1], weights[3]), strict=True
        ):
            getattr(cell, name).copy_(value)
        cell.get_parameter("bias_hh_l0").zero_()
    v, c = weights[2].requires_grad_(), weights[4].requires_grad_()
    hidden, _ = cell(x)
    loss = F.cross_entropy(hidden @ v.T + c, targets, reduction="sum")
    named = [getattr(cell, name) for name in ("weight_ih_l0", "weight_hh_l0")]
    return list(torch.autograd.grad(loss, [*named, v, cell.bias_ih_l0, c]))


def differences(seed: int) -> tuple[float, float, float]:
    """On one random network: by hand and autograd, by hand and in real time, torch's layer and ours."""
    draw = np.random.default_rng(seed)
    p = Parameters.drawn(5, 8, 6, seed)
    x, targets = draw.normal(size=(12, 5)), draw.integers(6, size=12)
    hand, _ = through_time(x, targets, p, forward(x, targets, p))
    live = in_real_time(x, targets, p)
    inputs, labels = torch.from_numpy(x), torch.from_numpy(targets)
    with seeded(0):
        layers = (nn.RNN(5, 8, dtype=torch.float64), recurrence.RNN(5, 8, dtype=torch.float64))
    theirs, ours = (by_torch(layer, inputs, labels, p) for layer in layers)
    return (
        max(float(np.abs(a - b.numpy()).max()) for a, b in zip(hand, theirs, strict=True)),
        max(float(np.abs(a - b).max()) for a, b in zip(hand, live, strict=True)),
        max(float((a - b).abs().max()) for a, b in zip(theirs, ours, strict=True)),
    )


def fading(radius: float, starts: int = 20) -> NDArray[np.float64]:
    """|dL_T/dh_t| / |dL_T/dh_T| by steps back [BACK + 1], the geometric mean over random starts."""
    found = []
    for seed in range(starts):
        draw = np.random.default_rng(seed)
        p = Parameters.drawn(8, 64, 10, seed, radius)
        p.U[...] *= 0.1  # so that tanh is near its slope of 1
        p.b[...] = 0
        x, targets = draw.normal(size=(BACK, 8)), draw.integers(10, size=BACK)
        norms = reach(p, forward(x, targets, p), int(targets[-1]))[::-1]
        found.append(np.log(norms / norms[0]))
    mean: NDArray[np.float64] = np.exp(np.mean(found, 0))
    return mean


def learn(clip: float | None) -> list[float]:
    """The losses of an identity-initialised ReLU network that learns to add; they end where one is no number."""
    with seeded(0):
        core = recurrence.RNN(2, 64, nonlinearity="relu", identity=True, batch_first=True)
        output = nn.Linear(64, 1)
        parameters = [*core.parameters(), *output.parameters()]
        losses: list[float] = []
        for _ in range(STEPS):
            x, y = adding(TIME, 32)
            loss = (output(core(x)[0][:, -1])[:, 0] - y).square().mean()
            losses.append(float(loss.detach()))
            if not math.isfinite(losses[-1]) or losses[-1] > 1e6:
                break
            gradients = torch.autograd.grad(loss, parameters)
            norm = float(torch.nn.utils.get_total_norm(gradients))
            factor = 1.0 if clip is None or norm <= clip else clip / norm
            with torch.no_grad():
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    parameter.sub_(RATE * factor * gradient)
        return losses


def run(out: Path, echo: Callable[[str], None]) -> Outcome:
    """Compares the gradients, follows them back, and trains with and without clipping."""
    apart = np.max([differences(seed) for seed in range(10)], 0)
    echo(
        f"largest differences: by hand and autograd {apart[0]:.1e}, in real time {apart[1]:.1e}, layers {apart[2]:.1e}"
    )
    fades = {radius: fading(radius) for radius in RADII}
    factors = {radius: float(faded[-1] ** (1 / BACK)) for radius, faded in fades.items()}
    echo(
        "a step further back: "
        + ", ".join(f"x {factor:.2f} (eigenvalue {radius})" for radius, factor in factors.items())
    )
    clipped, plain = learn(CLIP), learn(None)
    reached = float(np.mean(clipped[-50:]))
    broke = not math.isfinite(plain[-1]) or plain[-1] > 1e6
    echo(
        f"adding: {reached:.3f} with clipping; without, {'lost after' if broke else 'still going at'} {len(plain)} steps"
    )
    measured = {
        "hand_autograd": float(apart[0]), "hand_real_time": float(apart[1]), "layers": float(apart[2]),
        **{f"factor_{radius}": factor for radius, factor in factors.items()},
        "clipped_loss": reached, "steps_without_clipping": float(len(plain)),
    }  # fmt: skip
    holds = max(apart) < 1e-10 and factors[0.5] < 0.6 and factors[2.0] > 1.1 and broke and reached < 0.14
    sentence = (
        f"Backpropagation through time by hand, real-time recurrent learning and autograd differ by at most {max(apart):.0e}. A "
        f"gradient shrinks to {factors[0.5]:.2f} of itself with every step back where W's largest eigenvalue is 0.5, and grows "
        f"by {factors[2.0]:.2f} where it is 2. Without clipping the run is lost after {len(plain)} steps; clipped at {CLIP:g} it "
        f"comes to a squared error of {reached:.3f}, where always answering the mean gives 0.167."
    )
    return Outcome(holds, measured, sentence, (_draw(out, fades, clipped, plain),))


@style()
def _draw(out: Path, fades: dict[float, NDArray[np.float64]], clipped: list[float], plain: list[float]) -> Path:
    made, (back, losses) = figure(11, 4.2, 1, 2)
    for colour, (radius, faded) in zip(COLOURS, fades.items(), strict=False):
        back.semilogy(faded, color=colour)
        back.annotate(f"{radius:g}", (BACK, faded[-1]), (4, 0), textcoords="offset points", color=colour, va="center")
    back.set(
        title="A gradient on its way back through a tanh network", xlabel="steps back", xlim=(0, BACK + 2.5),
        ylabel="its length, relative to the last step's",
    )  # fmt: skip
    back.text(BACK * 0.42, fades[RADII[-1]].max() / 3, "largest eigenvalue of W", fontsize=8.5)
    width, top = 50, 0.5
    smooth = np.convolve(clipped, np.ones(width) / width, "valid")
    losses.plot(range(width - 1, len(clipped)), smooth, color=COLOURS[0], label=f"clipped at {CLIP:g}")
    lost = np.minimum(np.nan_to_num(plain, nan=top, posinf=top), top)
    losses.plot(lost, color=COLOURS[1], label="not clipped")
    losses.annotate(
        f"lost after {len(plain)} steps",
        (len(plain), 0.97 * top),
        (8, 0),
        textcoords="offset points",
        color=COLOURS[1],
        va="top",
    )
    losses.axhline(1 / 6, color="#222222", linewidth=1)
    losses.text(len(clipped), 0.172, "the error of always answering the mean", ha="right", fontsize=8.5)
    losses.set(
        title="Learning to add two of 20 numbers, ReLU from the identity", xlabel="step", ylabel="squared error",
        ylim=(0, top), xlim=(-20, len(clipped)),
    )  # fmt: skip
    losses.legend(loc="center right")
    return to_png(made, out / "through_time.png")
