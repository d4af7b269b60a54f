"""Verbs that learn and measure: train, tune, resume, evaluate."""

from pathlib import Path
from typing import Annotated

import typer

import samoyed
from samoyed import settings
from samoyed.cli.common import Json, Quiet, RunPath, data_first, existing
from samoyed.errors import UsageError
from samoyed.saying import give, give_run, table_of_splits


def train(
    task: Annotated[str, typer.Argument(help="What to learn; `samoyed tasks` lists them.")],
    data_and_settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DATA] [key=value]...",
            help="A file or folder (with splits named train, valid, test if you have them); nothing for the task's embedded "
            "sample. Then settings of the task, the model and the training.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The run directory. Default: runs/TASK/NUMBER.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in DIR if there is one; begin it if not.")
    ] = False,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read data, train a network, measure it on data it did not see, and draw what it learned."""
    data, pairs = data_first(data_and_settings or [])
    given = settings.parse_pairs(pairs)
    if resume and out is None:
        raise UsageError("--resume needs to know which run", remedy="name it with --out DIR, or use samoyed resume RUN")
    give_run(samoyed.train(task, data, out=out, quiet=quiet, resume=resume, **given), json_)


def tune(
    task: Annotated[str, typer.Argument(help="What to learn; `samoyed tasks` lists them.")],
    data_and_settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DATA] [key=value | key=low..high]...",
            help="As for train. A setting that is given is not searched; one that is given a range is searched there; "
            "model=a,b searches several models.",
        ),
    ] = None,
    budget: Annotated[str, typer.Option("--budget", help="Time for the search, such as 90s, 30min or 2h.")] = "30min",
    trials: Annotated[int | None, typer.Option("--trials", min=1, help="Most trials, all processes together.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The folder of the search, gone on with if it is there. Default: runs/tuning/TASK."),
    ] = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Search the settings of a model and its training, and train the best as a run."""
    from samoyed.tuning.front import tune as begin

    data, pairs = data_first(data_and_settings or [])
    found = begin(task, data, settings.parse_pairs(pairs), budget, trials, out, quiet)
    give(found, json_, lambda: found["text"])


def resume_(run: RunPath, json_: Json = False, quiet: Quiet = False) -> None:
    """Go on with a run that was stopped or killed, from its last whole checkpoint, as if it had never stopped."""
    give_run(samoyed.resume(run, quiet=quiet), json_)


def evaluate(
    run: RunPath,
    data: Annotated[
        Path | None, typer.Argument(help="Data of the same kind; nothing for the run's own test split.")
    ] = None,
    json_: Json = False,
) -> None:
    """Measure a run on other data, or again on its own test split."""
    metrics = samoyed.load(run).evaluate(existing(data), quiet=json_)
    give({"run": str(run), "metrics": metrics}, json_, lambda: table_of_splits({"measured": metrics}))


def add(app: typer.Typer) -> None:
    """Adds the verbs of this file."""
    app.command(
        epilog="**Examples**\n\n"
        "samoyed train image-classification photos/ model=lenet epochs=20\n\n"
        "samoyed train text-generation book.txt model=lstm tokens=characters max_time=15min\n\n"
        "samoyed train time-series-forecasting prices.csv model=gru target=close horizon=12\n\n"
        "samoyed describe image-classification    (every setting, with its default)"
    )(train)
    app.command(
        epilog="**Examples**\n\n"
        "samoyed tune image-classification photos/ --budget 30min\n\n"
        "samoyed tune image-classification photos/ model=lenet,mlp dropout=0..0.5 epochs=20 --budget 2h\n\n"
        "The same command again goes on with the search; in a second terminal, it searches beside the first."
    )(tune)
    app.command(name="resume", epilog="**Example**\n\nsamoyed resume runs/image-classification/1")(resume_)
    app.command(epilog="**Example**\n\nsamoyed evaluate runs/image-classification/1 other-photos/")(evaluate)
