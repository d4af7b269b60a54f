"""What recipes that train whole runs share: training without noise, the table of several runs, their picture."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import samoyed
from samoyed.comparing.paired import Difference, difference
from samoyed.reporting.figures import COLOURS, figure, to_png
from samoyed.run import Run
from samoyed.tasks import to_device
from samoyed.training.evaluation import entries_of

Row = tuple[str, Run]


def train(folder: Path, name: str, task: str, data: Path | None, echo: Callable[[str], None], **settings: Any) -> Run:
    """One run in folder/name, beside earlier ones of the same name. Progress is shown for it."""
    out = free(folder, name)
    echo(f"-- {name} --")
    return samoyed.train(task, data, out=out, **settings)


def free(folder: Path, name: str) -> Path:
    """folder/name, or with a number where that is taken."""
    number, out = 1, folder / name
    while out.exists():
        number += 1
        out = folder / f"{name}-{number}"
    return out


def compared(first: Run, second: Run) -> Difference:
    """How the error of the second run differs from the first's, on the first's test split."""
    examples = first.held_out()
    entries = [
        entries_of(r.task, r.model, to_device(r.task.collate(examples), r.task.device))["error"]
        for r in (first, second)
    ]
    return difference(entries[0], entries[1], first.task.reported["error"])


def table(rows: list[Row], metric: str) -> str:
    """Model, held-out figure with its interval, parameters, seconds, one line each."""
    unit = rows[0][1].metrics["test"][metric]["unit"]
    lines = [f"{'model':<38} {'held-out ' + metric:<26} {'parameters':>10} {'seconds':>8}"]
    for name, run in rows:
        found = run.metrics["test"][metric]
        figure_ = f"{found['value']:.2f} {unit} ({found['low']:.2f} to {found['high']:.2f})"
        lines.append(f"{name:<38} {figure_:<26} {run.parameters:>10,} {run.seconds:>8.1f}")
    return "\n".join(lines)


def bars(rows: list[Row], metric: str, path: Path) -> Path:
    """The held-out figure of each run with its 95 % interval, drawn."""
    drawn, axes = figure(6.4, 0.55 * len(rows) + 1.0)
    unit = rows[0][1].metrics["test"][metric]["unit"]
    for y, (_, run) in enumerate(reversed(rows)):
        found = run.metrics["test"][metric]
        low, high = found["value"] - found["low"], found["high"] - found["value"]
        axes.errorbar(found["value"], y, xerr=[[max(0, low)], [max(0, high)]], fmt="o", color=COLOURS[0], capsize=3)
        axes.annotate(
            f"{found['value']:.2f}", (found["value"], y), (0, 7), textcoords="offset points", ha="center", fontsize=8.5
        )
    axes.set_yticks(range(len(rows)), [name for name, _ in reversed(rows)])
    axes.set_ylim(-0.6, len(rows) - 0.3)
    axes.set_xlim(left=0, right=1.1 * max(r.metrics["test"][metric]["high"] for _, r in rows))
    axes.set_xlabel(f"held-out {metric}, {unit}, with 95 % interval")
    axes.grid(axis="y", visible=False)
    return to_png(drawn, path)


def number(value: float) -> float:
    """A figure as JSON can hold it."""
    return round(value, 6) if math.isfinite(value) else 0.0
