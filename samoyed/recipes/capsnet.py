"""MNIST's handwritten digits by a capsule network, trained on digits shifted by up to two pixels.

Source: Sabour, Frosst & Hinton 2017: 0.25 % with reconstruction and three repetitions of routing, 0.39 % for their ConvNet of 35
million weights. Departures: half as many maps and half as many kinds of small capsules as published (128 and 16 for 256 and 32), a
quarter of the work; 12 epochs instead of some hundreds; borders are mirrored in a shift, where theirs are black; 5,000
training pictures are kept for validation.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from samoyed.recipes import _runs
from samoyed.recipes.mnist import FILES
from samoyed.recipes.outcome import Outcome
from samoyed.samples.downloads import fetch

expected = "test error at most 0.6 %"
seconds = 1500

SETTINGS: dict[str, Any] = {
    "model": "capsnet",
    "maps": 128,
    "capsules": 16,
    "epochs": 12,
    "batch_size": 128,
    "augment": ("crop",),
    "augment_strength": 0.57,  # of an eighth of 28 pixels: two
}


def run(out: Path, echo: Callable[[str], None], data: Path | None) -> Outcome:
    """Trains it on `data`, a folder with MNIST's four files, or on what is fetched."""
    where = data or fetch("mnist", FILES, echo)
    made = _runs.train(out, "capsnet", "image-classification", where, echo, **SETTINGS)
    error = made.metrics["test"]["error"]["value"]
    rows = [("capsule network", made)]
    return Outcome(
        holds=error <= 0.6,
        measured={"error": _runs.number(error), "seconds": _runs.number(made.seconds)},
        sentence=f"{_runs.table(rows, 'error')}\n\nreport: {made.report}",
        pictures=(_runs.bars(rows, "error", out / "capsnet.png"),),
    )
