"""`samoyed tune` from the words of the command to the winner's run."""

import shlex
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
    from samoyed.tuning import confirming, page, study

    folder = out or Path("runs") / "tuning" / plan.task
    search = study.begin(plan, models, ranges, folder, seconds, quiet)
    study.carry_out(search, trials)
    found, won = page.facts(search), confirming.winner(search)
    winner = plan if won.chosen.number == 0 else search.plan_of(won.chosen)
    verdict = page.verdict(search, found)
    page.write(search, None, found)
    search.reporter.say(f"\n{verdict}\n")
    run = samoyed.train(plan.task, plan.data, model=winner.model, quiet=quiet, **_said(winner))
    written = page.write(search, run, found)
    lines = [table_of_splits(run.metrics), "", verdict]
    if won.chosen.number != won.best.number:
        other = search.plan_of(won.best)
        words = [
            "samoyed train",
            plan.task,
            *([shlex.quote(str(plan.data))] if plan.data else []),
            f"model={other.model}",
        ]
        lines.append(f"to try  {' '.join([*words, *(f'{name}={value}' for name, value in _said(other).items())])}")
    lines += [f"again   {run.config['command']}", f"report  {run.report}", f"search  {written}"]
    return {**found, "run": str(run.path), "metrics": run.metrics, "page": str(written), "text": "\n".join(lines)}


def _said(plan: Plan) -> dict[str, Any]:
    return {name: as_text(value) for name, value in plan.given.items()}


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
