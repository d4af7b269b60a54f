"""The runs below a folder, as a table: what was learned by what, how well, how long it took. No weights are loaded."""

import json
from pathlib import Path
from typing import Any

from samoyed.errors import DataError
from samoyed.files import age


def runs(folder: Path) -> list[dict[str, Any]]:
    """Facts of every run below `folder`, the newest first. Raises DataError where there is no such folder.

    A run that cannot be read is listed with what is wrong with it; one that has no results yet as unfinished.
    """
    return [_row(facts(path)) for path in folders(runs_folder(folder))]


def runs_folder(folder: Path) -> Path:
    """The folder itself. Raises DataError where there is none."""
    if not folder.is_dir():
        raise DataError("there is no such folder", where=folder, remedy="name the folder that holds the runs")
    return folder


def folders(folder: Path) -> list[Path]:
    """The folders of the runs below `folder`, the newest first."""
    configs = [p for p in folder.glob("**/config.yaml") if len(p.relative_to(folder).parts) <= 4]
    configs = [p for p in configs if not (p.parents[1] / p.name).is_file()]  # a run within a run is a part of it
    return [path.parent for path in sorted(configs, key=age)]


def table(found: list[dict[str, Any]]) -> str:
    """One line per run."""
    names = ("run", "task", "model", "test", "parameters", "seconds", "ended")
    cells = [list(names), *([str(row.get(name, "")) for name in names] for row in found)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(names))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join(lines) if found else "no runs"


def facts(path: Path) -> dict[str, Any]:
    """What a run is and did: run, task, model, ended; once it has results, its first test figure, parameters and seconds."""
    import yaml

    made: dict[str, Any] = {"run": str(path)}
    try:
        config = yaml.safe_load((path / "config.yaml").read_text("utf-8"))
        made |= {"task": str(config["task"]), "model": str(config["model"])}
        if not (path / "results.json").is_file():
            return {**made, "ended": "unfinished"}
        results = json.loads((path / "results.json").read_text("utf-8"))
        name, first = next(iter(results["metrics"]["test"].items()))
        figure = {key: float(first[key]) for key in ("value", "low", "high")} | {"unit": str(first["unit"])}
        return {
            **made,
            "figure": {"name": str(name), **figure},
            "parameters": int(results["parameters"]),
            "seconds": float(results["seconds"]),
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
        OverflowError,
        yaml.YAMLError,
    ) as error:
        return {**made, "ended": f"damaged ({type(error).__name__})"}


def _row(found: dict[str, Any]) -> dict[str, Any]:
    """Facts as the cells of a table."""
    if "figure" not in found:
        return found
    one = found["figure"]
    shown = f"{one['name']} {one['value']:.4g} ({one['low']:.4g} to {one['high']:.4g}) {one['unit']}"
    return {
        **{name: found[name] for name in ("run", "task", "model")},
        "test": shown,
        "parameters": f"{found['parameters']:,}",
        "seconds": f"{found['seconds']:.1f}",
        "ended": found["ended"],
    }
