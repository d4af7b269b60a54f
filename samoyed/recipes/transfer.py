"""Transfer: a network that has learned to tell half of the classes apart needs fewer labels for the other half.

Up to 1,000 pictures of each class of the first half train one network. For the other half there are few labels a class, and
three ways: from the beginning, going on from that network with its head cut (`from=RUN depth_rate=0.8`), and with everything but
the new head held fixed (`from=RUN freeze=body`). All take the same number of steps with the same settings and are measured on
the same held-out pictures of the other half, at most 500 a class. Sources: Yosinski, Clune, Bengio & Lipson 2014; Howard & Ruder
2018 for rates that fall with depth.

Departures: small pictures; three drawings of the labelled pictures, each with its own weights at the start; 20 more labelled
pictures of each class choose the best epoch, alike for every way.
"""

import csv
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from PIL import Image as Pillow

from samoyed import batching
from samoyed.errors import DataError
from samoyed.examples import Image
from samoyed.plan import make
from samoyed.recipes import _runs
from samoyed.recipes.mnist import FILES
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import COLOURS, figure, style, to_png
from samoyed.reporting.progress import Reporter
from samoyed.samples.downloads import fetch
from samoyed.sources import open_splits
from samoyed.splitting import stratified
from samoyed.training.evaluation import evaluate
from samoyed.training.prepare import prepare
from samoyed.training.progress import Silent

expected = "at 10 labels a class, going on from a network that learned other classes errs less than beginning anew"
seconds = 120

LABELS, DRAWINGS, CHOOSING = (2, 5, 10, 25, 50), 3, 20
MOST = {"train": 1000, "valid": 100, "test": 500}  # pictures of each class
WAYS: dict[str, dict[str, Any]] = {
    "from the beginning": {},
    "fine-tuned": {"depth_rate": 0.8},
    "head alone": {"freeze": "body"},
}
_FEW: dict[str, Any] = {"epochs": 20, "batch_size": 16, "execution": "plain"}

Found = dict[str, dict[int, list[float]]]  # way -> labels for each class -> an error for each drawing, in percent
Files = dict[str, list[tuple[str, str]]]  # split -> path, or text, and label of each


