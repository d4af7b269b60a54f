"""A time series in a CSV: a header, one row per moment, in order; a column of dates if there is one, columns of numbers.

Dates must follow one another at one step: months, working days, or a fixed number of seconds. What is missing, a cell or a
date, is an error with its line, or interpolated if the user says so.
"""

import datetime as dt
import math
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from samoyed.errors import DataError, shown
from samoyed.examples import Series
from samoyed.sources import Source, needed
from samoyed.sources._calendar import Dates, is_month_end, later, positions, read_dates, season, step_of
from samoyed.sources._paths import plural
from samoyed.sources._tables import SUFFIXES, Table, read_table

_NAMES = ("date", "time", "datetime", "timestamp", "month", "year", "quarter", "week", "day", "")  # "": pandas' index
_CERTAIN = ("date", "time", "datetime", "timestamp", "year")  # names that a column of anything else rarely has
_SEEN = 400  # dates that tell the step: more than a year of days
_MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "?")
_MOST_ADDED = 1.0  # dates that interpolation may add, per date that is there
_LEAST_FILLED = 0.5  # share of a column's cells that must hold a value
_LARGEST = 1e30  # beyond this, squares do not fit 32-bit numbers by far, and a unit is wrong

Values = NDArray[np.float64]


class SeriesTable(Source):
    """Reads the numeric columns of a table as one series; `gaps` says what to do where a value or a date is missing."""

    yields = "Series"
    reads = "a CSV with a header, one row per moment, and at least one column of numbers (prices.csv)"

    def __init__(
        self,
        path: Path,
        *,
        gaps: Literal["refuse", "interpolate"] = "refuse",
        target: str | None = None,
        data: bytes | None = None,
    ) -> None:
        super().__init__(path)
        self.table = read_table(path, data)
        self.gaps, self.target = gaps, target

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_file() and path.suffix.lower() in SUFFIXES

    def __len__(self) -> int:
        return 1

    def examples(self) -> Iterator[Series]:
        table = self.table
        _refuse_headless(table)
        if self.target is not None:
            table.column(self.target)
        dated, dates = _dates_of(table)
        numeric = [
            n for n in table.header if n == self.target or (n not in (dated, "") and _is_numeric(table.column(n)))
        ]
        if not numeric:
            raise DataError(f"no column of {table.columns()} holds numbers", where=self.path, remedy=_remedy(table))
        left_out = [name for name in table.header if name and name not in (*numeric, dated)]
        if left_out:
            self.notes.append(f"columns that hold no numbers are left out: {', '.join(left_out)}")
        values = np.stack([self._numbers(table, name) for name in numeric], axis=1)
        times = [str(i + 1) for i in range(len(table.rows))] if dated is None else table.column(dated)
        if dates is not None:
            values, times = self._regular(values, times, dates)
        else:
            self.notes.append("no column holds dates: the order of the rows is the order in time")
        yield Series(self._filled(values, numeric), tuple(numeric), tuple(times), str(self.path))

    def _numbers(self, table: Table, name: str) -> Values:
        """A column as numbers, NaN where a cell says that it is missing."""
        found = np.empty(len(table.rows))
        missing = []
        for row, cell in enumerate(table.column(name)):
            value = _number(cell)
            if value is None:
                raise DataError(
                    f"{shown(cell)!r} in column {name!r} is not a number", where=table.at(row), remedy=_mended(cell)
                )
            if abs(value) > _LARGEST:
                raise DataError(
                    f"{shown(cell)!r} in column {name!r} is too large", where=table.at(row), remedy="mend the cell"
                )
            if math.isnan(value):
                missing.append(row)
            found[row] = value
        if missing and self.gaps == "refuse":
            more = f", and in {plural(len(missing) - 1, 'more row')}" if len(missing) > 1 else ""
            held = table.column(name)[missing[0]]
            raise DataError(
                f"column {name!r} has no value here ({held!r}){more}",
                where=table.at(missing[0]),
                remedy="fill it in, or set gaps=interpolate",
            )
        if len(missing) > (1 - _LEAST_FILLED) * len(found):
            raise DataError(
                f"column {name!r} has no value in {len(missing)} of {len(found)} rows, too many to interpolate",
                where=self.path,
                remedy="remove the column, or choose another with target=",
            )
        if missing:
            line = table.lines[missing[0]]
            self.notes.append(f"{len(missing)} missing values of {name!r} are interpolated, the first in line {line}")
        return found

    def _regular(self, values: Values, times: list[str], dates: Dates) -> tuple[Values, list[str]]:
        """Values and dates at one step, after every check of the dates."""
        bad = next((row for row, moment in enumerate(dates.moments) if moment is None), None)
        if bad is not None:
            example = next(t for t, moment in zip(times, dates.moments, strict=True) if moment is not None)
            problem = f"{shown(times[bad])!r} is no date like the others, such as {example!r}"
            raise DataError(problem, where=self.table.at(bad), remedy="mend the cell")
        if dates.order:
            self.notes.append(f"dates are read as {dates.order}")
        moments = dates.known
        self._refuse_disorder(times, moments)
        step = step_of(moments)
        at = positions(moments, step)
        jumps = np.diff(at)
        wrong = next((i for i, jump in enumerate(jumps) if abs(jump - round(jump)) > 1e-6 or round(jump) < 1), None)
        if wrong is not None:
            raise DataError(
                f"{times[wrong + 1]} comes {jumps[wrong]:.3g} steps after {times[wrong]} (line {self.table.lines[wrong]}), not one",
                where=self.table.at(wrong + 1),
                remedy="give the rows at one step, such as a row per day",
            )
        wide = [i for i, jump in enumerate(jumps) if round(jump) > 1]
        if not wide:
            return values, times
        return self._widened(values, times, dates, at.round().astype(int), wide)

    def _refuse_disorder(self, times: list[str], moments: list[dt.datetime]) -> None:
        for row, (before, after) in enumerate(pairwise(moments), start=1):
            if after > before:
                continue
            first, second = f"{times[row - 1]} (line {self.table.lines[row - 1]})", times[row]
            if after == before:
                problem, remedy = f"{second} follows {first}: the same date twice", "keep one row per date"
            else:
                problem, remedy = f"{second} follows {first}: dates must rise", "sort the rows, the oldest first"
            raise DataError(problem, where=self.table.at(row), remedy=remedy)

    def _widened(
        self, values: Values, times: list[str], dates: Dates, at: NDArray[np.int64], wide: list[int]
    ) -> tuple[Values, list[str]]:
        """With a row of NaN for every missing date. Raises DataError unless gaps may be interpolated."""
        moments, lines = dates.known, self.table.lines
        step, month_end = step_of(moments), is_month_end(moments)
        missing = int(at[-1]) + 1 - len(at)
        listed = [
            f"{dates.write(later(moments[i], step, 1, month_end))} (between lines {lines[i]} and {lines[i + 1]})"
            for i in wide[:3]
        ]
        more = " and more" if len(wide) > 3 else ""
        found = f"{missing} date{' is' if missing == 1 else 's are'} missing"
        where, first = self.table.at(wide[0] + 1), "" if missing == len(listed) else "the gaps begin at "
        if self.gaps == "refuse":
            raise DataError(
                f"{found}: {first}{', '.join(listed)}{more}",
                where=where,
                remedy="add the rows, or set gaps=interpolate",
            )
        if missing > _MOST_ADDED * len(at):
            raise DataError(
                f"{found}, more than the {len(at)} that are there: {first}{', '.join(listed)}{more}",
                where=where,
                remedy="mend the date, or give the series in parts",
            )
        whole = np.full((int(at[-1]) + 1, values.shape[1]), math.nan)
        whole[at] = values
        labels = [dates.write(later(moments[0], step, i, month_end)) for i in range(len(whole))]
        for i, label in zip(at.tolist(), times, strict=True):
            labels[i] = label
        self.notes.append(f"{missing} missing dates are interpolated: {first}{', '.join(listed)}{more}")
        return whole, labels

    def _filled(self, values: Values, names: list[str]) -> Values:
        """In a straight line between neighbours; at the ends the nearest value is repeated."""
        at = np.arange(len(values))
        for column in range(values.shape[1]):
            gap = np.isnan(values[:, column])
            if gap.all():
                raise DataError(f"column {names[column]!r} holds no value", where=self.path, remedy="remove the column")
            values[gap, column] = np.interp(at[gap], at[~gap], values[~gap, column])
        return values


