"""Comma-separated files, read as they are written: every cell is text until a task says otherwise.

"NA", "null" and leading zeros stay what they are; a byte-order mark is understood and removed; quoted line breaks are kept;
a row that is too long or too short is an error with its line.
"""

import csv
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from samoyed.errors import DataError
from samoyed.sources._reading import decode, read_text

SUFFIXES = (".csv", ".tsv")
_SEPARATORS = (",", ";", "\t", "|")
csv.field_size_limit(2**28)  # a cell may hold a whole document; the file's own size is limited where it is read
_LOOKED_AT = 20  # rows that decide which separator it is


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
            raise DataError(f"has no column {name!r}", where=self.path, remedy=f"its columns are {self.columns()}")
        at = self.header.index(name)
        return [row[at] for row in self.rows]

    def columns(self, most: int = 12) -> str:
        """The names of the columns, for errors."""
        more = [f"and {len(self.header) - most} more"] if len(self.header) > most else []
        return ", ".join([name or "(no name)" for name in self.header[:most]] + more)

    def at(self, row: int) -> str:
        """Where a row is: file:line."""
        return f"{self.path}:{self.lines[row]}"


def read_table(path: Path, data: bytes | None = None) -> Table:
    """Reads a table with a header line, separated by commas, semicolons, tabs or bars; from `data` if given, else the file.

    Raises DataError for an empty file, what is not text, a column named twice, or a ragged row.
    """
    text = read_text(path) if data is None else decode(path, data)
    if not text.strip():
        raise DataError(
            "is an empty file" if not text else "holds nothing but white space",
            where=path,
            remedy="give a table with a header and a row for each example",
        )
    header: tuple[str, ...] = ()
    rows: list[list[str]] = []
    lines: list[int] = []
    for line, row in _rows(path, text, _separator(path, text)):
        if not header:
            header = _header(path, row) if any(cell.strip() for cell in row) else ()
            continue
        if len(header) > 1 and not any(cell.strip() for cell in row) and len(row) < 2:
            continue  # an empty line between rows; in a table of one column it is an empty cell
        row = row or [""]
        if len(row) != len(header):
            raise DataError(
                f"this row has {_cells(len(row))} where the header has {len(header)}",
                where=f"{path}:{line}",
                remedy="put quotes around cells that hold a separator, or mend the row",
            )
        rows.append(row)
        lines.append(line)
    while rows and rows[-1] == [""]:  # empty lines at the end
        rows.pop()
        lines.pop()
    if not rows:
        raise DataError("has a header and no rows", where=path)
    return Table(path, header, rows, lines)


def _header(path: Path, row: list[str]) -> tuple[str, ...]:
    header = tuple(name.strip() for name in row)
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        problem = f"two columns are called {twice!r}" if twice else "two columns have no name"
        raise DataError(problem, where=path, remedy="give each column a name of its own in the first line")
    return header


def _rows(path: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line on which it ends. Raises DataError with the line on which a broken row begins."""
    # StringIO ends a line at \n, \r\n and \r only; str.splitlines would also cut a cell at U+2028 or a form feed
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    begins = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            why = "a quoted cell never ends" if "end of data" in str(error) else str(error)
            raise DataError(
                f"the row that begins here cannot be read: {why}", where=f"{path}:{begins}", remedy="mend its quotes"
            ) from error
        yield reader.line_num, row
        begins = reader.line_num + 1


def _separator(path: Path, text: str) -> str:
    """The separator that gives most rows as many cells as the header; of equals the one with more cells, then the comma."""
    if path.suffix.lower() == ".tsv":
        return "\t"

    def fit(separator: str) -> tuple[int, int]:
        found: list[int] = []
        try:
            for _, row in itertools.islice(_rows(path, text[: 2**20], separator), _LOOKED_AT):
                found += [len(row)] if row else []
        except DataError:
            pass  # what was read before the broken row still counts
        return (sum(cells == found[0] for cells in found), found[0]) if found and found[0] > 1 else (0, 0)

    return max(_SEPARATORS, key=fit)


def _cells(count: int) -> str:
    return f"{count} cell" if count == 1 else f"{count} cells"
