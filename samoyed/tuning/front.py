"""`samoyed tune` from the words of the command to the winner's run."""

from pathlib import Path
from typing import Any

import samoyed
from samoyed import catalog, settings
from samoyed.errors import UsageError, require
from samoyed.plan import Plan, as_text
from samoyed.saying import table_of_splits
from samoyed.tuning import space


def tune(
    task: str, data: str | None, pairs: dict[str, str], budget: str, trials: int | None, out: Path | None, quiet: bool
) -> dict[str, Any]:
    """Searches, trains the winner as a run of its own under runs/TASK, and says what was found, with `text` for people.

    Raises UsageError, DataError, RunError and Interrupted.
    """
    require("optuna", "tune")
    plan, models, ranges, seconds = checked(task, data, pairs, budget)
    from samoyed.tuning import page, study

    folder = out or Path("runs") / "tuning" / plan.task
    search = study.begin(plan, models, ranges, folder, seconds, quiet)
    study.carry_out(search, trials)
    winner = search.plan_of(search.means()[0][2])
    page.write(search, None)
    given: dict[str, Any] = {name: as_text(value) for name, value in winner.given.items()}
    search.reporter.say(f"\nthe winner is trial {search.means()[0][2].number}, trained as a run:")
    run = samoyed.train(plan.task, plan.data, model=winner.model, quiet=quiet, **given)
    found = page.facts(search)
    written = page.write(search, run)
    best, default = found["best"], found["default"]
    lines = [table_of_splits(run.metrics), ""]
    if default is not None:
        seeds = "one seed" if best["seeds"] == 1 else f"{best['seeds']} seeds"
        lines.append(
            f"validation {found['watched']}, mean of {seeds}: {best['value']:.4g}; with the defaults {default['value']:.4g}"
        )
    if best["trial"] == 0:
        lines.append("nothing better than the defaults was found")
    lines += [f"again   {run.config['command']}", f"report  {run.report}", f"search  {written}"]
    return {**found, "run": str(run.path), "metrics": run.metrics, "page": str(written), "text": "\n".join(lines)}


def checked(
    task: str, data: str | None, pairs: dict[str, str], budget: str
) -> tuple[Plan, list[str], list[space.Range], float]:
    """The plan with its defaults, the models, the ranges that were given, and the budget in seconds. Raises UsageError."""
    try:
        seconds = settings.seconds(budget)
    except ValueError as error:
        raise UsageError(f"--budget {budget} is no time", remedy="write 90s, 30min or 2h") from error
    if seconds <= 0:
        raise UsageError("--budget 0 leaves no time", remedy="write 90s, 30min or 2h")
    pairs = dict(pairs)
    form = catalog.task(task)
    named = [name.strip() for name in pairs.pop("model", form.attributes["model"]).split(",") if name.strip()]
    models = list(dict.fromkeys(named))
    if not models:
        raise UsageError("no model is named", remedy="write model=NAME, or model=NAME,NAME")
    forms = [form, catalog.trainer(), *(catalog.model(form, name) for name in models)]
    plain, ranges = space.divided(pairs, forms)
    if any(one.name in form.settings for one in ranges):
        name = next(one.name for one in ranges if one.name in form.settings)
        raise UsageError(
            f"{name} is a setting of the task, and cannot be searched", remedy=f"give it a value: {name}=VALUE"
        )
    plan = samoyed.plan_of(task, data, models[0], None, plain, reading=True)
    return plan, models, ranges, seconds
