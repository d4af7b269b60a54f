"""Splice sites in DNA: a 1-D ConvNet over the letters tells exon-intron borders, intron-exon borders and neither apart.

3,190 stretches of 60 bases around a point, half of them with a border there (Noordewier, Towell & Shavlik 1991, whose knowledge-based network
erred on 4 to 8 % in ten folds). Tested on each tenth in turn by a network that was trained on the other nine, of which a
tenth chooses the epoch. Data: a CSV with the columns label and sequence; stretches that are equal stay in one fold.
"""

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path

import samoyed
from samoyed.errors import UsageError
from samoyed.examples import LabelledText
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import COLOURS, figure, to_png
from samoyed.sources import open_splits
from samoyed.training.evaluation import wilson

expected = "error under 5 % over ten folds"
seconds = 240
FOLDS = 10


def run(out: Path, echo: Callable[[str], None], data: Path | None) -> Outcome:
    """Ten trainings on `data`, the table of stretches."""
    if data is None:
        raise UsageError("the stretches of DNA are not fetched", remedy="samoyed reproduce dna-splice splice.csv")
    (source,) = open_splits("LabelledText", data, {"text": None, "label": None}).values()
    examples = [e for e in source.examples() if isinstance(e, LabelledText)]
    folds = [fold_of(e.text.strip()) for e in examples]
    wrong, count, errors = 0.0, 0, []
    for number in range(FOLDS):
        folder = out / f"fold-{number + 1}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, held in (("train", False), ("test", True)):
            kept = [e for e, fold in zip(examples, folds, strict=True) if (fold == number) is held]
            _write(folder / f"{name}.csv", kept)
        trained = samoyed.train(
            "text-classification", folder, out=_free(out / f"run-{number + 1}"), quiet=True, model="char_cnn", tokens="characters",
            parts=60, num_filters=64, dropout=0.5, epochs=10, batch_size=64,
        )  # fmt: skip
        found = trained.metrics["test"]["error"]
        errors.append(found["value"])
        wrong, count = wrong + found["value"] / 100 * found["count"], count + found["count"]
        echo(f"fold {number + 1:>2}: {found['value']:.2f} % of {found['count']}")
    low, high = (100 * bound for bound in wilson(wrong, count))
    error = 100 * wrong / count
    drawn, axes = figure(6.0, 3.0)
    axes.bar(range(1, FOLDS + 1), errors, color=COLOURS[5])
    axes.axhline(error, color=COLOURS[0], label=f"all: {error:.2f} %")
    axes.set_xticks(range(1, FOLDS + 1))
    axes.set_xlabel("fold")
    axes.set_ylabel("test error, %")
    axes.legend()
    return Outcome(
        holds=error < 5,
        measured={"error": error, "low": low, "high": high, "count": float(count)},
        sentence=f"{error:.2f} % of {count:,} ({low:.2f} to {high:.2f}); folds {min(errors):.2f} to {max(errors):.2f} %",
        pictures=(to_png(drawn, out / "dna_splice.png"),),
    )


def fold_of(text: str) -> int:
    """The fold of a stretch, by its letters alone."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % FOLDS


def _free(path: Path) -> Path:
    """`path`, or one beside it that is not there yet."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free


def _write(path: Path, examples: list[LabelledText]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("text", "label"))
        rows.writerows((e.text.strip(), e.label) for e in examples)
