"""What a run is, from its files alone: what it learned to do, by what, from what, how well, how it ended, and what can be done with it.

No weights are loaded and nothing that computes is imported. A run in progress is described by what it has written so far.
"""

import ast
import json
import shlex
from importlib import resources
from pathlib import Path
from typing import Any

from samoyed import catalog, history, listing
from samoyed.errors import RunError, printable
from samoyed.files import MANIFEST, check_manifest
from samoyed.plan import Plan, as_text, of_run
from samoyed.stored import Results, brief

_NAMED = {"classes": "classes", "tags": "tags", "phones": "phones", "letters": "letters"}
_MOST = 20  # names that are listed


def facts(path: Path) -> dict[str, Any]:
    """What there is to know about the run in `path`, as JSON. Raises RunError where it is no run, or is damaged."""
    finished = (path / MANIFEST).is_file()
    if finished:
        check_manifest(path)
    plan = of_run(path)
    found = {"run": str(path), **_told(plan), **_learned(path)}
    if finished:
        return {**found, **_measured(path, plan)}
    epochs = history.epochs(path)
    last = {"epochs": len(epochs), "last": epochs[-1]["valid"] if epochs else None}
    return {**found, "ended": listing.standing(path), **last, "next": [f"samoyed resume {shlex.quote(str(path))}"]}


def text(found: dict[str, Any]) -> str:
    """The facts for the terminal."""
    rows = [
        ("Task", f"{found['task']}: {found['about']}"),
        ("Model", f"{found['model']}: {found['model_about']}{_size(found)}"),
        ("Data", found["data"]),
        *((name.capitalize(), _listed(names)) for name, names in found["names"].items()),
        *([("Vocabulary", f"{found['tokens']:,} tokens")] if found["tokens"] else []),
        ("Settings", " ".join(f"{k}={v}" for k, v in found["settings"].items()) or "the defaults"),
        *([("Smaller", f"a compression of {found['compressed']}")] if found.get("compressed") else []),
        ("Ended", _end(found)),
    ]
    lines = [printable(found["run"]), "", *(f"{name:<11}{printable(value)}" for name, value in rows)]
    if "metrics" in found:
        from samoyed.saying import table_of_splits

        lines += ["", table_of_splits(found["metrics"])]
        lines += ["", f"Report     {printable(found['report'])}"]
    lines += [f"{'Use' if 'metrics' in found else 'Go on':<11}{found['next'][0]}"]
    lines += [f"{'':<11}{command}" for command in found["next"][1:]]
    return "\n".join([*lines, f"Again      {found['command']}"])


def _told(plan: Plan) -> dict[str, Any]:
    """What the run was told; of its settings those that are not the defaults."""
    default = catalog.settle(plan.task_form, plan.model_form, {})
    models, said = catalog.models(), dict(word.split("=", 1) for word in shlex.split(plan.command) if "=" in word)
    sample = plan.task_form.attributes["sample"]
    data = f"the embedded sample {sample}: {_first_line(sample)}" if plan.data is None else str(plan.data)
    return {
        "task": plan.task,
        "about": plan.task_form.doc.partition("\n")[0],
        "model": plan.model,
        "model_about": models[plan.model].summary,
        "data": data,
        "settings": {
            name: said.get(name, as_text(value))
            for owner, values in plan.settled.items()
            for name, value in values.items()
            if value != default[owner].get(name)
        },
        "command": plan.command,
    }


def _learned(path: Path) -> dict[str, Any]:
    """The names that it answers with, and how many tokens it knows; nothing where it has not come so far."""
    try:
        state = json.loads((path / "features.json").read_text("utf-8"))
    except FileNotFoundError:
        state = {}
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"cannot be read: {brief(error)}", where=path / "features.json") from error
    named = {word: state[key] for key, word in _NAMED.items() if isinstance(state.get(key), list) and state[key]}
    tokens = state.get("tokens", state.get("words"))
    return {"names": named, "tokens": len(tokens) if isinstance(tokens, list) else 0}


def _measured(path: Path, plan: Plan) -> dict[str, Any]:
    """What was measured, how large it is, how it ended, and what can be done with it."""
    results = Results.model_validate_json((path / "results.json").read_bytes()).model_dump()
    weights = next(file for file in (path / "model.packed", path / "model.safetensors") if file.is_file())
    of = (path / "compression.json").is_file()
    config = {"compressed": _compressed(path)} if of else {}
    run = shlex.quote(str(path))
    verbs = ["generate"] if plan.task_form.attributes.get("generates") else ["predict"]
    return {
        **config,
        "metrics": results["metrics"],
        "parameters": results["parameters"],
        "bytes": weights.stat().st_size,
        "seconds": results["seconds"],
        "ended": results["ended"],
        "report": str(path / "report.html"),
        "next": [
            *(f"samoyed {verb} {run} ..." for verb in verbs),
            f"samoyed explain {run} ...",
            f"samoyed serve {run}",
        ],
    }


def _compressed(path: Path) -> str | None:
    import yaml

    config = yaml.safe_load((path / "config.yaml").read_text("utf-8"))
    return None if config.get("compressed") is None else str(config["compressed"]["of"])


def _first_line(sample: str) -> str:
    source = resources.files("samoyed.samples").joinpath(f"{sample}.py").read_text("utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def _size(found: dict[str, Any]) -> str:
    return f" {found['parameters']:,} numbers in {found['bytes'] / 1e6:.3g} MB." if "bytes" in found else ""


def _listed(names: list[Any]) -> str:
    more = ", ..." if len(names) > _MOST else ""
    return f"{len(names):,}: {', '.join(str(name) or '(nothing)' for name in names[:_MOST])}{more}"


def _end(found: dict[str, Any]) -> str:
    """How it ended, or how far it has come."""
    if "metrics" in found:
        from samoyed.reporting.progress import duration

        what = {"early": "early, for want of a better validation figure", "stopped": "stopped by hand"}
        return f"{what.get(found['ended'], found['ended'])}, after {duration(found['seconds'])} of training"
    last = ", ".join(f"{name} {value:.4g}" for name, value in (found["last"] or {}).items())
    passed = f"{found['epochs']:,} epochs" if found["epochs"] != 1 else "1 epoch"
    return f"not yet: {found['ended']}, {passed}" + (f"; on the validation split {last}" if last else "")
