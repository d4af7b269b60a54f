"""CIFAR-10's binary files: a small ConvNet that learns fast, beside the Gaussian-kernel classifier on the same pictures.

Sources: Krizhevsky 2009 for the pictures; LeCun, Bengio & Hinton 2015 for the claim that deep ConvNets about halved the error of
the approaches before them (they say so of ImageNet in 2012); Jordan 2024 for the network. The bounds are for 10,000 training pictures; all
50,000 give less. Departures: a tenth of the training pictures is kept for validation; the kernel classifier fits the same nine tenths,
without deformed copies, and answers from one view.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from samoyed.errors import DataError
from samoyed.recipes import _runs
from samoyed.recipes.outcome import Outcome

expected = "test error: the ConvNet at most 25 %, and at most half of the Gaussian-kernel classifier's"
seconds = 900

_MODELS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("gaussian_kernel", "Gaussian-kernel classifier", {"augment": ("none",), "test_views": "one"}),
    ("whitened_conv", "ConvNet (whitened_conv, 16 epochs)", {"epochs": 16}),
)


def run(out: Path, echo: Callable[[str], None], data: Path | None) -> Outcome:
    """Trains both on `data`, a folder with CIFAR-10's binary files. Raises DataError where there is none."""
    if data is None:
        raise DataError(
            "this recipe needs CIFAR-10's binary files (data_batch_1.bin and so on)",
            remedy="unpack https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz and name the folder as DATA",
        )
    rows = [
        (name, _runs.train(out, model, "image-classification", data, echo, model=model, **settings))
        for model, name, settings in _MODELS
    ]
    errors = [run.metrics["test"]["error"]["value"] for _, run in rows]
    return Outcome(
        holds=errors[1] <= 25.0 and errors[1] <= errors[0] / 2,
        measured={model: _runs.number(error) for (model, *_), error in zip(_MODELS, errors, strict=True)},
        sentence=f"{_runs.table(rows, 'error')}\n\nreport of the ConvNet: {rows[-1][1].report}",
        pictures=(_runs.bars(rows, "error", out / "cifar10.png"),),
    )
