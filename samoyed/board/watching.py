"""What each run below a folder is and how far it has come. Files are read again only where they have changed."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import yaml

from samoyed import catalog, history, listing
from samoyed.errors import SamoyedError, printable

Stamp = tuple[tuple[int, int] | None, ...]


class Watching:
    """The runs below `root`. Raises DataError where there is no such folder."""

    def __init__(self, root: Path) -> None:
        listing.runs_folder(root)
        self.root = root
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Stamp, dict[str, Any]]] = {}

    def runs(self) -> list[dict[str, Any]]:
        """A line for each run, the newest first."""
        with self._lock:
            found = [self._seen(path) for path in listing.folders(self.root)]
            names = {one["run"] for one in found}
            self._known = {name: kept for name, kept in self._known.items() if name in names}
        return [_line(one) for one in found]

    def run(self, name: str, begin: int = 0) -> dict[str, Any] | None:
        """One run whole, with its epochs from `begin` on; None where there is none of that name."""
        path = self.folder(name)
        if path is None:
            return None
        with self._lock:
            one = self._seen(path)
        epochs = one["epochs"]
        return {**_line(one), **_settings(path), "count": len(epochs), "epochs": epochs[begin:], "units": _units(path)}

    def folder(self, name: str) -> Path | None:
        """The folder of a run, if it is one of those listed; a name is never used as a path."""
        return next((path for path in listing.folders(self.root) if self._name(path) == name), None)

    def report(self, name: str) -> Path | None:
        """The report of a run that has one, inside the folder of the runs."""
        path = self.folder(name)
        if path is None or not (path / "report.html").is_file():
            return None
        whole = (path / "report.html").resolve()
        return whole if whole.is_relative_to(self.root.resolve()) else None

    def _name(self, path: Path) -> str:
        return printable(path.relative_to(self.root).as_posix())

    def _seen(self, path: Path) -> dict[str, Any]:
        name, stamp = self._name(path), tuple(_stamp(path / file) for file in listing.FILES)
        known = self._known.get(name)
        if known is not None and known[0] == stamp:
            return known[1]
        found = listing.facts(path) | {"run": name, "epochs": history.epochs(path), "changed": listing.changed(path)}
        found["report"] = (path / "report.html").is_file()
        found["watch"] = _watched(found.get("task", ""))
        self._known[name] = (stamp, found)
        return found


def _line(found: dict[str, Any]) -> dict[str, Any]:
    """What a list needs of a run."""
    epochs, silent = found["epochs"], time.time() - found["changed"]
    state = found["ended"]
    if state == "unfinished":
        longest = max((float(e["seconds"]) for e in epochs), default=0.0)
        state = "in progress" if silent < max(listing.QUIET, 3 * longest) else "silent"
    last = epochs[-1] if epochs else None
    kept = ("run", "task", "model", "figure", "parameters", "seconds", "report", "watch")
    return {
        **{name: found.get(name) for name in kept},
        "state": state,
        "silent": round(silent),
        "done": len(epochs),
        "last": None if last is None else {"loss": last["loss"], "valid": last["valid"]},
    }


def _settings(path: Path) -> dict[str, Any]:
    """What the run was told: its command, and each setting in words; nothing where that cannot be read."""
    from samoyed.plan import as_text

    try:
        config = yaml.safe_load((path / "config.yaml").read_text("utf-8"))
        owned = {str(k): as_text(v) for values in config["settings"].values() for k, v in values.items()}
        return {"command": str(config["command"]), "settings": owned}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, yaml.YAMLError):
        return {"command": "", "settings": {}}


def _units(path: Path) -> dict[str, str]:
    """The unit of each metric, known once there are results."""
    try:
        test = json.loads((path / "results.json").read_text("utf-8"))["metrics"]["test"]
        return {str(name): str(one["unit"]) for name, one in test.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _watched(task: str) -> str:
    """The metric that a task chooses its weights by."""
    try:
        return str(catalog.task(task).attributes.get("watch", "loss"))
    except SamoyedError:
        return "loss"


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
        return found.st_mtime_ns, found.st_size
    except OSError:
        return None
