"""Pooling forgives small shifts: what is made of a picture moves less than the picture.

    max:  y_p = max over the 2x2 patch p of x        mean:  y_p = mean over p of x        none:  y_p = one pixel of p

Two convolutions of 3x3 with rectifiers, each followed by one of these, then a linear layer. Features merge what is alike, so
that small shifts and distortions change little above them (Ranzato, Huang, Boureau & LeCun 2007; LeCun, Bengio & Hinton 2015).

Measured on the digits in a field of 12 x 12, each of the three trained from 3 starts on centred pictures alone: how far the
maps move when the picture is shifted by one pixel, |h(shifted x) - h(x)| / |h(x)| in the mean over held-out pictures and four
directions, from the pixels to the last pooled maps; and the held-out errors on centred and on shifted pictures.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from samoyed.recipes._small import digits, seeded
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import COLOURS, figure, style, to_png

expected = (
    "with max pooling a shift by one pixel changes the last maps less, and costs fewer errors, than without pooling"
)
seconds = 8

STARTS, STEPS, BATCH, MARGIN = 3, 200, 64, 2
POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "max": lambda x: F.max_pool2d(x, 2),
    "mean": lambda x: F.avg_pool2d(x, 2),
    "none": lambda x: x[:, :, ::2, ::2],
}
STAGES = ("pixels", "convolution 1", "pooled 1", "convolution 2", "pooled 2")


class Net(nn.Module):
    """pictures [B, 1, 12, 12] -> logits [B, 10], after two stages of convolution and pooling."""

    def __init__(self, pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.pool = pool
        self.convolutions = nn.ModuleList([nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1)])
        self.output = nn.Linear(32 * 9, 10)

    def stages(self, x: Tensor) -> list[Tensor]:
        """The picture and all maps that are made of it, in order."""
        made = [x]
        for convolution in self.convolutions:
            made.append(convolution(made[-1]).relu())
            made.append(self.pool(made[-1]))
        return made

    def forward(self, x: Tensor) -> Tensor:
        """x [B, 1, 12, 12] -> logits [B, 10]."""
        logits: Tensor = self.output(self.stages(x)[-1].flatten(1))
        return logits


def shifted(x: Tensor) -> list[Tensor]:
    """The pictures moved by one pixel up, down, left and right; nothing of a digit leaves the field."""
    return [x.roll(by, axis) for axis in (2, 3) for by in (-1, 1)]


def field(pixels: Tensor) -> Tensor:
    """pixels [B, 64] -> [B, 1, 12, 12] with an empty margin."""
    return F.pad(pixels.view(-1, 1, 8, 8), (MARGIN,) * 4)


def train(net: Net, x: Tensor, y: Tensor) -> None:
    """Adam on random batches."""
    optimizer = torch.optim.Adam(net.parameters(), 0.002)
    for _ in range(STEPS):
        chosen = torch.randint(len(x), (BATCH,))
        F.cross_entropy(net(x[chosen]), y[chosen]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()


@torch.no_grad()
def moved(net: Net, x: Tensor) -> Tensor:
    """How far each stage moves when the picture is shifted, relative to its length: [stages]."""
    still = net.stages(x)
    total = torch.zeros(len(STAGES))
    for other in shifted(x):
        for i, (a, b) in enumerate(zip(net.stages(other), still, strict=True)):
            total[i] += ((a - b).flatten(1).norm(dim=1) / b.flatten(1).norm(dim=1)).mean() / 4
    return total


@torch.no_grad()
def error(net: Net, pictures: list[Tensor], y: Tensor) -> float:
    """The share of pictures taken for another digit."""
    return sum(float((net(x).argmax(1) != y).float().mean()) for x in pictures) / len(pictures)


def run(out: Path, echo: Callable[[str], None]) -> Outcome:
    """Trains with three kinds of pooling, then shifts what was held out."""
    data = digits()
    black = data.x.amin(0)  # every pixel is black in some training picture, so this is 0 less the training mean
    x, test_x = (field(part - black) for part in (data.x, data.test_x))
    changes, centred, off = {}, {}, {}
    with seeded(0):
        for name, pool in POOLS.items():
            nets = [Net(pool) for _ in range(STARTS)]
            for net in nets:
                train(net, x, data.y)
            changes[name] = torch.stack([moved(net, test_x) for net in nets]).mean(0)
            centred[name] = sum(error(net, [test_x], data.test_y) for net in nets) / STARTS
            off[name] = sum(error(net, shifted(test_x), data.test_y) for net in nets) / STARTS
            echo(f"{name}: the last maps move by {changes[name][-1]:.0%}, {off[name]:.1%} wrong after a shift")
    measured = {f"{name}_pooled_2_moves": float(change[-1]) for name, change in changes.items()}
    measured |= {"pixels_move": float(changes["max"][0])}
    measured |= {f"{name}_error_centred": value for name, value in centred.items()}
    measured |= {f"{name}_error_shifted": value for name, value in off.items()}
    holds = (
        measured["max_pooled_2_moves"] < 0.9 * measured["none_pooled_2_moves"]
        and measured["max_error_shifted"] < 0.9 * measured["none_error_shifted"]
    )
    sentence = (
        f"A shift by one pixel moves the picture by {measured['pixels_move']:.0%} of its length, the last maps by "
        + ", ".join(f"{change[-1]:.0%} ({name})" for name, change in changes.items())
        + "; held-out errors rise "
        + ", ".join(f"from {centred[name]:.1%} to {off[name]:.1%} ({name})" for name in POOLS)
        + "."
    )
    return Outcome(holds, measured, sentence, (_draw(out, changes, centred, off),))


@style()
def _draw(out: Path, changes: dict[str, Tensor], centred: dict[str, float], off: dict[str, float]) -> Path:
    made, (left, right) = figure(9.6, 3.8, 1, 2)
    for (name, change), colour, marker in zip(changes.items(), COLOURS, "os^", strict=False):
        left.plot(range(len(STAGES)), 100 * change, f"{marker}-", color=colour, label=f"{name}")
        right.plot([0, 1], [100 * centred[name], 100 * off[name]], f"{marker}-", color=colour, label=name)
    left.set_xticks(range(len(STAGES)), [stage.replace(" ", "\n") for stage in STAGES])
    left.set(title="What one pixel of shift moves", ylabel="change, % of length", ylim=(0, None))
    left.legend(title="pooling")
    right.set(title="What it costs", xticks=[0, 1], xticklabels=["centred", "shifted by 1"], xlim=(-0.3, 1.3))
    right.set_ylabel("wrong, % of held-out digits")
    return to_png(made, out / "pooling.png")
