"""Verbs that say what there is: tasks, models, describe, check, report, runs, compare, board."""

from pathlib import Path
from typing import Annotated

import typer

import samoyed
from samoyed import describe, settings
from samoyed.cli.common import Json, RunPath, data_first, existing
from samoyed.files import check_manifest
from samoyed.saying import columns, give, table_of_splits, table_of_stages, to_stderr


def tasks(json_: Json = False) -> None:
    """List what can be learned."""
    found = samoyed.tasks()
    give({"tasks": found}, json_, lambda: columns(found))


def models(
    task: Annotated[str | None, typer.Argument(help="Only those that fit this task, its default first.")] = None,
    json_: Json = False,
) -> None:
    """List the architectures."""
    found = samoyed.models(task)
    give({"models": found}, json_, lambda: columns(found))


def describe_(
    name: Annotated[str, typer.Argument(metavar="TASK|MODEL|RUN")],
    settings_: Annotated[
        list[str] | None, typer.Argument(metavar="[key=value]...", help="With --input: hyperparameters of the model.")
    ] = None,
    input_: Annotated[
        str | None,
        typer.Option("--input", metavar="CxHxW", help="Print the model's layers for a picture of this shape."),
    ] = None,
    classes: Annotated[int, typer.Option(min=2, max=1_000_000, help="With --input: the number of classes.")] = 10,
    json_: Json = False,
) -> None:
    """Explain a task or a model: its source, and every setting with its default; or its layers for an input. Of a run, what it is."""
    found, text = describe.answer(name, settings.parse_pairs(settings_ or []), input_, classes)
    give(found, json_, text)


def check(
    task: Annotated[
        str | None, typer.Argument(help="Check data for this task; without it, check the installation.")
    ] = None,
    data_and_settings: Annotated[list[str] | None, typer.Argument(metavar="[DATA] [key=value]...")] = None,
    json_: Json = False,
) -> None:
    """Check that Samoyed works here, or that data can be learned from, without training."""
    data, pairs = data_first(data_and_settings or [])
    made = None if task is None else samoyed.plan_of(task, data, None, None, settings.parse_pairs(pairs), reading=True)
    from samoyed import checks

    rows = checks.installation() if made is None else checks.data(made)
    give({"found": [list(row) for row in rows]}, json_, lambda: "\n".join(f"{name:<14} {text}" for name, text in rows))


def report(run: RunPath, json_: Json = False) -> None:
    """Show where a run's report lies, and what was measured."""
    opened = samoyed.load(run)
    check_manifest(opened.path)
    found = {
        "report": str(opened.report),
        "metrics": opened.metrics,
        "ended": opened.ended,
        "command": opened.config["command"],
        **({"compression": opened.compression} if opened.compression else {}),
    }
    stages = f"\n\n{table_of_stages(opened.compression)}" if opened.compression else ""
    text = f"{table_of_splits(opened.metrics)}{stages}\n\nreport  {opened.report}\nagain   {opened.config['command']}"
    give(found, json_, lambda: text)


def runs(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where the runs lie.")] = Path("runs"),
    json_: Json = False,
) -> None:
    """List runs, the newest first: task, model, the first metric on the test split, size, time."""
    from samoyed import listing

    found = listing.runs(folder)
    give({"runs": found}, json_, lambda: listing.table(found))


def compare(
    run: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Two or more runs of one task.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Measure all of them on these; by default on their own test split.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The folder for the page.")] = Path("compared"),
    json_: Json = False,
) -> None:
    """Hold runs of one task against the first: figures with tests on the same examples, curves, size, speed."""
    from samoyed.comparing import page, sides, table

    found = sides.compare(run, existing(data))
    written = page.write(found, out)
    give(found.facts() | {"page": str(written)}, json_, lambda: f"{table.text(found)}\n\npage  {written}")


def board(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where the runs lie.")] = Path("runs"),
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The port to listen at; 0 takes a free one.")
    ] = 8001,
) -> None:
    """Show the runs of a folder as a live page on this machine: curves as they grow, reports, runs side by side."""
    from samoyed.board.server import begin

    begin(folder.expanduser(), port, to_stderr)


def add(app: typer.Typer) -> None:
    """Adds the verbs of this file."""
    app.command()(tasks)
    app.command()(models)
    app.command(
        name="describe",
        epilog="**Examples**\n\nsamoyed describe image-classification\n\n"
        "samoyed describe resnet depth=50 --input 3x224x224 --classes 1000    (its layers, their weights and their work)\n\n"
        "samoyed describe runs/image-classification/1    (what it learned, from what, how well, and how it ended)",
    )(describe_)
    app.command()(check)
    app.command()(report)
    app.command(epilog="**Example**\n\nsamoyed runs")(runs)
    app.command(
        epilog="**Examples**\n\nsamoyed compare runs/image-classification/1 runs/image-classification/2\n\n"
        "samoyed compare runs/a runs/b runs/c --data more-photos/ --out compared/"
    )(compare)
    app.command(epilog="**Examples**\n\nsamoyed board\n\nsamoyed board experiments/ --port 0")(board)
