"""The verbs at the shell, one module per family of them. Flags and help come from signatures and docstrings; results go to
standard output, progress and errors to standard error; with --json standard output is one JSON object and nothing else.
"""

from typing import Annotated

import typer

import samoyed
from samoyed import ending
from samoyed.cli import learning, looking, showing, shrinking, using

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


for _family in (learning, using, shrinking, looking, showing):
    _family.add(app)


def main() -> None:
    """Runs the command line; every error is one line on standard error, and a traceback only with --debug."""
    ending.carefully(lambda: app(standalone_mode=False))
