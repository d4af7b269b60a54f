"""What the verbs say: one JSON object, or texts and small tables for people."""

import json
import sys
from collections.abc import Callable
from typing import Any

from samoyed import launch
from samoyed.errors import printable


def give(found: dict[str, Any], as_json: bool, text: Callable[[], str]) -> None:
    """Prints the one JSON object, or the text made for people; of several processes, the first does."""
    if not launch.first():
        return
    print(json.dumps(found, ensure_ascii="utf" not in (sys.stdout.encoding or "").lower()) if as_json else text())


def give_run(run: Any, as_json: bool) -> None:
    """Says of a run that has ended what was measured, and where it lies."""
    result = {
        "run": str(run.path),
        "task": run.config["task"],
        "model": run.config["model"],
        "metrics": run.metrics,
        "parameters": run.parameters,
        "seconds": run.seconds,
        "report": str(run.report),
    }
    give(result, as_json, lambda: table_of_splits(run.metrics) + f"\n\nreport  {run.report}")


def to_stderr(line: str) -> None:
    """Says how far the work is, away from its result."""
    print(line, file=sys.stderr)


def columns(found: dict[str, str]) -> str:
    """Names and what they are, one per line."""
    width = max(map(len, found), default=0)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in found.items())


def table_of_splits(splits: dict[str, Any]) -> str:
    """One row per metric, one column per split, each with its 95 % interval."""
    from samoyed.training.evaluation import Result

    first = next(iter(splits.values()))
    names = list(first)
    cells = [["", *splits]]
    cells += [
        [printable(f"{n} {first[n]['unit']}"), *(Result(**found[n]).bare() for found in splits.values())] for n in names
    ]
    return grid(cells)


def table_of_stages(found: dict[str, Any]) -> str:
    """What compression.json holds: one row per stage, with its bytes, its first metric on the test split and its times."""
    from samoyed.compressing.stages import said
    from samoyed.training.evaluation import Result

    stages = found["stages"]
    name, first = next(iter(stages[0]["test"].items()))
    cells = [
        [
            "",
            "bytes of weights",
            "smaller",
            f"test {name} {first['unit']}",
            "ms for one example",
            f"for {found['together']}",
        ]
    ]
    for stage in stages:
        times = ["" if t is None else f"{t:.3g}" for t in (stage["milliseconds"], stage["milliseconds_together"])]
        smaller = f"{stages[0]['bytes'] / stage['bytes']:.1f} x"
        cells.append([stage["stage"], f"{stage['bytes']:,}", smaller, Result(**stage["test"][name]).bare(), *times])
    return f"{grid(cells)}\n{said(found['differs'])}" if found.get("differs") else grid(cells)


def grid(cells: list[list[str]]) -> str:
    """Rows of cells, each column as wide as it must be."""
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )
