"""The execution that the trainer chooses against the plain one: for each model what is chosen, and how much faster it is.

    python -m benchmarks.execution [--minutes 5] [--rounds 9] [MODEL ...]

Each model is given a training that would take so many minutes plainly, chooses as it would there, and then takes turns with the
plain execution over the same batches from the same weights, in one process. The ratio is plain's seconds over the chosen's, the
median of the rounds with its quartiles; the losses of both are compared first, by the chooser itself. What was remembered from
other trainings is not used.
"""

import argparse
import os
import statistics
import sys
import tempfile
from typing import Any

import numpy as np
import torch

from benchmarks.lenet import data
from samoyed import catalog
from samoyed.examples import Image, Text
from samoyed.run import build
from samoyed.training.execution import PLAIN, Rounds, choose
from samoyed.training.progress import Silent
from samoyed.training.trainer import Trainer

_PICTURES = {"examples": 2048, "num_classes": 10, "seed": 0}
ROWS: dict[str, tuple[str, str, dict[str, Any], tuple[int, int, int] | None, int]] = {
    # name: task, model, its settings, the pictures' shape, batch_size
    "lenet-28": ("image-classification", "lenet", {}, (1, 28, 28), 128),
    "lenet-32": ("image-classification", "lenet", {}, (3, 32, 32), 128),
    "lenet-wide": ("image-classification", "lenet", {"width": 4}, (3, 32, 32), 128),
    "resnet": ("image-classification", "resnet", {}, (3, 32, 32), 128),
    "vgg": ("image-classification", "vgg", {}, (3, 32, 32), 64),
    "mobilenet_v2": ("image-classification", "mobilenet_v2", {}, (3, 32, 32), 64),
    "mlp": ("image-classification", "mlp", {}, (1, 28, 28), 128),
    "rnn": ("text-generation", "rnn", {}, None, 32),
    "gru": ("text-generation", "gru", {}, None, 32),
    "lstm": ("text-generation", "lstm", {}, None, 32),
    "lstm-512": ("text-generation", "lstm", {"hidden_size": 512}, None, 32),
}


def session_of(name: str, minutes: float) -> Any:
    """A training of the row's model that would take about so many minutes plainly, not begun."""
    task_name, model_name, settings, shape, batch_size = ROWS[name]
    form = catalog.task(task_name)
    task: Any = form.load()()
    if shape is not None:
        images, labels = data.pictures({**_PICTURES, "image_shape": shape})
        examples: list[Any] = [
            Image(np.ascontiguousarray(image.transpose(1, 2, 0)), str(label), "benchmark")
            for image, label in zip(images, labels, strict=True)
        ]
    else:
        draw = np.random.default_rng(0)
        examples = [Text("".join(map(chr, draw.integers(33, 97, 200_000))), "benchmark")]
    task.fit(examples)
    torch.manual_seed(0)
    model = build(task, catalog.model(form, model_name), settings)
    rows = task.collate(examples)
    trainer = Trainer(**{**form.attributes["defaults"], "batch_size": batch_size, "epochs": 1})
    probe = Rounds(trainer.session(task, model, rows, rows, Silent()))
    steps = 60 * minutes / probe.step_seconds()
    trainer.epochs = max(1, round(steps / task.steps(rows, batch_size)))
    return trainer.session(task, model, rows, rows, Silent())


def measure(name: str, minutes: float, count: int) -> str:
    """One line of the table."""
    session = session_of(name, minutes)
    chosen = choose(session, lambda line: print(f"  {name}: {line}", file=sys.stderr))
    for line in session.watcher.warned:
        print(f"  {name}: {line}", file=sys.stderr)
    rounds = Rounds(session)
    plain, fast = rounds.of(PLAIN), rounds.of(chosen)
    fast()
    ratios, own = [], []
    for i in range(count):
        pair = (plain()[0], fast()[0]) if i % 2 else tuple(reversed((fast()[0], plain()[0])))
        ratios.append(pair[0] / pair[1])
        own.append(pair[1])
    low, middle, high = statistics.quantiles(ratios, n=4)
    milliseconds = 1000 * statistics.median(own) / len(rounds.batches)
    said = f"{middle:.2f} ({low:.2f} to {high:.2f})" if chosen != PLAIN else "1 (plain)"
    return f"| {name} | {chosen} | {milliseconds:.1f} | {said} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rows", nargs="*", metavar="MODEL", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long the training would take plainly")
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    unknown = set(asked.rows) - set(ROWS)
    if unknown:
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SAMOYED_CACHE"] = folder
        print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {asked.rounds} rounds", flush=True)
        print("| model | chosen | ms/step | plain's time over it |\n| --- | --- | --- | --- |", flush=True)
        for name in asked.rows or ROWS:
            print(measure(name, asked.minutes, asked.rounds), flush=True)


if __name__ == "__main__":
    main()
