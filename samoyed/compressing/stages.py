"""The steps of a compression beside each other: bytes, figures on the test split, times."""

import math
from dataclasses import dataclass
from typing import Any

from torch import nn

from samoyed.comparing.beside import Table
from samoyed.comparing.paired import difference, shown
from samoyed.tasks import Task
from samoyed.training.evaluation import Result, entries_of
from samoyed.training.machine import environment

TOGETHER = 64  # examples of a batch whose time is taken


@dataclass
class Stage:
    """What the network was after one step: in words, its bytes, its figures on the test split, its times for one example and for
    `TOGETHER`, or as many as there are."""

    name: str
    size: int
    results: dict[str, Result]
    milliseconds: float | None = None
    milliseconds_together: float | None = None


def paired(task: Task[Any, Any], original: nn.Module, model: nn.Module, data: Any) -> dict[str, Any] | None:
    """How far the first metric of the model lies above the original's on the same examples, as JSON; None where that is no number."""
    name, metric = next(iter(task.reported.items()))
    one, other = (entries_of(task, network, data)[name] for network in (original, model))
    found = difference(one, other, metric)
    return {"metric": name, "unit": metric.unit, **found._asdict()} if math.isfinite(found.value) else None


def said(differs: dict[str, Any]) -> str:
    """The difference in a sentence.

    >>> said({"metric": "error", "unit": "%", "value": 0.1, "low": -0.05, "high": 0.25, "p": 0.2, "test": "McNemar's exact test"})
    "On the same examples the error differs by +0.1 percentage points (-0.05 to 0.25; McNemar's exact test, p 0.2)."
    """
    interval = f"{differs['low']:.3g} to {differs['high']:.3g}"
    unit = "percentage points" if differs["unit"].startswith("%") else differs["unit"]
    value = f"{differs['value']:+.3g} {unit}".rstrip()
    return f"On the same examples the {differs['metric']} differs by {value} ({interval}; {differs['test']}, p {shown(differs['p'])})."


def table_of(
    stages: list[Stage], differs: dict[str, Any] | None, whole: list[str] | None, together: int, device: Any
) -> Table:
    """Each stage in a row: bytes, how many times smaller, the first metric with its interval, the times for one example and for
    so many `together`. `differs` is what `paired` gives; `whole` are the layers that are computed in int8, None where that was not wanted."""
    name, first = next(iter(stages[0].results.items()))
    columns = ["", "bytes of weights", "smaller", f"{name}, {first.unit}", "ms for one example", f"for {together}"]
    rows = []
    for stage in stages:
        times = ["" if t is None else f"{t:.3g}" for t in (stage.milliseconds, stage.milliseconds_together)]
        smaller = f"{stages[0].size / stage.size:.1f} x"
        rows.append([stage.name, f"{stage.size:,}", smaller, stage.results[name].bare(), *times])
    caption = (
        f"On the test split, with 95 % intervals. {f'{said(differs)} ' if differs else ''}Pruned and shared weights are computed as before, so that they take as long. "
        f"{_arithmetic(whole)}Milliseconds on {environment(device)['device']}, lower quartiles of the two networks in turns."
    )
    return Table("Before and after", columns, rows, caption)


def _arithmetic(whole: list[str] | None) -> str:
    """Which layers multiply in int8, in a sentence, if that was wanted."""
    if whole is None:
        return ""
    if not whole:
        return "No layer is of a kind and size that int8 makes faster, so that all are computed in float32. "
    return f"Computed in int8: {', '.join(whole)}; the rest in float32. "


def facts_of(stage: Stage) -> dict[str, Any]:
    """The stage as JSON."""
    return {
        "stage": stage.name,
        "bytes": stage.size,
        "milliseconds": stage.milliseconds,
        "milliseconds_together": stage.milliseconds_together,
        "test": {name: result._asdict() for name, result in stage.results.items()},
    }


def stage_of(facts: dict[str, Any]) -> Stage:
    """The inverse of `facts_of`."""
    return Stage(facts["stage"], facts["bytes"], {name: Result(**found) for name, found in facts["test"].items()})
