"""A time series in a CSV: a header, one row per moment, in order; a column of dates if there is one, columns of numbers.

Dates that can be read (1949-01, 1949-01-31, 1949-01-31 13:00) must follow one another at one step: a month, or a fixed
number of seconds. What is missing, a cell or a moment, is an error with its line, or interpolated if the user says so.
"""

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from samoyed.errors import DataError
from samoyed.examples import Series
from samoyed.sources import Source
from samoyed.sources._tables import SUFFIXES, Table, read_table

_DATES = ("", "date", "time", "datetime", "timestamp", "month", "year", "day")  # "": the index that pandas writes
_MISSING = ("", "na", "nan", "null", "none", "-", "?")


class SeriesTable(Source):
    """Reads the numeric columns of a table as one series; `gaps` says what to do where a value or a date is missing."""

    yields = "Series"
    reads = "a CSV with a header, one row per moment, and at least one column of numbers (prices.csv)"

    def __init__(self, path: Path, *, gaps: Literal["refuse", "interpolate"] = "refuse", target: str | None = None) -> None:
        super().__init__(path)
        self.table = read_table(path)
        self.gaps, self.target = gaps, target

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_file() and path.suffix.lower() in SUFFIXES

    def __len__(self) -> int:
        return 1

    def examples(self) -> Iterator[Series]:
        table = self.table
        if self.target is not None:
            table.column(self.target)
        dates = next((n for n in table.header if n.lower() in _DATES or not _is_numeric(table.column(n))), None)
        numeric = [n for n in table.header if n == self.target or (n != dates and _is_numeric(table.column(n)))]
        if not numeric:
            raise DataError("no column holds numbers", where=self.path, remedy=f"give {self.reads}")
        left_out = [name for name in table.header if name not in numeric and name != dates]
        if left_out:
            self.notes.append(f"columns that hold no numbers are left out: {', '.join(left_out)}")
        values = np.stack([self._numbers(table, name) for name in numeric], axis=1)
        times = table.column(dates) if dates else [str(i + 1) for i in range(len(table.rows))]
        if dates:
            values, times = self._regular(values, times)
        yield Series(self._filled(values, numeric), tuple(numeric), tuple(times), str(self.path))

    def _numbers(self, table: Table, name: str) -> np.ndarray:
        found = np.empty(len(table.rows))
        for i, cell in enumerate(table.column(name)):
            try:
                found[i] = math.nan if cell.strip().lower() in _MISSING else float(cell)
            except ValueError:
                where = f"{self.path}:{table.lines[i]}"
                raise DataError(f"{cell!r} in column {name!r} is not a number", where=where, remedy="mend the cell") from None
            if math.isinf(found[i]):
                raise DataError(f"{name!r} is infinite", where=f"{self.path}:{table.lines[i]}")
            if math.isnan(found[i]) and self.gaps == "refuse":
                raise DataError(
                    f"{name!r} has no value ({cell!r})",
                    where=f"{self.path}:{table.lines[i]}",
                    remedy="fill it in, or set gaps=interpolate",
                )
        return found

    def _regular(self, values: np.ndarray, times: list[str]) -> tuple[np.ndarray, list[str]]:
        moments = [_moment(text) for text in times]
        if any(m is None for m in moments):
            return values, times  # labels that are no dates: the order of the rows is the order in time
        at = _positions([m for m in moments if m is not None])
        jumps = np.diff(at)
        wrong = int(np.argmax(jumps != 1)) if (jumps != 1).any() else None
        if wrong is None:
            return values, times
        line, before, after = self.table.lines[wrong + 1], times[wrong], times[wrong + 1]
        if jumps[wrong] <= 0 or not float(jumps[wrong]).is_integer():
            raise DataError(f"{after} does not follow {before} at the series' step", where=f"{self.path}:{line}", remedy="sort the rows")
        missing = int((jumps - 1).sum())
        if self.gaps == "refuse":
            raise DataError(
                f"{missing} moments are missing, the first between {before} and {after}",
                where=f"{self.path}:{line}",
                remedy="add the rows, or set gaps=interpolate",
            )
        whole = np.full((int(at[-1]) + 1, values.shape[1]), math.nan)
        whole[at.astype(int)] = values
        labels = ["(interpolated)"] * len(whole)
        for label, i in zip(times, at.astype(int), strict=True):
            labels[i] = label
        self.notes.append(f"{missing} missing moments are interpolated, the first after {before}")
        return whole, labels

    def _filled(self, values: np.ndarray, names: list[str]) -> np.ndarray:
        for column in range(values.shape[1]):
            gap = np.isnan(values[:, column])
            if gap.all():
                raise DataError(f"column {names[column]!r} holds no value", where=self.path)
            at = np.arange(len(values))
            values[gap, column] = np.interp(at[gap], at[~gap], values[~gap, column])
        return values


