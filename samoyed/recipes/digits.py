"""Four learners on 1,797 real handwritten digits: linear, Gaussian kernel, multilayer, convolutional.

Each sees the same 72 % of the scans to learn from and 8 % to choose its weights by, and is measured on the same 20 %. Source of
the data: Alpaydin & Kaynak 1998, as shipped by scikit-learn. With 359 test digits, one digit is 0.28 %: intervals are wide.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from samoyed.recipes import _runs
from samoyed.recipes.outcome import Outcome

expected = "the ConvNet errs on at most 3 % of held-out digits, and less than the linear classifier"
seconds = 40

_MODELS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("linear", "linear classifier", {}),
    ("gaussian_kernel", "Gaussian-kernel classifier", {}),
    ("mlp", "multilayer network", {}),
    ("lenet", "ConvNet (LeNet, width=2 dropout=0.25)", {"width": 2.0, "dropout": 0.25}),
)


def run(out: Path, echo: Callable[[str], None]) -> Outcome:
    """Trains the four and prints their table."""
    rows = [
        (name, _runs.train(out, model, "image-classification", None, echo, model=model, **settings))
        for model, name, settings in _MODELS
    ]
    errors = {model: run.metrics["test"]["error"]["value"] for (model, *_), (_, run) in zip(_MODELS, rows, strict=True)}
    picture = _runs.bars(rows, "error", out / "digits.png")
    return Outcome(
        holds=errors["lenet"] <= 3.0 and errors["lenet"] < errors["linear"],
        measured={model: _runs.number(error) for model, error in errors.items()},
        sentence=f"{_runs.table(rows, 'error')}\n\nreport of the ConvNet: {rows[-1][1].report}",
        pictures=(picture,),
    )
