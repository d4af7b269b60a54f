"""One scaled network stands for the average of all that dropout thins from it.

In training every hidden unit is kept with probability p, so that each step trains one of 2^n thinned networks; at
test time all units are kept and their outputs multiplied by p (Srivastava et al. 2014). Written as torch.nn.Dropout
does it, with the factor moved to the training side:

    y = m * f(z) / p,   m_i = 1 with probability p, else 0          in training
    y = f(z)                                                        at test time

For one layer of weights the whole network is the exact mean of all thinned ones. With a softmax over it, it is their
exact geometric mean, made to sum to one (Baldi and Sadowski 2013). Through more layers it is an approximation.

Measured, with p = 1/2: both exact cases over all 2^10 masks; on the digits, with 20 labels a class and two hidden
layers, the held-out error of the average of 1 to 100 thinned networks beside that of the scaled one, and the held-out
loss with other factors than p; and the held-out errors with and without dropout, over 5 draws of the labelled
examples, 4 starts each.

Departures: the input is not thinned, and the weights' length is not bounded. With so few labels a factor somewhat
below p gives a lower loss still.
"""

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from samoyed.recipes._small import Crowd, cross_entropy, digits, errors, seeded
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import COLOURS, figure, style, to_png

expected = "scaled = mean of thinned networks: exact for one layer, close for three; with few labels dropout errs less"
seconds = 8

KEEP, SPLITS, STARTS, PER_CLASS = 0.5, 5, 4, 20
FACTORS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9, 1.0)
COUNTS = (1, 2, 3, 5, 10, 20, 50, 100)


def thin(hidden: Tensor) -> Tensor:
    """Keeps each output with probability KEEP, and then enlarges it by 1 / KEEP."""
    return hidden * (torch.rand_like(hidden) < KEEP) / KEEP


def exact_gaps() -> tuple[float, float]:
    """How far a scaled layer is from the mean of all its thinned ones; with a softmax, from the geometric mean."""
    units, weight, bias = torch.randn(10).double(), torch.randn(10, 4).double(), torch.randn(4).double()
    masks = torch.tensor(list(itertools.product((0.0, 1.0), repeat=10)), dtype=torch.float64)
    chance = (KEEP**masks * (1 - KEEP) ** (1 - masks)).prod(1, keepdim=True)
    thinned = (masks * units) @ weight + bias
    scaled = (KEEP * units) @ weight + bias
    linear = (chance * thinned).sum(0) - scaled
    geometric = F.softmax((chance * F.log_softmax(thinned, 1)).sum(0), 0) - F.softmax(scaled, 0)
    return float(linear.abs().max()), float(geometric.abs().max())


class Split:
    """STARTS networks trained with dropout, and as many without, on one draw of labelled digits."""

    def __init__(self, seed: int) -> None:
        data = digits(seed)
        self.x, self.y = data.test_x, data.test_y
        chosen = torch.cat([(data.y == label).nonzero()[:PER_CLASS, 0] for label in range(10)])
        x, y = data.x[chosen], data.y[chosen]
        self.plain, self.dropped = (Crowd([64, 128, 128, 10], [math.sqrt(2)] * STARTS) for _ in range(2))
        for crowd, noise in ((self.plain, None), (self.dropped, thin)):
            for _ in crowd.descend(x, y, rates=0.05, steps=400, batch=50, momentum=0.9, thin=noise):
                pass

    @torch.no_grad()
    def error(self, crowd: Crowd) -> float:
        """The share of the held-out examples that the whole networks get wrong, the mean of the starts."""
        return float(errors(crowd(self.x), self.y).mean())

    @torch.no_grad()
    def loss(self, factor: float) -> float:
        """The held-out loss after dropout when each hidden output is multiplied by `factor`, where KEEP is right."""
        return float(cross_entropy(self.dropped(self.x, lambda hidden: hidden * factor / KEEP), self.y).mean())

    @torch.no_grad()
    def averaged(self) -> tuple[list[float], float]:
        """The errors of averages of COUNTS thinned networks, and how often the last decides as the whole one."""
        total, found = torch.zeros(STARTS, len(self.x), 10), []
        for count in range(1, COUNTS[-1] + 1):
            total += self.dropped(self.x, thin).softmax(2)
            if count in COUNTS:
                found.append(float(errors(total, self.y).mean()))
        return found, float((total.argmax(2) == self.dropped(self.x).argmax(2)).double().mean())


