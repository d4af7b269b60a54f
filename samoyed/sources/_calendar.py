"""Dates as people write them, and the step at which they follow one another: months, working days, or a number of seconds."""

import calendar
import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

_DAY = 86400.0
_LOOKED_AT = 50  # cells that decide how dates are written
_PATTERNS = (
    "%Y-%m", "%Y/%m", "%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y",
    "%b %Y", "%B %Y", "%b-%Y", "%b-%y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%B %d, %Y",
    "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S",
    "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S",
)  # fmt: skip
_TWINS = {
    "%m/%d/%Y": "month/day/year",
    "%m-%d-%Y": "month-day-year",
    "%d/%m/%Y": "day/month/year",
    "%d-%m-%Y": "day-month-year",
}
_QUARTER = re.compile(r"(?P<year>\d{4})(?P<between>[- ]?)Q(?P<quarter>[1-4])", re.IGNORECASE)


class Step(NamedTuple):
    """How far one date is from the next: `size` months, working days, or seconds."""

    unit: Literal["month", "workday", "second"]
    size: float


@dataclass(frozen=True)
class Dates:
    """`moments`, one per cell, None where a cell is no date; `write` puts a moment as the cells have it; `order` says in words
    how they were read where another reading was possible."""

    moments: list[dt.datetime | None]
    write: Callable[[dt.datetime], str]
    order: str = ""

    @property
    def known(self) -> list[dt.datetime]:
        """The moments that could be read."""
        return [m for m in self.moments if m is not None]


def read_dates(cells: Sequence[str]) -> Dates | None:
    """The cells as dates, if at least half of them are, all written alike; None otherwise."""
    texts = [cell.strip() for cell in cells]
    some = [text for text in texts if text][:_LOOKED_AT]
    found: list[Dates] = []
    for write, parse, order in _readings(some):
        if 2 * sum(parse(text) is not None for text in some) >= max(1, len(some)):
            found.append(Dates([parse(text) for text in texts], write, order))
    found = [dates for dates in found if 2 * len(dates.known) >= len(texts)]
    if not found:
        return None
    most = max(len(dates.known) for dates in found)
    best = [dates for dates in found if len(dates.known) == most]
    chosen = next((dates for dates in best if _is_regular(dates.known)), best[0])
    return chosen if len(best) > 1 else Dates(chosen.moments, chosen.write)


def step_of(moments: Sequence[dt.datetime]) -> Step:
    """The commonest step between neighbours; months where all fall on one day of the month or on its last, working days where
    daily dates leave out every Saturday and Sunday."""
    ordered = sorted(set(moments))
    if len(ordered) < 2:
        return Step("second", _DAY)
    seconds = _commonest([(b - a).total_seconds() for a, b in pairwise(ordered)])
    if _is_monthly(ordered):
        return Step("month", _commonest([_months(b) - _months(a) for a, b in pairwise(ordered)]))
    weekend_left_out = all(m.weekday() < 5 for m in ordered) and any(
        b.weekday() < a.weekday() for a, b in pairwise(ordered)
    )
    if seconds == _DAY and weekend_left_out and len({m.time() for m in ordered}) == 1:
        return Step("workday", 1)
    return Step("second", seconds)


def positions(moments: Sequence[dt.datetime], step: Step) -> NDArray[np.float64]:
    """Each moment in steps from the first, whole where the dates are regular."""
    first = moments[0]
    if step.unit == "month":
        away = [float(_months(m) - _months(first)) for m in moments]
    elif step.unit == "workday":
        days = np.array([m.date() for m in moments], dtype="datetime64[D]")
        away = np.busday_count(days[0], days).astype(float).tolist()
    else:
        away = [(m - first).total_seconds() for m in moments]
    return np.array(away) / step.size


def later(moment: dt.datetime, step: Step, count: int, monthly_end: bool = False) -> dt.datetime:
    """`moment` moved on by `count` steps; a day that a month lacks becomes its last. Raises OverflowError after year 9999."""
    if step.unit == "second":
        return moment + dt.timedelta(seconds=count * step.size)
    if step.unit == "workday":
        day = np.busday_offset(np.datetime64(moment.date()), count).astype(dt.date)
        return dt.datetime.combine(day, moment.time())
    year, month = divmod(_months(moment) + round(count * step.size), 12)
    if year > dt.MAXYEAR:
        raise OverflowError("there is no year 10000")
    last = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=last if monthly_end else min(moment.day, last))


