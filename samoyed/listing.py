"""The runs below a folder, as a table: what was learned by what, how well, how long it took. No weights are loaded."""

import json
from pathlib import Path
from typing import Any

from samoyed.errors import DataError


def runs(folder: Path) -> list[dict[str, Any]]:
    """Facts of every run below `folder`, the newest first. Raises DataError where there is no such folder.

    A run that cannot be read is listed with what is wrong with it; one that has no results yet as unfinished.
    """
    if not folder.is_dir():
        raise DataError("there is no such folder", where=folder, remedy="name the folder that holds the runs")
    configs = [p for p in folder.glob("**/config.yaml") if len(p.relative_to(folder).parts) <= 4]
    return [_facts(path.parent) for path in sorted(configs, key=lambda p: -p.stat().st_mtime)]


def table(found: list[dict[str, Any]]) -> str:
    """One line per run."""
    names = ("run", "task", "model", "test", "parameters", "seconds", "ended")
    cells = [list(names), *([str(row.get(name, "")) for name in names] for row in found)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(names))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join(lines) if found else "no runs"


def _facts(path: Path) -> dict[str, Any]:
    import yaml

    made: dict[str, Any] = {"run": str(path)}
    try:
        config = yaml.safe_load((path / "config.yaml").read_text("utf-8"))
        made |= {"task": str(config["task"]), "model": str(config["model"])}
        if not (path / "results.json").is_file():
            return {**made, "ended": "unfinished"}
        results = json.loads((path / "results.json").read_text("utf-8"))
        name, first = next(iter(results["metrics"]["test"].items()))
        shown = f"{name} {first['value']:.4g} ({first['low']:.4g} to {first['high']:.4g}) {first['unit']}"
        return {
            **made,
            "test": shown,
            "parameters": f"{results['parameters']:,}",
            "seconds": f"{results['seconds']:.1f}",
            "ended": str(results["ended"]),
        }
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        StopIteration,
        RecursionError,
        yaml.YAMLError,
    ) as error:
        return {**made, "ended": f"damaged ({type(error).__name__})"}
