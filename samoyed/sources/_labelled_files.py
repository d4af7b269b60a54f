"""Files and their classes: a folder per class, or a table with a column of paths and a column of labels."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from samoyed.errors import DataError
from samoyed.sources import needed
from samoyed.sources._labels import LABELS, column, near_twins, no_label
from samoyed.sources._paths import files_below, plural, visible, without
from samoyed.sources._tables import SUFFIXES as TABLES
from samoyed.sources._tables import Table, read_table

PATHS = ("path", "file", "filename", "file_name", "filepath")


class Kind(NamedTuple):
    """What is looked for: the kind of example, its noun, what a layout looks like in words, and what of a folder is one."""

    example: str
    noun: str
    layout: str
    inside: Callable[[Path], list[Path]]


class Found(NamedTuple):
    """Files with their classes, in a fixed order; notes; and rows of a table whose file is not there, as (where, why)."""

    files: list[tuple[Path, str]]
    notes: list[str]
    missing: list[tuple[str, str]]


def with_suffixes(suffixes: tuple[str, ...]) -> Callable[[Path], list[Path]]:
    """Of a file, itself if its name ends so; of a folder, all such files below it."""

    def inside(path: Path) -> list[Path]:
        return [p for p in (files_below(path) if path.is_dir() else [path]) if p.suffix.lower() in suffixes]

    return inside


def by_folder(path: Path, kind: Kind) -> Found:
    """A folder per class; sub-folders of a class belong to it. Raises DataError where nothing is found."""
    files: list[tuple[Path, str]] = []
    notes, bare = [], []
    loose = [p for p in visible(path) if p.is_file() and kind.inside(p)]
    for folder in (p for p in visible(path) if p.is_dir()):
        if folder.is_symlink() and path.resolve().is_relative_to(folder.resolve()):
            notes.append(f"{folder.name}/ is left out: it is a link back to {folder.resolve()}")
            continue
        here = kind.inside(folder)
        files += [(p, folder.name) for p in here]
        bare += [] if here else [folder.name]
    if not files:
        if loose:
            problem = f"holds {plural(len(loose), kind.noun.rstrip('s'))} and no folder that says their class"
            raise DataError(
                problem, where=path, remedy=f"put those of each class into a folder of its own ({kind.layout})"
            )
        raise DataError(without(path, kind.noun), where=path, remedy=needed(kind.example))
    if bare:
        notes.append(f"{plural(len(bare), 'folder')} without {kind.noun} left out: {', '.join(bare[:6])}")
    if loose:
        notes.append(f"{len(loose):,} beside the class folders left out, such as {loose[0].name}")
    return Found(files, notes + near_twins(label for _, label in files), [])


def is_by_folder(path: Path, kind: Kind) -> bool:
    """Whether `path` could be a folder per class of this kind, or holds what could be sorted into such."""
    return path.is_dir() and any(kind.inside(p) for p in visible(path))


def by_table(path: Path, kind: Kind, more: tuple[str, ...]) -> Found:
    """The rows of a table, paths relative to it, in the table's order. `more` are names a column of paths may have.

    Raises DataError for a table without the columns, a row without a label, or where no path leads to a file.
    """
    table = read_table(path)
    columns = _columns(table, more)
    if columns is None:
        problem = f"has no columns for {kind.noun} and their classes; its columns are {table.columns()}"
        raise DataError(problem, where=path, remedy="call them path and label")
    paths, labels = (table.column(name) for name in columns)
    files, missing = [], []
    for row, (cell, label) in enumerate(zip(paths, labels, strict=True)):
        if not label.strip():
            raise no_label(table.at(row))
        file = next((f for c in (cell, cell.strip().replace("\\", "/")) if c and (f := path.parent / c).exists()), None)
        if file is None:
            missing.append((table.at(row), f"there is no file {cell!r}"))
        else:
            files.append((file, label))
    if not files:
        problem = f"{paths[0]!r} is no file, nor is any other of the {len(paths)} paths in this table"
        remedy = f"write paths as they are seen from the folder {path.parent}"
        raise DataError(problem, where=table.at(0), remedy=remedy)
    return Found(files, near_twins(labels), missing)


def is_by_table(path: Path, more: tuple[str, ...]) -> bool:
    """Whether `path` is a table with both columns."""
    if not (path.is_file() and path.suffix.lower() in TABLES):
        return False
    try:
        return _columns(read_table(path), more) is not None
    except DataError:
        return True  # its reader says what is wrong


def _columns(table: Table, more: tuple[str, ...]) -> tuple[str, str] | None:
    files, labels = column(table.header, None, (*PATHS, *more)), column(table.header, None, LABELS)
    return None if files is None or labels is None else (files, labels)
