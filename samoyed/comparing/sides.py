"""Several runs of one task, side by side: figures with intervals, tests on the same examples, settings, size and speed."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from samoyed import history
from samoyed.comparing.alike import refuse_other_examples, refuse_unlike
from samoyed.comparing.paired import Difference, Floats, difference, holm
from samoyed.comparing.speed import Speed, speeds
from samoyed.errors import printable
from samoyed.run import Run, as_json
from samoyed.tasks import Metric, to_device
from samoyed.training.evaluation import Result, entries_of, pool
from samoyed.training.machine import name_of

_LISTED = 10  # examples that only one of two runs gets right


@dataclass(frozen=True)
class Side:
    """One run: what it is, what was measured of it now, and how its training went.

    `differs` are, by metric, the differences from the first run, `p` adjusted for the number of runs; none in the first itself.
    """

    run: Run
    metrics: dict[str, Result]
    differs: dict[str, Difference]
    speed: Speed
    epochs: list[dict[str, Any]]

    @property
    def size(self) -> int:
        """Bytes of the weights on disk."""
        return self.run.weights.stat().st_size

    @property
    def name(self) -> str:
        """How the run is called on a page."""
        return printable(str(self.run.path))


@dataclass(frozen=True)
class Comparison:
    """Runs held against the first of them. `settings` are those in which they differ, `unlike` the examples that one run alone
    gets right, `notes` what a reader should know."""

    task: str
    examples: int
    data: str | None
    metrics: dict[str, Metric]
    watch: str
    sides: list[Side]
    settings: dict[str, list[str]]
    unlike: list[dict[str, Any]]
    notes: list[str]
    machine: str

    def facts(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "task": self.task,
            "examples": self.examples,
            "data": self.data,
            "machine": self.machine,
            "runs": [
                {
                    "run": str(side.run.path),
                    "model": side.run.config["model"],
                    "metrics": as_json(side.metrics),
                    "against_first": {name: found._asdict() for name, found in side.differs.items()},
                    "parameters": side.run.parameters,
                    "bytes": side.size,
                    "seconds": side.run.seconds,
                    "epochs": len(side.epochs),
                    "seconds_for_one": side.speed.alone,
                    "per_second": side.speed.together,
                }
                for side in self.sides
            ],
            "settings": self.settings,
            "right_alone": self.unlike,
            "notes": self.notes,
        }


def compare(paths: Sequence[str | PathLike[str]], data: str | PathLike[str] | None = None) -> Comparison:
    """Measures runs on the same examples, their own test split or those at `data`, and holds each against the first.

    Raises RunError, DataError, and UsageError for runs that cannot be compared.
    """
    runs = [Run.load(Path(path)) for path in paths]
    refuse_unlike(runs)
    examples = _examples(runs, data)
    rows = [to_device(run.task.collate(own), run.task.device) for run, own in zip(runs, examples, strict=True)]
    entries = [entries_of(run.task, run.model, part) for run, part in zip(runs, rows, strict=True)]
    measured = [
        {name: pool(found[name], metric) for name, metric in run.task.reported.items()}
        for run, found in zip(runs, entries, strict=True)
    ]
    differs, notes = _differences(runs, entries)
    notes = [*_changed(runs, measured, data), *notes]
    with torch.inference_mode():
        taken = speeds(runs, rows)
    sides = [Side(*parts, history.epochs(parts[0].path)) for parts in zip(runs, measured, differs, taken, strict=True)]
    metrics = {name: metric for run in runs for name, metric in run.task.reported.items()}
    return Comparison(
        task=runs[0].config["task"],
        examples=len(examples[0]),
        data=None if data is None else str(data),
        metrics=metrics,
        watch=runs[0].task.watch,
        sides=sides,
        settings=_settings(runs),
        unlike=_right_alone(runs, entries, examples[0]),
        notes=notes,
        machine=name_of(runs[0].task.device),
    )


def _examples(runs: Sequence[Run], data: str | PathLike[str] | None) -> list[list[Any]]:
    """The examples of each run; those of runs that read and divide alike are read once. Raises RunError where they differ."""
    read: dict[str, list[Any]] = {}
    found = []
    for run in runs:
        settings = run.config["settings"]
        key = repr((run.config["data"], settings["task"], settings["training"]["seed"], run.task.source_options()))
        if key not in read:
            read[key] = run.held_out(data)
        found.append(read[key])
        if found[0] is not read[key]:
            refuse_other_examples(runs[0], found[0], run, read[key])
    return found


def _differences(
    runs: Sequence[Run], entries: Sequence[dict[str, Floats]]
) -> tuple[list[dict[str, Difference]], list[str]]:
    """For each run, by metric, its difference from the first; and why some have none."""
    found: list[dict[str, Difference]] = [{} for _ in runs]
    notes = []
    first = runs[0].task.reported
    for place, run in enumerate(runs[1:], 1):
        for name, metric in run.task.reported.items():
            if name not in first or first[name].unit != metric.unit:
                notes.append(f"{run.path}: {name} has another unit than that of {runs[0].path}, and is not compared")
            elif entries[0][name].shape != entries[place][name].shape:
                sizes = f"{entries[place][name].shape[1]:,} and {entries[0][name].shape[1]:,}"
                notes.append(f"{run.path}: {name} is not paired with that of {runs[0].path}: {sizes} rows")
            else:
                found[place][name] = difference(entries[0][name], entries[place][name], metric)
    for name in first:
        having = [part for part in found if name in part]
        for part, p in zip(having, holm([part[name].p for part in having]), strict=True):
            part[name] = part[name]._replace(p=p)
    return found, notes


def _changed(runs: Sequence[Run], measured: Sequence[dict[str, Result]], data: str | PathLike[str] | None) -> list[str]:
    """What no longer measures as when it was trained."""
    notes = []
    for run, found in zip(runs, measured, strict=True):
        for name, before in run.metrics.get("test", {}).items():
            now = found[name].value if name in found else before["value"]
            if data is None and abs(now - before["value"]) > 1e-4 * max(abs(now), abs(before["value"])):
                notes.append(f"{run.path}: {name} was {before['value']:.4g} when it was trained: its data have changed")
    return notes


def _settings(runs: Sequence[Run]) -> dict[str, list[str]]:
    """The settings in which the runs are not alike, one value for each run."""
    flat: list[dict[str, str]] = []
    for run in runs:
        owned = {"model": run.config["model"], "data": run.config["data"] or f"the sample {run.task.sample}"}
        for values in run.config["settings"].values():
            owned |= values
        flat.append({name: _text(value) for name, value in owned.items()})
    names = dict.fromkeys(name for part in flat for name in part)
    found = {name: [part.get(name, "") for part in flat] for name in names}
    return {name: values for name, values in found.items() if len(set(values)) > 1}


def _text(value: Any) -> str:
    from samoyed.plan import as_text

    return printable(as_text(value))


def _right_alone(
    runs: Sequence[Run], entries: Sequence[dict[str, Floats]], examples: Sequence[Any]
) -> list[dict[str, Any]]:
    """Examples that exactly one of the runs gets right, the first few of each run; where right and wrong are measured."""
    name, metric = next(iter(runs[0].task.reported.items()))
    parts = [found.get(name) for found in entries]
    if not metric.percent or any(p is None or p.ndim != 2 or p.shape[1] != len(examples) for p in parts):
        return []
    right = [(p[0] == (0 if metric.better == "lower" else 1)) for p in parts if p is not None]
    if not all(((p[0] == 0) | (p[0] == 1)).all() and (p[1] == 1).all() for p in parts if p is not None):
        return []
    found = []
    for run, own in zip(runs, right, strict=True):
        alone = [i for i in range(len(examples)) if own[i] and sum(bool(other[i]) for other in right) == 1]
        shown = [printable(str(examples[i].origin)) for i in alone[:_LISTED]]
        found.append({"run": str(run.path), "count": len(alone), "examples": shown})
    return found
