"""Tasks and models explained from their source, without importing it, and runs from their files; only the layers for an input need the
model itself."""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from samoyed import catalog, settings
from samoyed.errors import UsageError, nearest, shown


def answer(
    name: str, given: dict[str, Any], shape: str | None, classes: int
) -> tuple[dict[str, Any], Callable[[], str]]:
    """The facts about a task, a model or a run, or a model's layers for a picture of `shape`, and their text for the terminal.

    Raises UsageError for an unknown name, and for settings without a shape; RunError for a folder that is no whole run.
    """
    known = {**catalog.tasks(), **catalog.models()}
    entry = next((known[key] for key in (name, name.replace("-", "_"), name.replace("_", "-")) if key in known), None)
    if entry is None and is_path(name):
        return _of_run(name, given, shape)
    if entry is None:
        raise UsageError(f"there is no task, model or run called {shown(name)!r}", remedy=nearest(name, known))
    if shape is None:
        if given:
            raise UsageError("settings change what --input prints", remedy="add --input, such as --input 3x32x32")
        found = facts(entry)
        return found, lambda: text(found)
    from samoyed import checks
    from samoyed.explaining import layer_table

    layers = checks.layers(entry, shape, classes, given)
    return layers, lambda: layer_table.text(layers)


def is_path(name: str) -> bool:
    """Whether a word means a run's folder: it has a slash, or there is something of that name."""
    try:
        return "/" in name or Path(name).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # a name that is too long, a zero byte, an unknown ~user
        return False


def _of_run(name: str, given: dict[str, Any], shape: str | None) -> tuple[dict[str, Any], Callable[[], str]]:
    from samoyed import describe_run
    from samoyed.plan import known_run

    if given or shape is not None:
        raise UsageError("a run has its settings", remedy="leave out --input and key=value, or name its model")
    found = describe_run.facts(known_run(name))
    return found, lambda: describe_run.text(found)


def facts(entry: catalog.Entry) -> dict[str, Any]:
    """What there is to know about a task or a model, as JSON."""
    if entry.module.startswith("samoyed.tasks."):
        form = entry.main
        suggested = form.attributes.get("defaults", {})
        return {
            "task": entry.name.replace("_", "-"),
            "about": _without_arguments(form.doc),
            "models": list(catalog.models_for(form)),
            "sample": form.attributes["sample"].replace("_", " "),
            "settings": {"task": _settings(form, {}), "training": _settings(catalog.trainer(), suggested)},
        }
    fits = [name for name in catalog.tasks() if entry.name in catalog.models_for(catalog.task(name))]
    return {
        "model": entry.name,
        "about": entry.doc,
        "tasks": fits,
        "settings": {
            form.name: _settings(form, form.attributes.get("defaults", {})) for form in entry.forms if form.sizes
        },
    }


def text(found: dict[str, Any]) -> str:
    """The facts for the terminal."""
    head = found.get("task") or found["model"]
    lines = [head, "", found["about"]]
    if "models" in found:
        lines += ["", f"Models     {', '.join(found['models'])}", f"Sample     {found['sample']}"]
    if "tasks" in found:
        lines += ["", f"Tasks      {', '.join(found['tasks']) or 'none yet'}"]
    for owner, rows in found["settings"].items():
        lines += ["", f"Settings of {'the ' + owner if owner in ('task', 'training') else owner}"]
        lines += ["  none"] if not rows else []
        for name, row in rows.items():
            lines.append(f"  {name + '=' + row['default']:<28} {row['type']}")
            lines += textwrap.wrap(row["help"], 100, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)


def _settings(form: catalog.Form, suggested: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {
        name: {
            "default": _shown(suggested.get(name, parameter.default)),
            "type": settings.meaning(parameter.annotation),
            "help": parameter.help,
        }
        for name, parameter in form.settings.items()
    }


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _without_arguments(doc: str) -> str:
    before, _, rest = doc.partition("\nArgs:\n")
    _, found, after = rest.partition("\nExamples:\n")
    return before.rstrip() + (f"\n\nExamples:\n{after}".rstrip() if found else "")