def run(out: Path, echo: Callable[[str], None], data: Path | None) -> Outcome:
    """On `data`, pictures of at least four classes, or on MNIST, which is fetched. Raises DataError for fewer classes."""
    parts = _parts(data or fetch("mnist", FILES, echo))
    classes = {e.label for e in parts["train"]}
    if len(classes) < 4:
        raise DataError(f"holds {len(classes)} classes", where=data, remedy="give pictures of at least four")
    colour = any(e.pixels.shape[2] == 3 for e in parts["train"])
    model = {"model": "whitened_conv" if colour else "lenet"}
    rate = {"learning_rate": 0.05} if colour else {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = {name: _written(folder / name, examples) for name, examples in parts.items()}
        return halves("image-classification", files, LABELS, folder, out, echo, model, rate)


def halves(
    task: str, files: Files, labels: tuple[int, ...], folder: Path, out: Path, echo: Callable[[str], None],
    model: dict[str, Any], few: dict[str, Any], column: str = "path",
) -> Outcome:  # fmt: skip
    """The curve for one task: `files` of each split, `model` for the first half of the classes, and `few` besides for the other half,
    of which so many `labels` a class are known. Tables are written into `folder`; `column` is what their first one is called."""
    classes = sorted({label for _, label in files["train"]})
    first, other = classes[: len(classes) // 2], classes[len(classes) // 2 :]
    errors: Found = {way: {count: [] for count in labels} for way in WAYS}
    begun = _listed(folder / "first", {name: _of(some, first) for name, some in files.items()}, column)
    before = _runs.train(out, "first", task, begun, echo, **model)
    for count in labels:
        for seed in range(DRAWINGS):
            drawn = {
                "train": _drawn(_of(files["train"], other), count, seed) * (labels[-1] // count),
                "valid": _drawn(_of(files["valid"], other), CHOOSING, seed),
                "test": _of(files["test"], other),
            }
            where = _listed(folder / f"{count}-{seed}", drawn, column)
            for way, settings in WAYS.items():
                begins = {"from_run": str(before.path), **settings} if settings else model
                errors[way][count].append(_error(task, where, {**begins, "seed": seed, **_FEW, **few}))
        echo(f"{count:>3} labels a class: {', '.join(f'{way} {mean(errors[way][count]):.1f} %' for way in WAYS)}")
    return _outcome(errors, first, other, out)


def _outcome(errors: Found, first: list[str], other: list[str], out: Path) -> Outcome:
    said = "; ".join(f"{way} {', '.join(f'{mean(v):.1f}' for v in by.values())} %" for way, by in errors.items())
    ten = {way: mean(by[10]) for way, by in errors.items()}
    labels = next(iter(errors.values()))
    return Outcome(
        holds=ten["fine-tuned"] < ten["from the beginning"],
        measured={f"{way}, {n} labels": _runs.number(mean(v)) for way, by in errors.items() for n, v in by.items()},
        sentence=f"Mean test errors over {DRAWINGS} drawings at {', '.join(map(str, labels))} labels a class of "
        f"{', '.join(other)}, after learning {', '.join(first)}: {said}.",
        pictures=(_draw(errors, out / "transfer.png"),),
    )


def _error(task: str, data: Path, settings: dict[str, Any]) -> float:
    """One training without a report: its test error in percent."""
    job = prepare(make(task, data, None, None, settings), Reporter(quiet=True))
    trained = job.trainer.train(job.task, job.model, job.data["train"], job.data["valid"], Silent())
    job.model.load_state_dict(trained.best)
    return evaluate(job.task, job.model, job.data["test"], intervals=False)["error"].value


def _parts(data: Path) -> dict[str, list[Image]]:
    """Pictures by split, as the task divides them, at most `MOST` of each class."""
    read: dict[str, list[Any]] = {name: list(source.examples()) for name, source in open_splits("Image", data).items()}
    split = stratified(read, 0, label=lambda e: e.label or "", content=lambda e: e.pixels.tobytes())
    found: dict[str, list[Image]] = {}
    for name, most in MOST.items():
        seen: Counter[str | None] = Counter()
        some = found.setdefault(name, [])
        for example in getattr(split, name):
            seen[example.label] += 1
            if seen[example.label] <= most:
                some.append(example)
    return found


def _written(folder: Path, examples: list[Image]) -> list[tuple[str, str]]:
    """The pictures as files: (path, label) of each."""
    folder.mkdir()
    found = []
    for i, example in enumerate(examples):
        path = folder / f"{i}.png"
        pixels = np.squeeze(example.pixels, 2) if example.pixels.shape[2] == 1 else example.pixels
        Pillow.fromarray(pixels).save(path, compress_level=1)
        found.append((str(path), str(example.label)))
    return found


def _listed(folder: Path, splits: Files, column: str) -> Path:
    """A folder with a table of examples and labels for each split."""
    folder.mkdir()
    for name, rows in splits.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([(column, "label"), *rows])
    return folder


def _of(rows: list[tuple[str, str]], classes: list[str]) -> list[tuple[str, str]]:
    return [row for row in rows if row[1] in classes]


def _drawn(rows: list[tuple[str, str]], count: int, seed: int) -> list[tuple[str, str]]:
    """So many of each class."""
    taken: dict[str, list[tuple[str, str]]] = {}
    for i in batching.order(len(rows), seed, 1).tolist():
        some = taken.setdefault(rows[i][1], [])
        if len(some) < count:
            some.append(rows[i])
    return [row for some in taken.values() for row in some]


@style()
def _draw(errors: Found, path: Path) -> Path:
    """Error against the number of labels: each drawing a point, a line through the means."""
    drawn, axes = figure(6.4, 3.8)
    labels = list(next(iter(errors.values())))
    for colour, (way, by) in zip(COLOURS, errors.items(), strict=False):
        axes.plot(labels, [mean(values) for values in by.values()], color=colour, label=way)
        for count, values in by.items():
            axes.plot([count] * len(values), values, "o", color=colour, markersize=3.5, alpha=0.6)
    axes.set_xscale("log")
    axes.set_xticks(labels, [str(n) for n in labels])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("labels for each class")
    axes.set_ylabel("test error, %")
    axes.legend()
    return to_png(drawn, path)
