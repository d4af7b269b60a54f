"""What lies at a path: files in a fixed order, and what is there in words."""

import difflib
import os
from collections import Counter
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

from samoyed.errors import DataError, UsageError, shown
from samoyed.sources._reading import unreadable

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz")
_SHEETS = (".xlsx", ".xls", ".ods", ".numbers")
_NOT_DATA = ("__MACOSX",)  # what macOS adds to archives


def visible(folder: Path) -> list[Path]:
    """What a folder holds, sorted, without hidden names. Raises DataError where it may not be read."""
    try:
        return sorted(p for p in folder.iterdir() if not _hidden(p.name))
    except OSError as error:
        raise unreadable(folder, error) from error


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder, sorted, without hidden ones; links to folders are not followed, so that none is a loop.

    Raises DataError for a folder that may not be read.
    """

    def refuse(error: OSError) -> None:
        raise unreadable(folder, error) from error

    found: list[Path] = []
    for here, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not _hidden(name)]
        found += [Path(here, name) for name in names if not _hidden(name)]
    return sorted(path for path in found if path.is_file())


def contents(path: Path) -> str:
    """What is at `path`, as the predicate of a sentence: "holds 3 folders with 120 .txt files"."""
    if path.is_file():
        size = path.stat().st_size
        return f"is a {path.suffix} file" if size and path.suffix else "is a file" if size else "is an empty file"
    if not path.is_dir():
        return "is neither a file nor a folder"
    inside = visible(path)
    folders = [p for p in inside if p.is_dir()]
    loose = _kinds(p for p in inside if p.is_file())
    deep = _kinds(file for folder in folders for file in files_below(folder))
    parts = [loose] if loose else []
    if folders:
        parts.append(
            f"{plural(len(folders), 'folder')} with {deep}" if deep else f"{plural(len(folders), 'empty folder')}"
        )
    return f"holds {' and '.join(parts)}" if parts else "is an empty folder"


def without(path: Path, wanted: str) -> str:
    """What is at `path` instead of what is wanted: "holds 18 .txt files, and no pictures that can be read"."""
    found = contents(path)
    return f"{found}, and {'' if found.startswith('holds') else 'holds '}no {wanted} that can be read"


def unpacked_first(path: Path) -> str | None:
    """A remedy for an archive or a spreadsheet, None for anything else."""
    if path.is_file() and path.suffix.lower() in _ARCHIVES:
        return "unpack it, and give the folder that comes out"
    if path.is_file() and path.suffix.lower() in _SHEETS:
        return "save the sheet as CSV, and give that"
    return None


def no_such_path(path: Path) -> DataError:
    """The error for a path that is not there, with the names beside it that are close."""
    beside: list[str] = []
    if path.parent.is_dir():
        beside = [p.name for p in visible(path.parent)]
    close = difflib.get_close_matches(path.name[:100], beside, n=2)
    if close:
        remedy = f"did you mean {' or '.join(str(path.parent / name) for name in close)}?"
    elif path.is_absolute():
        remedy = "check how it is spelled"
    else:
        remedy = f"it was looked for from the folder {Path.cwd()}"
    return DataError("there is no such file or folder", where=path, remedy=remedy)


def one_file(raw: Any, wanted: str, folder: bool = False) -> Path:
    """The file that a person named, ~ followed, or the folder where one may be given. Raises UsageError for what can be no path, DataError where no file is there."""
    if raw == "":
        raise UsageError(f"the path of the {wanted} is empty")
    if not isinstance(raw, str | PathLike):
        raise UsageError(f"{shown(repr(raw))} is no {wanted}", remedy=f"give the path of a {wanted}")
    try:
        path = Path(raw).expanduser()
        if path.is_file() or (folder and path.is_dir()):
            return path
        if path.is_dir():
            raise DataError("is a folder", where=path, remedy=f"give one {wanted}")
        missing = no_such_path(path)
    except (OSError, ValueError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(f"cannot be read: {why.lower()}", where=shown(raw), remedy="check how it is spelled") from error
    raise missing


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in _NOT_DATA


def _kinds(files: Iterable[Path]) -> str:
    """ "12 .txt and 3 .csv files", most frequent first; empty where there is none."""
    counts = Counter(file.suffix.lower() or "suffixless" for file in files)
    ranked = counts.most_common(3)
    if not ranked:
        return ""
    listed = [f"{count:,} {suffix}" for suffix, count in ranked]
    rest = sum(counts.values()) - sum(count for _, count in ranked)
    listed += [f"{rest:,} other"] if rest else []
    noun = "file" if sum(counts.values()) == 1 else "files"
    return f"{' and '.join([', '.join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)} {noun}"


def plural(count: int, noun: str) -> str:
    """ "1 file", "2,000 files"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
