"""What the verbs share: options that several of them take, and the DATA argument."""

from pathlib import Path
from typing import Annotated

import typer

from samoyed.errors import UsageError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else there.")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, such as runs/image-classification/1.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]


def data_first(words: list[str]) -> tuple[str | None, list[str]]:
    """The DATA argument, if the first word is no key=value, and the rest."""
    if words and ("=" not in words[0] or _is_there(words[0])):
        return words[0], words[1:]
    return None, words


def existing(path: Path | None) -> Path | None:
    """The DATA argument where a verb takes one path. Raises UsageError and DataError where nothing is there."""
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