def season(step: Step) -> int:
    """After how many steps such dates are expected to repeat: a year of months, quarters or weeks, a week of days, a day of
    hours or of quarters of an hour; 1 where nothing is known."""
    if step.unit == "workday":
        return 5
    if step.unit == "month":
        return int(12 / step.size) if 12 % step.size == 0 else 1
    if step.size in (_DAY, 7 * _DAY):
        return 7 if step.size == _DAY else 52
    return int(_DAY / step.size) if 900 <= step.size < _DAY and _DAY % step.size == 0 else 1


def is_month_end(moments: Sequence[dt.datetime]) -> bool:
    """Whether every moment falls on the last day of its month."""
    return all(m.day == calendar.monthrange(m.year, m.month)[1] for m in moments)


_Parse = Callable[[str], dt.datetime | None]
_Reading = tuple[Callable[[dt.datetime], str], _Parse, str]


def _readings(some: Sequence[str]) -> list[_Reading]:
    """Every way to read and write dates that could suit cells like these."""
    example = some[-1] if some else ""
    iso: list[_Reading] = []
    if not example.isdecimal():  # ISO 8601 in digits alone is one of the patterns, or a number
        iso = [(_iso_writer(example), _iso, "")]
        if all(_iso(text) for text in some):
            return iso  # thirty times as fast as a pattern, which matters for a million rows
    made = iso + [(_writer(pattern), _parser(pattern), _TWINS.get(pattern, "")) for pattern in _PATTERNS]
    quarter = _QUARTER.fullmatch(example)
    if quarter:
        between = quarter["between"]
        made.append((lambda m: f"{m.year:04}{between}Q{(m.month + 2) // 3}", _quarter, ""))
    if all(re.fullmatch(r"[12]\d{3}", text) for text in some):
        made.append((lambda m: f"{m.year:04}", _parser("%Y"), ""))
    return made


def _writer(pattern: str) -> Callable[[dt.datetime], str]:
    return lambda moment: moment.strftime(pattern)


def _parser(pattern: str) -> _Parse:
    def parse(text: str) -> dt.datetime | None:
        if pattern == "%Y%m%d" and len(text) != 8:  # strptime would read 11011 as a day of the year 1101
            return None
        try:
            return dt.datetime.strptime(text, pattern)
        except ValueError:
            return None

    return parse


def _iso(text: str) -> dt.datetime | None:
    """ISO 8601; moments with an offset become those of Greenwich, so that summer time makes no gap."""
    try:
        moment = dt.datetime.fromisoformat(text)
        return moment if moment.tzinfo is None else moment.astimezone(dt.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


def _iso_writer(example: str) -> Callable[[dt.datetime], str]:
    zone = "+00:00" if re.search(r"(Z|[+-]\d\d:?\d\d)$", example) and len(example) > 10 else ""
    exact = "microseconds" if "." in example else "seconds" if example.count(":") - (":" in zone) >= 2 else "minutes"
    between = "T" if "T" in example else " "
    if len(example) <= 10:
        return lambda moment: moment.strftime("%Y-%m-%d")
    return lambda moment: moment.isoformat(between, exact) + zone


def _quarter(text: str) -> dt.datetime | None:
    found = _QUARTER.fullmatch(text)
    return dt.datetime(max(1, int(found["year"])), 3 * int(found["quarter"]) - 2, 1) if found else None


def _is_regular(moments: Sequence[dt.datetime]) -> bool:
    if len(moments) < 2:
        return True
    jumps = np.diff(positions(moments, step_of(moments)))
    return bool(np.allclose(jumps, 1))


def _is_monthly(ordered: Sequence[dt.datetime]) -> bool:
    if len({m.time() for m in ordered}) > 1:
        return False
    anchor = max(m.day for m in ordered)  # the 31st stands for the last day where a month has none
    return all(m.day == min(anchor, calendar.monthrange(m.year, m.month)[1]) for m in ordered)


def _months(moment: dt.datetime) -> int:
    return 12 * moment.year + moment.month - 1


def _commonest(values: Sequence[float]) -> float:
    """The value that is there most often; of equals the smallest."""
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], value))
