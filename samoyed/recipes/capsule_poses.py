"""What the numbers of a capsule stand for: a digit is drawn again with one of them changed.

The capsule of a class has a length, how surely the class is there, and a direction, how it is there: width, slant, thickness. A
decoder draws the picture from it, so that a number's meaning can be seen by turning it (Sabour, Frosst & Hinton 2017, figure 4).

Measured on the embedded digits with a small capsule net: its held-out error; the share of the variance of held-out pictures that
their drawings keep; and how far a drawing moves, relative to the deviation of pictures, when one number moves by 0.25 either way.

Departures: 8 x 8 pictures, 64 maps and 8 kinds of small capsules; the drawing weighs 0.5 in the loss instead of 0.037, since it
is what is looked at here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from samoyed.layers.capsules import squash
from samoyed.recipes import _runs
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import figure, style, to_png
from samoyed.run import Run

expected = "at most 3 % wrong; drawings keep at least half of the variance, and change with the numbers of the pose"
seconds = 20

REACH, TURNS = 0.25, 7
SETTINGS: dict[str, Any] = {"model": "capsnet", "maps": 64, "capsules": 8, "reconstruction": 0.5}


def run(out: Path, echo: Callable[[str], None]) -> Outcome:
    """Trains the net, draws held-out digits, and turns the numbers of one digit's capsule."""
    made = _runs.train(out, "capsnet", "image-classification", None, echo, **SETTINGS)
    task: Any = made.task
    model: Any = made.model
    examples = held_out(made)
    batch = task.collate(examples)
    pictures = task.pixels.normalise(batch.images)
    with torch.inference_mode():
        poses = squash(model.sums(pictures))
        drawn = model.draw(poses, batch.labels)
        kept = 1 - float((drawn - pictures).square().mean() / (pictures - pictures.mean(0)).square().mean())
        first = [int((batch.labels == label).nonzero()[0]) for label in range(3, 6)]
        turned = [turn(model, poses[i : i + 1], batch.labels[i : i + 1]) for i in first]
    spread = torch.stack([row[:, -1] - row[:, 0] for row in turned]).square().mean((0, 2, 3, 4)).sqrt()
    measured = {
        "error": _runs.number(made.metrics["test"]["error"]["value"]),
        "variance_kept": _runs.number(kept),
        "mean_change_by_a_number": _runs.number(float(spread.mean())),
        "largest_change_by_a_number": _runs.number(float(spread.max())),
    }
    holds = measured["error"] <= 3.0 and kept >= 0.5 and measured["mean_change_by_a_number"] > 0.05
    sentence = (
        f"{measured['error']:.2f} % of held-out digits wrong; drawings keep {kept:.0%} of the pictures' variance. Turning one "
        f"number from -{REACH} to {REACH} changes a drawing by {spread.mean():.2f} deviations in the mean, at most {spread.max():.2f}."
    )
    return Outcome(holds, measured, sentence, (_draw(out, pictures[first], turned),))


def held_out(made: Run) -> list[Any]:
    """The pictures of the run's test split."""
    from samoyed import samples

    examples, _ = samples.load(made.task.sample)
    seed = made.config["settings"]["training"]["seed"]
    return list(made.task.split({"all": examples}, seed).test)


def turn(model: Any, pose: Tensor, label: Tensor) -> Tensor:
    """Drawings [numbers, TURNS, C, H, W] of pose [1, K, D] as each number of its class goes from -REACH to REACH."""
    steps = torch.linspace(-REACH, REACH, TURNS)
    size = pose.shape[2]
    poses = pose.expand(size * TURNS, -1, -1).clone()
    for number in range(size):
        poses[number * TURNS : (number + 1) * TURNS, int(label), number] += steps
    drawn: Tensor = model.draw(poses, label.expand(len(poses)))
    return drawn.view(size, TURNS, *drawn.shape[1:])


@style()
def _draw(out: Path, pictures: Tensor, turned: list[Tensor], rows: int = 4) -> Path:
    """For each digit: itself, then for the numbers that move it most a row of drawings."""
    made, axes = figure(10.5, 2.9, rows, len(turned) * (TURNS + 1), squeeze=False)
    for cell in axes.flat:
        cell.axis("off")
    for block, (picture, drawings) in enumerate(zip(pictures, turned, strict=True)):
        left = block * (TURNS + 1)
        strongest = (drawings[:, -1] - drawings[:, 0]).square().mean((1, 2, 3)).argsort(descending=True)[:rows]
        axes[0, left].imshow(picture[0].numpy(), cmap="gray")
        axes[0, left].set_title("picture", fontsize=8)
        for row, number in enumerate(strongest.tolist()):
            for column in range(TURNS):
                axes[row, left + 1 + column].imshow(drawings[number, column, 0].numpy(), cmap="gray")
        axes[0, left + 1].set_title(f"-{REACH}", fontsize=8)
        axes[0, left + TURNS].set_title(f"+{REACH}", fontsize=8)
    return to_png(made, out / "capsule_poses.png")
