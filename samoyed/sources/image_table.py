"""A CSV of pictures and labels: a column of paths, relative to the CSV, and a column of class names."""

from collections.abc import Iterator
from pathlib import Path

from samoyed.errors import DataError
from samoyed.examples import Image
from samoyed.sources import Source
from samoyed.sources._pictures import Unreadable, decode_all
from samoyed.sources._tables import SUFFIXES, read_table
from samoyed.sources.image_folder import ImageFolder

_PATHS = ("path", "file", "filename", "image", "picture")
_LABELS = ("label", "class", "category", "target")


class ImageTable(Source):
    """Reads the pictures that a table lists, in the table's order. Labels are text exactly as written: "NA" and "007" too."""

    yields = "Image"
    reads = "a CSV with the columns path and label, paths relative to the CSV"

    def __init__(self, path: Path, *, longest_side: int | None = None) -> None:
        super().__init__(path)
        self.longest_side = longest_side
        table = read_table(path)
        lower = {name.lower(): name for name in reversed(table.header)}
        columns = [next((lower[name] for name in names if name in lower), None) for names in (_PATHS, _LABELS)]
        if columns[0] is None or columns[1] is None:
            missing = "path" if columns[0] is None else "label"
            shown = ", ".join(table.header[:8])
            raise DataError(
                f"has no column called {missing}; its columns are {shown}",
                where=path,
                remedy=f"image-classification learns from pictures: give {self.reads}, or {ImageFolder.reads}",
            )
        labels = table.column(columns[1])
        empty = next((line for line, label in zip(table.lines, labels, strict=True) if not label.strip()), None)
        if empty is not None:
            raise DataError("the label is empty", where=f"{path}:{empty}")
        folder = path.parent
        self.files = [(folder / file, label) for file, label in zip(table.column(columns[0]), labels, strict=True)]
        self.lines = table.lines
        lost = [i for i, (file, _) in enumerate(self.files) if not file.is_file()]
        if len(lost) == len(self.files):
            raise DataError(
                f"{table.column(columns[0])[0]!r} is no file beside this table, nor is any other of its {len(lost)} paths",
                where=f"{path}:{self.lines[0]}",
                remedy="paths are relative to the CSV's folder",
            )
        for i in lost:
            self.skip(f"{path}:{self.lines[i]}", f"no such file: {self.files[i][0].name}")
        self.files = [pair for i, pair in enumerate(self.files) if i not in set(lost)]

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_file() and path.suffix.lower() in SUFFIXES

    def __len__(self) -> int:
        return len(self.files)

    def examples(self) -> Iterator[Image]:
        decoded = decode_all([file for file, _ in self.files], self.longest_side)
        for (file, label), pixels in zip(self.files, decoded, strict=True):
            if isinstance(pixels, Unreadable):
                self.skip(str(file), str(pixels))
            else:
                yield Image(pixels, label, str(file))


