"""The verbs at the shell. Flags and help come from signatures and docstrings; results go to standard output, progress and
errors to standard error; with --json standard output is one JSON object and nothing else.
"""

from pathlib import Path
from typing import Annotated

import typer

import samoyed
from samoyed import catalog, describe, ending, settings, using
from samoyed.errors import UsageError, nearest, shown
from samoyed.files import check_manifest
from samoyed.saying import columns, give, give_run, table_of_splits, to_stderr

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="From raw data to a trained, measured, drawn network.\n\n"
    "**Begin:** `samoyed train image-classification photos/` (a folder per class), or without data for the embedded sample.\n\n"
    "`samoyed tasks` lists what can be learned, `samoyed describe TASK` every setting. Any verb takes `--debug` for tracebacks.",
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else there.")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, such as runs/image-classification/1.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"samoyed {samoyed.__version__}")
        raise typer.Exit


@app.callback()
def _whole(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command(
    epilog="**Examples**\n\n"
    "samoyed train image-classification photos/ model=lenet epochs=20\n\n"
    "samoyed train text-generation book.txt model=lstm tokens=characters max_time=15min\n\n"
    "samoyed train time-series-forecasting prices.csv model=gru target=close horizon=12\n\n"
    "samoyed describe image-classification    (every setting, with its default)"
)
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
    data, pairs = _data_first(data_and_settings or [])
    given = settings.parse_pairs(pairs)
    if resume and out is None:
        raise UsageError("--resume needs to know which run", remedy="name it with --out DIR, or use samoyed resume RUN")
    give_run(samoyed.train(task, data, out=out, quiet=quiet, resume=resume, **given), json_)


@app.command(name="resume", epilog="**Example**\n\nsamoyed resume runs/image-classification/1")
def resume_(run: RunPath, json_: Json = False, quiet: Quiet = False) -> None:
    """Go on with a run that was stopped or killed, from its last whole checkpoint, as if it had never stopped."""
    give_run(samoyed.resume(run, quiet=quiet), json_)


@app.command(epilog="**Example**\n\nsamoyed evaluate runs/image-classification/1 other-photos/")
def evaluate(
    run: RunPath,
    data: Annotated[
        Path | None, typer.Argument(help="Data of the same kind; nothing for the run's own test split.")
    ] = None,
    json_: Json = False,
) -> None:
    """Measure a run on other data, or again on its own test split."""
    metrics = samoyed.load(run).evaluate(_existing(data), quiet=json_)
    give({"run": str(run), "metrics": metrics}, json_, lambda: table_of_splits({"measured": metrics}))


using.add(app)


@app.command(epilog='**Example**\n\nsamoyed generate runs/text-generation/1 "To be" --length 400 --temperature 0.7')
def generate(
    run: RunPath,
    beginning: Annotated[str, typer.Argument(help="What to write on from.")] = "",
    length: Annotated[int, typer.Option(min=1, max=1_000_000, help="Tokens to write.")] = 400,
    temperature: Annotated[
        float, typer.Option(min=0, help="0 takes the likeliest; 1 the network's own distribution.")
    ] = 0.8,
    top_k: Annotated[int | None, typer.Option(min=1, help="Only the k likeliest tokens.")] = None,
    top_p: Annotated[
        float | None, typer.Option(min=0, max=1, help="Only the likeliest tokens that reach this share.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of the draws.")] = 0,
    json_: Json = False,
) -> None:
    """Write on from a beginning with a text-generation run."""
    opened = samoyed.load(run)
    answer = opened.generate(beginning, length=length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    give({"run": str(run), "answers": [answer]}, json_, lambda: opened.task.say(answer))


@app.command()
def tasks(json_: Json = False) -> None:
    """List what can be learned."""
    found = samoyed.tasks()
    give({"tasks": found}, json_, lambda: columns(found))


@app.command()
def models(
    task: Annotated[str | None, typer.Argument(help="Only those that fit this task, its default first.")] = None,
    json_: Json = False,
) -> None:
    """List the architectures."""
    found = samoyed.models(task)
    give({"models": found}, json_, lambda: columns(found))


@app.command(
    name="describe",
    epilog="**Examples**\n\nsamoyed describe image-classification\n\n"
    "samoyed describe resnet depth=50 --input 3x224x224 --classes 1000    (its layers, their weights and their work)",
)
def describe_(
    name: Annotated[str, typer.Argument(metavar="TASK|MODEL")],
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
    """Explain a task or a model: its source, and every setting with its default; or its layers for an input."""
    found, text = describe.answer(name, settings.parse_pairs(settings_ or []), input_, classes)
    give(found, json_, text)


@app.command()
def check(
    task: Annotated[
        str | None, typer.Argument(help="Check data for this task; without it, check the installation.")
    ] = None,
    data_and_settings: Annotated[list[str] | None, typer.Argument(metavar="[DATA] [key=value]...")] = None,
    json_: Json = False,
) -> None:
    """Check that Samoyed works here, or that data can be learned from, without training."""
    data, pairs = _data_first(data_and_settings or [])
    made = None if task is None else samoyed.plan_of(task, data, None, None, settings.parse_pairs(pairs), reading=True)
    from samoyed import checks

    rows = checks.installation() if made is None else checks.data(made)
    give({"found": [list(row) for row in rows]}, json_, lambda: "\n".join(f"{name:<14} {text}" for name, text in rows))


@app.command()
def report(run: RunPath, json_: Json = False) -> None:
    """Show where a run's report lies, and what was measured."""
    opened = samoyed.load(run)
    check_manifest(opened.path)
    found = {
        "report": str(opened.report),
        "metrics": opened.metrics,
        "ended": opened.ended,
        "command": opened.config["command"],
    }
    give(
        found,
        json_,
        lambda: f"{table_of_splits(opened.metrics)}\n\nreport  {opened.report}\nagain   {opened.config['command']}",
    )


@app.command(epilog="**Example**\n\nsamoyed reproduce warping --out pictures/")
def reproduce(
    recipe: Annotated[str | None, typer.Argument(help="Which; without it they are listed.")] = None,
    data: Annotated[
        Path | None, typer.Argument(help="The recipe's raw data, if you have them; else they are fetched.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write. Default: runs/reproduce/RECIPE.")] = None,
    json_: Json = False,
) -> None:
    """Run a recipe: a published result or experiment, with what is expected and what was found."""
    from samoyed.recipes import running

    if recipe is None:
        found = {name: f"{e.summary} Expected: {e.attributes['expected']}" for name, e in catalog.recipes().items()}
        give({"recipes": found}, json_, lambda: columns(found))
        return
    outcome = running.run(recipe, _existing(data), out, echo=to_stderr)
    give(outcome, json_, lambda: running.text(outcome))
    if not outcome["holds"]:
        raise typer.Exit(1)


@app.command()
def gradcheck(
    model: Annotated[str, typer.Argument(help="A model; `samoyed models` lists them.")],
    settings_: Annotated[
        list[str] | None, typer.Argument(metavar="[key=value]...", help="Hyperparameters of the model.")
    ] = None,
    json_: Json = False,
) -> None:
    """Compare a model's gradients with finite differences, in float64. Costs two evaluations per number checked."""
    entry = catalog.models().get(model.replace("-", "_"))
    if entry is None:
        raise UsageError(f"there is no model called {shown(model)!r}", remedy=nearest(model, catalog.models()))
    from samoyed import checks

    found = checks.gradients(entry, settings.parse_pairs(settings_ or []))
    give(found, json_, lambda: "\n".join(f"{k:<22} {v}" for k, v in found.items()))
    if not found["ok"]:
        raise typer.Exit(1)


@app.command(epilog="**Example**\n\nsamoyed draw warping")
def draw(
    what: Annotated[
        str, typer.Argument(help="warping: how a small network bends its input space until a line divides it.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The folder to draw into.")] = Path("pictures"),
    json_: Json = False,
) -> None:
    """Draw what a small network learns; it is trained first."""
    from samoyed.recipes import running

    picture = running.draw(what, out)
    give({"picture": str(picture)}, json_, lambda: f"drawn  {picture}")


def main() -> None:
    """Runs the command line; every error is one line on standard error, and a traceback only with --debug."""
    ending.carefully(lambda: app(standalone_mode=False))


def _data_first(words: list[str]) -> tuple[str | None, list[str]]:
    """The DATA argument, if the first word is no key=value, and the rest."""
    if words and ("=" not in words[0] or _is_there(words[0])):
        return words[0], words[1:]
    return None, words


def _existing(path: Path | None) -> Path | None:
    if path is not None and str(path) == ".":  # what typer makes of an empty word
        raise UsageError("DATA is empty", remedy="name a file or folder; ./ is the working folder")
    if path is not None and not _is_there(path):
        from samoyed.sources import no_such_path

        raise no_such_path(path)
    return None if path is None else path.expanduser()


def _is_there(path: str | Path) -> bool:
    try:
        return Path(path).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # a name that is too long, a zero byte, an unknown ~user
        return False
