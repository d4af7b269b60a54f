"""Comma-separated files, read as they are written: every cell is text until a task says otherwise.

"NA", "null" and leading zeros stay what they are; a byte-order mark is understood and removed; quoted line breaks are kept;
a row that is too long or too short is an error with its line.
"""

import codecs
import csv
from dataclasses import dataclass
from pathlib import Path

from samoyed.errors import DataError

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
SUFFIXES = (".csv", ".tsv")


@dataclass(frozen=True)
class Table:
    """A header and its rows; `lines[i]` is the line of the file on which row i ends."""

    path: Path
    header: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]

    def column(self, name: str) -> list[str]:
        """All cells below `name`. Raises DataError that lists the columns."""
        if name not in self.header:
            raise DataError(f"has no column {name!r}", where=self.path, remedy=f"its columns are {', '.join(self.header)}")
        at = self.header.index(name)
        return [row[at] for row in self.rows]


def decode(path: Path, data: bytes) -> str:
    """The bytes as text: UTF-8, or UTF-16 with a byte-order mark. Raises DataError with the line of the first bad byte."""
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        shown = data[error.start]
        raise DataError(
            f"is not UTF-8 text: byte 0x{shown:02x} at offset {error.start}",
            where=f"{path}:{line}",
            remedy="convert it, for example: iconv -f latin1 -t utf-8 IN > OUT",
        ) from error


def read_table(path: Path) -> Table:
    """Reads a table with a header line, separated by commas, semicolons, tabs or bars.

    Raises DataError for an empty file, text that is not UTF-8, a column named twice, or a ragged row.
    """
    text = decode(path, path.read_bytes())
    if not text.strip():
        raise DataError("is an empty file", where=path)
    first = text.lstrip("\r\n").split("\n", 1)[0]
    separator = "\t" if path.suffix == ".tsv" else max(",;\t|", key=first.count)
    reader = csv.reader(text.splitlines(keepends=True), delimiter=separator, strict=True)
    header: tuple[str, ...] = ()
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            if not row:
                continue
            if not header:
                header = tuple(name.strip() for name in row)
                continue
            if len(row) != len(header):
                raise DataError(
                    f"has {len(row)} cells where the header has {len(header)}",
                    where=f"{path}:{reader.line_num}",
                    remedy="quote cells that hold a separator, or mend the line",
                )
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise DataError(f"is no table: {error}", where=f"{path}:{reader.line_num}") from error
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"two columns are called {twice!r}", where=path)
    if not rows:
        raise DataError("has a header and no rows", where=path)
    return Table(path, header, rows, lines)
