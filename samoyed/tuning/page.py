"""The page about a search: how it went, which settings mattered, the best trials, and the run that the winner became."""

from pathlib import Path
from typing import Any

from samoyed.comparing.paired import shown
from samoyed.errors import printable
from samoyed.reporting.figures import style
from samoyed.reporting.page import write_tuning
from samoyed.reporting.tuning import Tried, history, importance, slices
from samoyed.tasks import Picture
from samoyed.tuning import confirming
from samoyed.tuning.study import Search, words

_LISTED = 20


def facts(search: Search) -> dict[str, Any]:
    """What was found, as JSON: the trials, the means over seeds, which settings mattered."""
    ranked, winner = confirming.means(search), confirming.winner(search)
    default = next((one for one in ranked if one[2].number == 0), None)
    return {
        "study": str(search.folder),
        "watched": search.job.task.watch,
        "unit": search.job.task.reported[search.job.task.watch].unit,
        "better": search.better,
        "trials": len(search.study.trials),
        "states": _states(search),
        "best": {
            "trial": ranked[0][2].number,
            "value": ranked[0][0],
            "seeds": ranked[0][1],
            "settings": ranked[0][2].params,
        },
        "chosen": {"trial": winner.chosen.number, "settings": winner.chosen.params, "p": winner.p},
        "default": None if default is None else {"value": default[0], "seeds": default[1]},
        "importance": importances(search),
    }


def verdict(search: Search, found: dict[str, Any]) -> str:
    """Which trial was chosen, and why, in a sentence, from `facts`."""
    best, default, chosen = found["best"], found["default"], found["chosen"]
    said = f"validation {found['watched']}, {_seeds(best['seeds'])}: {best['value']:.4g} of trial {best['trial']}"
    if default is None:
        return f"{said}; the defaults could not be trained"
    if best["trial"] == 0:
        return f"{said}, which has the defaults: nothing better was found"
    said += f", {default['value']:.4g} with the defaults"
    if chosen["p"] is None:
        return f"{said}; there was no time to train both with other seeds, so that this may be luck"
    chance = f"p {shown(chosen['p'])}"
    if chosen["trial"] == 0:
        count = len(search.job.data["valid"][0])
        return f"{said}: on {count:,} validation examples no more than chance ({chance}), so that the defaults are kept"
    return f"{said}: more than chance ({chance})"


def write(search: Search, run: Any | None, found: dict[str, Any]) -> Path:
    """Writes tuning.html and its pictures into the folder of the search, from `facts`, and returns the page's path."""
    task = search.job.task
    tried = _tried(search)
    keep = sorted(
        (t for t in tried if t.state == "whole"), key=lambda t: t.value if search.better == "lower" else -t.value
    )
    default = found["default"]
    unit = found["unit"] if found["unit"].startswith("%") else f" {found['unit']}"
    headline = [
        (
            f"{found['best']['value']:.4g}{unit}",
            f"{task.watch} on validation, {_seeds(found['best']['seeds'])}: trial {found['best']['trial']}",
        )
    ]
    if default is not None:
        headline.append((f"{default['value']:.4g}{unit}", f"with the defaults, {_seeds(default['seeds'])}"))
    headline.append((f"{found['trials']}", ", ".join(f"{count} {state}" for state, count in found["states"].items())))
    watch = f"{task.watch} ({found['unit']})"
    written: dict[str, Any] = {
        "title": f"Searched: {search.plan.task.replace('-', ' ')}",
        "headline": headline,
        "winner": "the defaults" if found["chosen"]["trial"] == 0 else words(found["chosen"]["settings"]),
        "verdict": verdict(search, found),
        "tested": []
        if run is None
        else [
            (name, f"{one['value']:.4g} ({one['low']:.4g} to {one['high']:.4g}) {one['unit']}")
            for name, one in run.metrics["test"].items()
        ],
        "run": "" if run is None else printable(str(run.path)),
        "ranges": [(one.name, str(one)) for found_ in search.ranges.values() for one in found_],
        "trials": [(t.number, f"{t.value:.4g}", f"{t.seconds:.1f} s", words(t.params)) for t in keep[:_LISTED]],
        "watch": watch,
    }
    with style():
        drawn: list[Picture] = [history(tried, search.better, watch)]
        if found["importance"]:
            drawn.append(importance(found["importance"]))
        names = list(found["importance"]) or list(dict.fromkeys(name for t in keep for name in t.params))
        logarithmic = {one.name for parts in search.ranges.values() for one in parts if one.logarithmic}
        if len(keep) > 2 and names:
            drawn.append(slices(keep, names[:6], logarithmic, watch, search.better))
    return write_tuning(search.folder, written, drawn)


def importances(search: Search) -> dict[str, float]:
    """The share of the figures' variance that each setting explains (Hutter 2014), largest first; none where trials are too few."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    if len(search.finished()) < 4 or len({t.value for t in search.finished()}) < 2:
        return {}
    try:
        found = get_param_importances(search.study, evaluator=FanovaImportanceEvaluator(seed=0))
    except (ValueError, RuntimeError):
        return {}
    return {str(name): float(share) for name, share in found.items()}


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"mean of {count} seeds"


def _states(search: Search) -> dict[str, int]:
    names = {
        "COMPLETE": "whole",
        "PRUNED": "ended early",
        "FAIL": "failed",
        "RUNNING": "in progress",
        "WAITING": "waiting",
    }
    found: dict[str, int] = {}
    for trial in search.study.trials:
        found[names[trial.state.name]] = found.get(names[trial.state.name], 0) + 1
    return found


def _tried(search: Search) -> list[Tried]:
    made = []
    for trial in search.study.trials:
        value = (
            trial.value if trial.value is not None else next(reversed(list(trial.intermediate_values.values())), None)
        )
        if value is not None and trial.state.name in ("COMPLETE", "PRUNED"):
            state = "whole" if trial.state.name == "COMPLETE" else "ended early"
            made.append(
                Tried(
                    trial.number, float(value), state, float(trial.user_attrs.get("seconds", 0.0)), dict(trial.params)
                )
            )
    return made
