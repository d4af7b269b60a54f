"""The runs below a folder, as a table: what was learned by what, how well, how long it took. No weights are loaded."""

import json
import time
from pathlib import Path
from typing import Any

from samoyed import history
from samoyed.errors import DataError
from samoyed.files import MANIFEST, age

FILES = ("config.yaml", "results.json", "metrics.jsonl", MANIFEST)  # those that tell how far a run has come
QUIET = 120.0  # seconds without a sign after which a run is no longer taken to be in progress, or three epochs if they are longer


def runs(folder: Path) -> list[dict[str, Any]]:
    """Facts of every run below `folder`, the newest first. Raises DataError where there is no such folder.

    A run that cannot be read, or one of whose files has another size than it was sealed with, is listed with the file that is wrong;
    one that has not ended as in progress, or as unfinished where nothing was written to it for long.
    """
    rows = []
    for path in folders(runs_folder(folder)):
        row = _row(facts(path))
        rows.append(row | {"ended": standing(path)} if row["ended"] == "unfinished" else row)
    return rows


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
    reading = "config.yaml"
    try:
        config = yaml.safe_load((path / reading).read_text("utf-8"))
        made |= {"task": str(config["task"]), "model": str(config["model"])}
        if not (path / "results.json").is_file():
            return {**made, "ended": "unfinished"}
        reading = "results.json"
        results = json.loads((path / reading).read_text("utf-8"))
        name, first = next(iter(results["metrics"]["test"].items()))
        figure = {key: float(first[key]) for key in ("value", "low", "high")} | {"unit": str(first["unit"])}
        return {
            **made,
            "figure": {"name": str(name), **figure},
            "parameters": int(results["parameters"]),
            "seconds": float(results["seconds"]),
            "ended": _whole(path) or str(results["ended"]),
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
    ):
        return {**made, "ended": f"damaged ({reading})"}


def _whole(path: Path) -> str | None:
    """What is wrong with a run that has results, as far as the sizes of its files tell; None where nothing is."""
    try:
        listed = json.loads((path / MANIFEST).read_text("utf-8"))["files"].items()
    except FileNotFoundError:
        return "unfinished"  # the manifest is written last
    for name, one in listed:
        try:
            whole = (path / name).stat().st_size == one["bytes"]
        except OSError:
            whole = False
        if not whole:
            return f"damaged ({name})"
    return None


def changed(path: Path) -> float:
    """When a file of the run last changed, its checkpoints among them."""
    times = [0.0]
    for file in (*(path / name for name in FILES), path / "checkpoint"):
        try:
            times.append(file.stat().st_mtime)
        except OSError:
            continue
    return max(times)


def standing(path: Path) -> str:
    """Of a run that has not ended: whether it is in progress, as far as its files tell."""
    longest = max((float(e["seconds"]) for e in history.epochs(path)), default=0.0)
    return "in progress" if time.time() - changed(path) < max(QUIET, 3 * longest) else "unfinished"


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
