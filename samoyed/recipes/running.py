"""Finds a recipe, runs it, and reports what was expected beside what was found."""

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from samoyed import catalog
from samoyed.errors import UsageError, nearest, shown
from samoyed.files import write_json
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import style


def run(name: str, data: Path | None, out: Path | None, echo: Callable[[str], None]) -> dict[str, Any]:
    """Runs the recipe and writes outcome.json beside its pictures. Raises UsageError for an unknown name, or for data given
    to a recipe that makes its own."""
    known = catalog.recipes()
    key = name.lower().replace("_", "-")
    if key not in known:
        raise UsageError(f"there is no recipe called {shown(name)!r}", remedy=nearest(name, known))
    entry = known[key]
    function = importlib.import_module(entry.module).run
    wants_data = "data" in inspect.signature(function).parameters
    if data is not None and not wants_data:
        raise UsageError(f"the recipe {key} makes its own data", remedy=f"samoyed reproduce {key}")
    folder = out or Path("runs") / "reproduce" / key
    _make(folder)
    echo(f"{key}: {entry.summary}")
    with style():
        outcome: Outcome = function(folder, echo, data) if wants_data else function(folder, echo)
    found = {
        "recipe": key,
        "expected": entry.attributes["expected"],
        "holds": outcome.holds,
        "found": outcome.sentence,
        "measured": outcome.measured,
        "pictures": [str(picture) for picture in outcome.pictures],
    }
    write_json(folder / "outcome.json", found)
    return found


def text(found: dict[str, Any]) -> str:
    """The outcome for the terminal."""
    verdict = "as expected" if found["holds"] else "NOT as expected"
    rows = [("expected", found["expected"]), ("found", found["found"]), ("verdict", verdict)]
    rows += [("drawn", picture) for picture in found["pictures"]]
    made = []
    for name, value in rows:
        first, *others = str(value).splitlines() or [""]
        made += [f"{name:<9} {first}", *(f"{'':<9} {line}".rstrip() for line in others)]
    return "\n".join(made)


def draw(what: str, out: Path) -> Path:
    """The picture of a recipe that can be drawn alone. Raises UsageError for any other name."""
    drawable = [name for name, entry in catalog.recipes().items() if "draw" in entry.functions]
    if what not in drawable:
        remedy = nearest(what, [*drawable, "landscape"])
        raise UsageError(f"{shown(what)!r} is nothing that can be drawn", remedy=remedy)
    _make(out.parent if out.suffix == ".png" else out)
    with style():
        picture: Path = importlib.import_module(catalog.recipes()[what].module).draw(out)
    return picture


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = "is a file" if folder.is_file() else (error.strerror or str(error)).lower()
        raise UsageError(
            f"no folder can be made at {folder}: it {why}", remedy="name another with --out DIR"
        ) from error
