"""CIFAR-10's binary files: a small ConvNet that learns fast, beside the Gaussian-kernel classifier on the same pictures.

Sources: Krizhevsky 2009 for the pictures; LeCun, Bengio & Hinton 2015 for the claim that deep ConvNets about halved the error of
the approaches before them (they say so of ImageNet in 2012); Jordan 2024 for the network. The bounds are for 10,000 training pictures; all
50,000 give less. Departures: a tenth of the training pictures is kept for validation; the kernel classifier fits the same nine tenths,
without deformed copies, and answers from one view, at whichever of three widths and penalties errs least on the validation pictures.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from samoyed.errors import DataError
from samoyed.recipes import _runs
from samoyed.recipes.outcome import Outcome

expected = "test error: the ConvNet at most 25 %, and at most half of the Gaussian-kernel classifier's"
seconds = 900

_KERNELS: tuple[dict[str, Any], ...] = ({"penalty": 3.0}, {"penalty": 10.0}, {"penalty": 10.0, "gamma": 0.0005})
_AS_IT_IS: dict[str, Any] = {"augment": ("none",), "test_views": "one"}


def run(out: Path, echo: Callable[[str], None], data: Path | None) -> Outcome:
    """Fits and trains on `data`, a folder with CIFAR-10's binary files. Raises DataError where there is none."""
    if data is None:
        raise DataError(
            "this recipe needs CIFAR-10's binary files (data_batch_1.bin and so on)",
            remedy="unpack https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz and name the folder as DATA",
        )
    fitted = [
        _runs.train(
            out, f"kernel-{i}", "image-classification", data, echo, model="gaussian_kernel", **_AS_IT_IS, **settings
        )
        for i, settings in enumerate(_KERNELS, 1)
    ]
    best = min(fitted, key=lambda run: float(run.metrics["valid"]["error"]["value"]))
    net = _runs.train(out, "convnet", "image-classification", data, echo, model="whitened_conv")
    rows = [("Gaussian-kernel classifier", best), ("ConvNet (whitened_conv)", net)]
    errors = [run.metrics["test"]["error"]["value"] for _, run in rows]
    return Outcome(
        holds=errors[1] <= 25.0 and errors[1] <= errors[0] / 2,
        measured={
            "gaussian_kernel": _runs.number(errors[0]),
            "whitened_conv": _runs.number(errors[1]),
            "seconds_of_the_convnet": _runs.number(net.seconds),
        },
        sentence=f"{_runs.table(rows, 'error')}\n\nreport of the ConvNet: {net.report}",
        pictures=(_runs.bars(rows, "error", out / "cifar10.png"),),
    )
