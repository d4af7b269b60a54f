"""Distillation: what a small network gains from a large one's answers, beside the same network taught by labels alone.

Source: Hinton, Vinyals & Dean 2015, section 3: on MNIST 67 errors of a large net and 146 of a small one become 74 with a
temperature of 20. Here the teacher is a LeNet that learned from all of MNIST, the student a net of 300 hidden units, which sees
either all training pictures or 1,000 of them; alone it learns from their labels, taught also from the teacher's answers to the very same
pictures at a temperature of 20. Both students of a seed begin with the same weights, see the same pictures in the same order, and are
tested on the same 10,000, by McNemar's test.

Departures: a smaller student and a ConvNet for a teacher; the teacher of the 1,000 pictures knew the labels of the others; there, 500
more pictures choose the epoch, alike for both students.
"""

import statistics
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import samoyed
from samoyed import batching
from samoyed.comparing.paired import Difference, holm
from samoyed.recipes import _runs
from samoyed.recipes.mnist import FILES
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import COLOURS, figure, style, to_png
from samoyed.run import Run
from samoyed.samples.downloads import fetch
from samoyed.sources.idx import Idx

expected = "with 1,000 pictures the taught student errs less than the same student alone, in each of 3 seeds (McNemar, p < 0.05)"
seconds = 300

_SEEDS = (0, 1, 2)
_FEW, _ALL = 1000, 0
_CHOOSING = 500
_TEMPERATURE = 20.0
_TEACHER: dict[str, Any] = {"model": "lenet", "epochs": 10, "batch_size": 128}
_STUDENT: dict[str, Any] = {"model": "mlp", "hidden_sizes": (300,), "dropout": 0.0}
_BUDGETS: dict[int, dict[str, Any]] = {
    _FEW: {"epochs": 40, "batch_size": 32, "execution": "plain"},
    _ALL: {"epochs": 10, "batch_size": 128},
}


class Seen(NamedTuple):
    """One seed: test errors in per cent, and how the taught student differs from the one alone."""

    teacher: float
    alone: float
    taught: float
    differs: Difference


def said(p: float) -> str:
    """A probability as a sentence has it; sums in float64 end at 1e-15."""
    return f"p {p:.2g}" if p >= 1e-15 else "p < 1e-15"


def run(out: Path, echo: Callable[[str], None], data: Path | None) -> Outcome:
    """Trains a teacher and four students with each seed on `data`, a folder with MNIST's four files, or on what is fetched."""
    where = data or fetch("mnist", FILES, echo)
    found: dict[int, list[Seen]] = {count: [] for count in _BUDGETS}
    for seed in _SEEDS:
        teacher = _runs.train(out, f"teacher-{seed}", "image-classification", where, echo, seed=seed, **_TEACHER)
        for count in _BUDGETS:
            part = _drawn_from(where, count, seed, out / f"pictures-{count}-{seed}") if count else where
            found[count].append(_taught(out, echo, teacher, part, seed, count))
    return _outcome(found, out)


def _taught(out: Path, echo: Callable[[str], None], teacher: Run, data: Path, seed: int, count: int) -> Seen:
    """Both students of a seed."""
    settings = {**_STUDENT, **_BUDGETS[count]}
    name = f"{count or 'all'}-{seed}"
    alone = _runs.train(out, f"alone-{name}", "image-classification", data, echo, seed=seed, **settings)
    echo(f"-- taught-{name} --")
    where = _runs.free(out, f"taught-{name}")
    taught = samoyed.distil(teacher.path, data, out=where, temperature=_TEMPERATURE, **settings)
    errors = [float(r.metrics["test"]["error"]["value"]) for r in (teacher, alone, taught)]
    return Seen(errors[0], errors[1], errors[2], _runs.compared(alone, taught))


def _outcome(found: dict[int, list[Seen]], out: Path) -> Outcome:
    measured, lines = {}, []
    few = holm([seen.differs.p for seen in found[_FEW]])
    for count, seeds in found.items():
        name, ps = f"{count:,} pictures" if count else "all pictures", holm([seen.differs.p for seen in seeds])
        for part in ("teacher", "alone", "taught"):
            measured[f"{part}, {name}"] = round(statistics.mean(float(getattr(seen, part)) for seen in seeds), 3)
        listed = ", ".join(f"{s.alone:.2f} to {s.taught:.2f} ({said(p)})" for s, p in zip(seeds, ps, strict=True))
        gain = statistics.mean(s.alone - s.taught for s in seeds)
        lines.append(f"{name}: alone to taught, % wrong, by seed: {listed}; mean gain {gain:+.2f} percentage points")
    teachers = ", ".join(f"{s.teacher:.2f}" for s in found[_FEW])
    return Outcome(
        holds=all(s.differs.value < 0 and p < 0.05 for s, p in zip(found[_FEW], few, strict=True)),
        measured=measured,
        sentence="\n".join([*lines, f"the teachers err on {teachers} %; p adjusted by Holm over the seeds"]),
        pictures=(_drawn(found, out / "distillation.png"),),
    )


def _drawn_from(where: Path, count: int, seed: int, folder: Path) -> Path:
    """A folder of idx files with so many of the training pictures, `_CHOOSING` others for validation, and all of the test's."""
    folder.mkdir(parents=True, exist_ok=True)
    splits = Idx.splits(where)
    train = Idx(splits["train"])
    order = batching.order(len(train), seed, 1).numpy()
    parts = {"train": (train, order[:count]), "valid": (train, order[count : count + _CHOOSING])}
    test = Idx(splits["test"])
    for split, (source, chosen) in {**parts, "t10k": (test, np.arange(len(test)))}.items():
        rows = np.sort(chosen)
        for kind, array in (("images-idx3", source.images[rows]), ("labels-idx1", source.labels[rows])):
            head = struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape)
            (folder / f"{split}-{kind}-ubyte").write_bytes(head + array.tobytes())
    return folder


@style()
def _drawn(found: dict[int, list[Seen]], path: Path) -> Path:
    """The students' errors of each seed, joined; the teachers' mean as a line."""
    drawn, panels = figure(7.6, 3.4, 1, len(found))
    for axes, (count, seeds) in zip(panels, found.items(), strict=True):
        for seen in seeds:
            axes.plot(
                (0, 1), (seen.alone, seen.taught), color=COLOURS[6], marker="o", markersize=4, linewidth=1, alpha=0.7
            )
        means = [statistics.mean(parts) for parts in ([s.alone for s in seeds], [s.taught for s in seeds])]
        axes.plot((0, 1), means, color=COLOURS[1], marker="o", linewidth=2.4, label="mean of students")
        teacher = statistics.mean(seen.teacher for seen in seeds)
        axes.axhline(teacher, color=COLOURS[0], linestyle="--", label="teachers")
        axes.set_xticks((0, 1), ("alone", "taught"))
        axes.set_xlim(-0.3, 1.3)
        axes.set_ylim(bottom=0)
        axes.set_title(f"{count:,} pictures" if count else "all 55,000 pictures")
    panels[0].set_ylabel("test error, %")
    panels[0].legend(fontsize=8)
    return to_png(drawn, path)
