"""Verbs that make a trained run smaller: compress, distil."""

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

import samoyed
from samoyed import settings
from samoyed.cli.common import Json, Quiet, RunPath, data_first
from samoyed.errors import UsageError, shown
from samoyed.saying import give, give_run, table_of_stages


def compress(
    run: RunPath,
    data_and_settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DATA] [key=value]...",
            help="The data to fine-tune on, if not where the run's own were. Then settings of each round of training, such as epochs=2.",
        ),
    ] = None,
    prune: Annotated[float, typer.Option("--prune", help="Share of the weights that are left out, such as 0.9.")] = 0.0,
    share: Annotated[
        str, typer.Option("--share", help="Bits of a level: 5bit lets every weight of a layer be one of 32.")
    ] = "",
    quantise: Annotated[
        str, typer.Option("--quantise", help="int8: weights are whole numbers from -127 to 127 times a scale.")
    ] = "",
    out: Annotated[Path | None, typer.Option("--out", help="The new run. Default: runs/TASK/NUMBER.")] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with what the same command began and did not end; begin it if there is none."
        ),
    ] = False,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a run smaller: leave weights out, share them, round them, with training between. Without options, int8."""
    data, pairs = data_first(data_and_settings or [])
    given = settings.parse_pairs(pairs)
    made = samoyed.compress(
        run,
        data,
        prune=prune,
        share=_bits(share),
        quantise=_form(quantise),
        out=out,
        quiet=quiet,
        resume=resume,
        **given,
    )
    found = made.compression or {}
    give(
        {"run": str(made.path), "metrics": made.metrics, **found},
        json_,
        lambda: f"{table_of_stages(found)}\n\nreport  {made.report}",
    )


def distil(
    run: RunPath,
    data_and_settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DATA] model=STUDENT [key=value]...",
            help="The data to learn from, if not the teacher's own. Then the student's model, and settings of it and of the training.",
        ),
    ] = None,
    temperature: Annotated[float, typer.Option("--temperature", help="What the logits of both are divided by.")] = 4.0,
    share: Annotated[
        float,
        typer.Option("--share", help="Share of the objective that comes from the teacher; the labels have the rest."),
    ] = 0.9,
    out: Annotated[Path | None, typer.Option("--out", help="The new run. Default: runs/TASK/NUMBER.")] = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a smaller network on a run's answers besides the labels. For tasks with classes."""
    data, pairs = data_first(data_and_settings or [])
    given = settings.parse_pairs(pairs)
    made = samoyed.distil(run, data, temperature=temperature, share=share, out=out, quiet=quiet, **given)
    give_run(made, json_)


def _bits(text: str) -> int:
    match = re.fullmatch(r"([1-8])(\s*-?bits?)?", text.strip().lower())
    if text and not match:
        raise UsageError(f"--share {shown(text)} is not understood", remedy="write 1bit to 8bit, such as --share 5bit")
    return int(match[1]) if match else 0


def _form(text: str) -> Literal["none", "int8"]:
    if text not in ("", "none", "int8"):
        raise UsageError(f"--quantise {shown(text)} is not known", remedy="write --quantise int8")
    return "int8" if text == "int8" else "none"


def add(app: typer.Typer) -> None:
    """Adds the verbs of this file."""
    app.command(
        epilog="**Examples**\n\nsamoyed compress runs/image-classification/1 --prune 0.9 --share 5bit --quantise int8\n\n"
        "samoyed compress runs/text-generation/1 --quantise int8"
    )(compress)
    app.command(
        epilog="**Example**\n\nsamoyed distil runs/image-classification/1 model=mlp hidden_sizes=32 --temperature 4"
    )(distil)