def run(out: Path, echo: Callable[[str], None]) -> Outcome:
    """Enumerates the exact cases, then trains with and without dropout on few labels."""
    without, dropped, agreement = [], [], []
    averages, losses = [], []
    with seeded(0):
        linear, geometric = exact_gaps()
        for seed in range(SPLITS):
            split = Split(seed)
            without.append(split.error(split.plain))
            dropped.append(split.error(split.dropped))
            thinned, agreed = split.averaged()
            averages.append(thinned)
            agreement.append(agreed)
            losses.append([split.loss(factor) for factor in FACTORS])
            echo(f"labels {seed + 1} of {SPLITS}: {without[-1]:.1%} wrong without dropout, {dropped[-1]:.1%} with it")
    average, by_factor = torch.tensor(averages).mean(0), torch.tensor(losses).mean(0)
    measured = {
        "gap_linear": linear,
        "gap_geometric_mean": geometric,
        "error_without": sum(without) / SPLITS,
        "error_with": sum(dropped) / SPLITS,
        "draws_where_dropout_errs_less": float(sum(b < a for a, b in zip(without, dropped, strict=True))),
        "draws": float(SPLITS),
        "error_one_thinned": float(average[0]),
        "error_average_of_100": float(average[-1]),
        "agreement_with_average_of_100": sum(agreement) / SPLITS,
        "loss_scaled_by_p": float(by_factor[FACTORS.index(KEEP)]),
        "loss_unscaled": float(by_factor[FACTORS.index(1.0)]),
        "loss_at_best_factor": float(by_factor.min()),
    }
    holds = (
        max(linear, geometric) < 1e-12
        and measured["agreement_with_average_of_100"] > 0.95
        and measured["loss_scaled_by_p"] < 0.5 * measured["loss_unscaled"]
        and measured["error_with"] < measured["error_without"]
    )
    sentence = (
        f"Scaled and averaged agree within {max(linear, geometric):.0e} where theory says they must; in deeper "
        f"networks they decide alike for {measured['agreement_with_average_of_100']:.1%} of held-out digits. With "
        f"{PER_CLASS} labels a class dropout lowers the error from {measured['error_without']:.1%} to "
        f"{measured['error_with']:.1%} (lower in {measured['draws_where_dropout_errs_less']:.0f} of {SPLITS} draws); "
        f"without scaling at test time the loss is {measured['loss_unscaled']:.2f} instead of "
        f"{measured['loss_scaled_by_p']:.2f}."
    )
    return Outcome(holds, measured, sentence, (_draw(out, without, dropped, average.tolist(), by_factor.tolist()),))


@style()
def _draw(out: Path, without: list[float], dropped: list[float], average: list[float], losses: list[float]) -> Path:
    made, (few, many, scale) = figure(11, 3.7, 1, 3)
    for a, b in zip(without, dropped, strict=True):
        few.plot([0, 1], [100 * a, 100 * b], "o-", color=COLOURS[0], linewidth=1.2, alpha=0.7)
    means = [100 * sum(v) / SPLITS for v in (without, dropped)]
    few.plot([0, 1], means, "s-", color=COLOURS[1], linewidth=2.6, markersize=7, label="mean")
    few.set(
        title="Few labels: dropout errs less", xticks=[0, 1], xticklabels=["without", "with dropout"], xlim=(-0.3, 1.3)
    )
    few.set_ylabel("wrong, % of held-out digits")
    few.legend()
    many.semilogx(COUNTS, [100 * value for value in average], "o-", label="average of thinned networks")
    many.axhline(means[1], color=COLOURS[1], linestyle="--", label="the one scaled network")
    many.set(title="Averages approach the scaled network", xlabel="thinned networks averaged")
    many.set_xticks(COUNTS, [str(count) for count in COUNTS], minor=False)
    many.minorticks_off()
    many.set_ylabel("wrong, % of held-out digits")
    many.legend()
    scale.plot(FACTORS, losses, "o-")
    scale.axvline(KEEP, color=COLOURS[1], linestyle="--")
    scale.annotate(f"p = {KEEP:g}", (KEEP, max(losses)), (5, -6), textcoords="offset points")
    worse = losses[-1] / losses[FACTORS.index(KEEP)]
    scale.set(title=f"Unscaled: {worse:.1f} times the loss", xlabel="factor at test time", ylabel="held-out loss, nats")
    return to_png(made, out / "dropout_scaling.png")
