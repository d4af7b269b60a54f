"""A CSV of pictures and labels: a column of paths, relative to the CSV, and a column of class names.

In a column called labels or tags a cell may be empty: such a picture has none of several labels.
"""

from collections.abc import Iterator
from pathlib import Path

from samoyed.errors import DataError
from samoyed.examples import Image
from samoyed.sources import Source, needed
from samoyed.sources._pictures import Unreadable, decode_all
from samoyed.sources._tables import SUFFIXES, Table, read_table

_PATHS = ("path", "file", "filename", "file_name", "filepath", "image", "picture")
_LABELS = ("label", "class", "category", "target")
_SEVERAL = ("labels", "tags", "classes", "categories")


class ImageTable(Source):
    """Reads the pictures that a table lists, in the table's order. Labels are text exactly as written: "NA" and "007" too."""

    yields = "Image"
    reads = "a CSV with the columns path and label, paths relative to the CSV"

    def __init__(self, path: Path, *, longest_side: int | None = None) -> None:
        super().__init__(path)
        self.longest_side = longest_side
        table = read_table(path)
        names = _columns(table)
        paths, labels = (table.column(name) for name in names)
        empty = next((row for row, label in enumerate(labels) if not label.strip()), None)
        if empty is not None and names[1].lower() not in _SEVERAL:
            raise DataError(
                "this row has no label",
                where=table.at(empty),
                remedy="fill it in, or remove the row; where pictures have any number of labels, call the column labels",
            )
        self._note_near_twins(set(labels))
        found = [_located(path.parent, cell) for cell in paths]
        if all(file is None for file in found):
            raise DataError(
                f"{paths[0]!r} is no file, nor is any other of the {len(paths)} paths in this table",
                where=table.at(0),
                remedy=f"write paths as they are seen from the folder {path.parent}",
            )
        self.count = len(paths)
        self.files: list[tuple[Path, str]] = []
        for row, (file, label) in enumerate(zip(found, labels, strict=True)):
            if file is None:
                self.skip(table.at(row), f"there is no file {paths[row]!r}")
            else:
                self.files.append((file, label))

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_file() and path.suffix.lower() in SUFFIXES

    def __len__(self) -> int:
        return self.count

    def examples(self) -> Iterator[Image]:
        decoded = decode_all([file for file, _ in self.files], self.longest_side)
        for (file, label), pixels in zip(self.files, decoded, strict=True):
            if isinstance(pixels, Unreadable):
                self.skip(str(file), str(pixels))
            else:
                yield Image(pixels, label, str(file))

    def _note_near_twins(self, labels: set[str]) -> None:
        """Says where two labels differ only by white space or capitals: they stay two classes, which is rarely meant."""
        seen: dict[str, str] = {}
        for label in sorted(labels):
            other = seen.setdefault(" ".join(label.split()).casefold(), label)
            if other != label:
                self.notes.append(f"{other!r} and {label!r} are two classes, as written")


def _columns(table: Table) -> tuple[str, str]:
    """The names of the columns of paths and labels. Raises DataError where one is missing."""
    lower = {name.lower(): name for name in reversed(table.header)}
    path, label = (
        next((lower[name] for name in names if name in lower), None) for names in (_PATHS, _LABELS + _SEVERAL)
    )
    if path is None and label is None:
        problem = f"has the columns {table.columns()}, and lists no pictures"
    elif path is None or label is None:
        problem = f"has no column called {'label' if path else 'path'}; its columns are {table.columns()}"
    else:
        return path, label
    raise DataError(problem, where=table.path, remedy=needed("Image"))


def _located(folder: Path, cell: str) -> Path | None:
    """The file a cell names: as written, else without white space around it and with Windows' separators turned."""
    for name in (cell, cell.strip().replace("\\", "/")):
        if name and (folder / name).is_file():
            return folder / name
    return None