def season_of(times: tuple[str, ...]) -> int:
    """The number of steps after which a series of these dates is expected to repeat: 12 for months, 7 for days, 24 for hours,
    4 for quarters; 1 where nothing is known."""
    moments = [_moment(text) for text in times[:50]]
    dated = [m for m in moments if m is not None]
    if len(dated) < 3 or len(dated) < len(moments) - 5:
        return 1
    step = Counter((b - a).total_seconds() / 86400 for a, b in zip(dated, dated[1:], strict=False)).most_common(1)[0][0]
    known = ((28, 31, 12), (89, 92, 4), (1, 1, 7), (1 / 24, 1 / 24, 24), (7, 7, 52))
    return next((season for low, high, season in known if low - 1e-9 <= step <= high + 1e-9), 1)


def following(times: tuple[str, ...], count: int) -> list[str]:
    """The `count` dates after the last of `times`, written as they are; +1, +2, ... where they are no dates."""
    last, before = (_moment(text) for text in (times[-1], times[-2]))
    if last is None or before is None:
        return [f"+{i}" for i in range(1, count + 1)]
    monthly = last.day == before.day and last - before >= dt.timedelta(days=28)
    step = 12 * (last.year - before.year) + last.month - before.month
    made = []
    for i in range(1, count + 1):
        month = last.month - 1 + i * step
        try:
            then = last.replace(year=last.year + month // 12, month=month % 12 + 1) if monthly else last + i * (last - before)
        except ValueError:  # the 31st of a month that has 30 days
            then = last + i * (last - before)
        made.append(then.strftime("%Y-%m" if len(times[-1]) <= 7 else "%Y-%m-%d" if len(times[-1]) <= 10 else "%Y-%m-%d %H:%M"))
    return made


def _positions(moments: list[dt.datetime]) -> np.ndarray:
    """Each moment in steps from the first; the step is a month where every date falls on one day of the month."""
    if len(moments) > 2 and len({m.day for m in moments}) == 1 and len({(m.hour, m.minute) for m in moments}) == 1:
        months = np.array([12 * m.year + m.month for m in moments], dtype=float)
        step = float(np.median(np.diff(months)))
        if step >= 1:
            return (months - months[0]) / step
    seconds = np.array([(m - moments[0]).total_seconds() for m in moments])
    step = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 1.0
    return seconds / step if step > 0 else seconds


def _moment(text: str) -> dt.datetime | None:
    text = text.strip()
    for pattern in ("%Y-%m", "%Y/%m", "%Y-%m-%d", "%Y/%m/%d", "%m/%d/%Y"):
        try:
            return dt.datetime.strptime(text, pattern)
        except ValueError:
            continue
    try:
        return dt.datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None


def _is_numeric(cells: list[str]) -> bool:
    """Whether most cells are numbers, so that one bad cell is an error and not a column of names."""
    good = sum(_parses(cell) for cell in cells)
    present = sum(cell.strip().lower() not in _MISSING for cell in cells)
    return good > 0 and good >= 0.5 * present


def _parses(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return cell.strip().lower() != "nan"
