"""Verbs that show how learning works: reproduce, gradcheck, draw."""

from pathlib import Path
from typing import Annotated

import typer

from samoyed import catalog, settings
from samoyed.cli.common import Json, existing
from samoyed.errors import UsageError, nearest, shown
from samoyed.saying import columns, give, to_stderr


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
    outcome = running.run(recipe, existing(data), out, echo=to_stderr)
    give(outcome, json_, lambda: running.text(outcome))
    if not outcome["holds"]:
        raise typer.Exit(1)


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


def draw(
    what: Annotated[
        str,
        typer.Argument(
            help="landscape: the loss around a run's weights, and the eigenvalues of its Hessian. warping: how a small network bends "
            "its input space until a line divides it."
        ),
    ],
    run: Annotated[Path | None, typer.Argument(metavar="[RUN]", help="For landscape: a run directory.")] = None,
    data: Annotated[
        Path | None, typer.Argument(help="For landscape: the data, if not where the run's own were.")
    ] = None,
    points: Annotated[int, typer.Option(min=3, max=201, help="For landscape: places along each direction.")] = 21,
    examples: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="For landscape: training examples that the loss is the mean over.")
    ] = 500,
    out: Annotated[Path, typer.Option("--out", help="The folder to draw into.")] = Path("pictures"),
    json_: Json = False,
) -> None:
    """Draw the loss around a run's weights, or what a small network learns, which is trained first."""
    if what == "landscape":
        if run is None:
            raise UsageError("landscape of which run?", remedy="name it: samoyed draw landscape runs/TASK/NUMBER")
        from samoyed.plan import existing_run

        path = existing_run(run)
        from samoyed.explaining.surroundings import draw as around
        from samoyed.reporting.progress import Reporter

        found = around(path, existing(data), out, points, examples, Reporter(json_))
        give(found, json_, lambda: f"{found['said']}\ndrawn  {found['page']}")
        return
    if run is not None:
        raise UsageError(f"{shown(what)} takes no run", remedy="samoyed draw landscape RUN does")
    from samoyed.recipes import running

    picture = running.draw(what, out)
    give({"picture": str(picture)}, json_, lambda: f"drawn  {picture}")


def add(app: typer.Typer) -> None:
    """Adds the verbs of this file."""
    app.command(epilog="**Example**\n\nsamoyed reproduce warping --out pictures/")(reproduce)
    app.command()(gradcheck)
    app.command(
        epilog="**Examples**\n\nsamoyed draw landscape runs/image-classification/1 --out landscape/\n\nsamoyed draw warping"
    )(draw)
