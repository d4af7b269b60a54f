"""A comparison as a page: comparison.html, which needs nothing beside it, and its pictures as PNG."""

import shlex
from pathlib import Path

from samoyed.comparing import table
from samoyed.comparing.sides import Comparison
from samoyed.reporting.comparison import Interval, intervals, learned
from samoyed.reporting.figures import style
from samoyed.reporting.page import write_comparison
from samoyed.tasks import Picture


def write(found: Comparison, folder: Path) -> Path:
    """Writes comparison.html and plots/*.png into `folder`, and returns the page's path. Raises RunError."""
    words = ["samoyed", "compare", *(str(side.run.path) for side in found.sides)]
    words += ["--data", found.data] if found.data else []
    where = f"of {found.data}" if found.data else "of the test split"
    facts = {
        "title": f"{len(found.sides)} runs of {found.task.replace('-', ' ')}",
        "about": f"The same {found.examples:,} examples {where}, on {found.machine}. In brackets, 95 % intervals.",
        "runs": [(side.name, side.run.config["model"]) for side in found.sides],
        "tables": [
            (heading, rows)
            for heading, rows in (
                ("How well each does", table.figures(found)),
                ("Size and speed", table.costs(found)),
                ("Settings in which they differ", table.settings(found)),
            )
            if rows
        ],
        "legend": table.legend(found),
        "notes": found.notes,
        "alone": [(one["run"], f"{one['count']:,}", one["examples"]) for one in found.unlike if one["count"]],
        "command": shlex.join(words),
    }
    return write_comparison(folder, facts, pictures(found))


def pictures(found: Comparison) -> list[Picture]:
    """The figures with their intervals, and the curves."""
    names = [f"{i}  {side.run.config['model']}" for i, side in enumerate(found.sides, 1)]
    shown = [
        (
            name,
            metric.unit,
            [
                Interval(side.metrics[name].value, side.metrics[name].low, side.metrics[name].high)
                if name in side.metrics
                else None
                for side in found.sides
            ],
        )
        for name, metric in found.metrics.items()
    ]
    with style():
        drawn = [intervals(names, shown)]
        histories = [side.epochs for side in found.sides]
        curves = learned(names, histories, found.watch, found.metrics[found.watch].unit)
    return drawn + ([curves] if curves is not None else [])