def season_of(times: tuple[str, ...]) -> int:
    """The number of steps after which a series of these dates is expected to repeat: 12 for months, 4 for quarters, 52 for
    weeks, 7 for days, 5 for working days, 24 for hours; 1 where nothing is known."""
    dates = read_dates(times[:_SEEN])
    return season(step_of(dates.known)) if dates is not None and len(dates.known) > 2 else 1


def following(times: tuple[str, ...], count: int) -> list[str]:
    """The `count` dates after the last of `times`, written as they are; +1, +2, ... where they are no dates."""
    dates = read_dates(times[-_SEEN:])
    if dates is None or len(dates.known) < 2 or dates.moments[-1] is None:
        return [f"+{i}" for i in range(1, count + 1)]
    step, month_end, last = step_of(dates.known), is_month_end(dates.known), dates.moments[-1]
    try:
        return [dates.write(later(last, step, i, month_end)) for i in range(1, count + 1)]
    except OverflowError:  # the calendar ends with year 9999
        return [f"+{i}" for i in range(1, count + 1)]


def _dates_of(table: Table) -> tuple[str | None, Dates | None]:
    """The column that says when, and its dates: one that holds dates, else an index of rising numbers with a name such as
    year, time or none at all. (None, None) where there is neither."""
    named = [name for name in table.header if name.lower() in _NAMES]
    for name in (*named, *(n for n in table.header if n not in named)):
        cells = table.column(name)
        dates = None if _is_numeric(cells) else read_dates(cells)
        if dates is not None:
            return name, dates
    for name in named:
        dates = read_dates(table.column(name)) or _index(table.column(name))
        rising = _rising(dates)
        if dates is not None and (rising == 1 or (rising > 0.5 and name.lower() in _CERTAIN)):
            return name, dates
    return None, None


def _index(cells: list[str]) -> Dates | None:
    """Rising numbers as moments, a second for each, so that their steps are checked as those of dates are."""
    start = dt.datetime(2000, 1, 1)
    try:
        moments: list[dt.datetime | None] = [start + dt.timedelta(seconds=float(cell)) for cell in cells]
    except (ValueError, OverflowError):
        return None
    return Dates(moments, lambda moment: f"{(moment - start).total_seconds():.15g}")


def _rising(dates: Dates | None) -> float:
    """The share of neighbours that rise."""
    known = [] if dates is None else dates.known
    return sum(b > a for a, b in pairwise(known)) / (len(known) - 1) if len(known) > 1 else float(bool(known))


def _refuse_headless(table: Table) -> None:
    """Raises DataError where the first line is data: every cell of it a number or a date."""
    if all(_is_numeric([name]) or read_dates([name]) is not None for name in table.header):
        raise DataError(
            f"its first line is data ({table.columns(4)}), and should name the columns",
            where=f"{table.path}:1",
            remedy="put a line such as date,value before it",
        )


def _number(cell: str) -> float | None:
    """A cell's number, NaN where it says that there is none, None where it is neither. 1_000 is no number in a table."""
    text = cell.strip()
    if text.lower() in _MISSING:
        return math.nan
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _is_numeric(cells: list[str]) -> bool:
    """Whether most cells are numbers, so that one bad cell is an error and not a column of names."""
    values = [_number(cell) for cell in cells]
    good = sum(value is not None and not math.isnan(value) for value in values)
    return good > 0 and 2 * good >= sum(value is None or not math.isnan(value) for value in values)


def _mended(cell: str) -> str:
    """What to do about a cell that is not a number."""
    if re.fullmatch(r"[-+]?[\d.]*\d,\d+", cell.strip()):
        return "write a decimal point, not a comma (1.5)"
    if re.fullmatch(r"[^\w\s]?\s?[-+]?\d[\d,.]*\s?\S{0,3}", cell.strip()):
        return "write the bare number, without unit or separators (1234.5)"
    return "mend the cell, or leave it empty"


def _remedy(table: Table) -> str:
    """For a table without numbers: how to write those that it may mean."""
    cells = [cell for name in table.header for cell in table.column(name)[:20] if re.search(r"\d", cell)]
    hints = [_mended(cell) for cell in cells if read_dates([cell]) is None]
    return next((hint for hint in hints if hint.startswith("write")), needed("Series"))
