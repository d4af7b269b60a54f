"""The dates of a series: many ways to write them, and every gap, doublet and disorder named by its line."""

import datetime as dt
import time
from pathlib import Path

import numpy as np
import pytest

from tests.sources.series import Table, opened, read, refused


def days(start: str, count: int, every: int = 1, pattern: str = "%Y-%m-%d") -> list[str]:
    first = dt.datetime.fromisoformat(start)
    return [(first + dt.timedelta(days=every * i)).strftime(pattern) for i in range(count)]


def dated(dates: list[str]) -> str:
    return "date,value\n" + "".join(f'"{date}",{10 * i}\n' for i, date in enumerate(dates))


@pytest.mark.parametrize(
    "pattern",
    [
        "%Y-%m-%d",
        "%Y/%m/%d",
        "%m/%d/%Y",
        "%d/%m/%Y",
        "%d.%m.%Y",
        "%Y%m%d",
        "%d %b %Y",
        "%d-%b-%Y",
        "%B %d, %Y",
        "%Y-%m-%dT%H:%M:%S",
    ],
)
def test_dates_in_many_forms(table: Table, pattern: str) -> None:
    dates = days("2020-01-25", 40, pattern=pattern)
    assert list(read(table(dated(dates))).times) == dates
    del dates[20]
    assert ":22: 1 date is missing: " in refused(table(dated(dates)))


def test_day_and_month_that_could_change_places(table: Table) -> None:
    source, _ = opened(table(dated([f"01/{m:02}/2020" for m in range(1, 10)])))
    assert source.notes == ["dates are read as month/day/year"]
    source, _ = opened(table(dated([f"{d:02}/01/2020" for d in range(5, 13)])))
    assert source.notes == ["dates are read as month/day/year"]
    source, _ = opened(table(dated(days("2020-01-25", 40, pattern="%d/%m/%Y"))))
    assert source.notes == []


@pytest.mark.parametrize(
    "dates",
    [
        ["2020-01-31", "2020-02-29", "2020-03-31", "2020-04-30", "2020-05-31"],
        ["2021-01-30", "2021-02-28", "2021-03-30", "2021-04-30"],
        ["2020-03-31", "2020-06-30", "2020-09-30", "2020-12-31", "2021-03-31"],
        ["2019-02-28", "2020-02-29", "2021-02-28"],
        ["2020-01-01", "2021-01-01", "2022-01-01"],
        ["2020-01", "2020-02", "2020-03"],
        ["2020Q1", "2020Q2", "2020Q3", "2020Q4", "2021Q1"],
        ["1999", "2000", "2001"],
        ["2020-01-03", "2020-01-10", "2020-01-17"],
        ["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07"],  # a weekend between
        ["2020-01-01 22:00", "2020-01-01 23:00", "2020-01-02 00:00"],
        ["2020-03-29T01:00:00+01:00", "2020-03-29T03:00:00+02:00", "2020-03-29T04:00:00+02:00"],  # summer time begins
        ["Jan 2020", "Feb 2020", "Mar 2020"],
        ["2020-01-01", "2020-01-02"],
        ["2020-01-01"],
    ],
)
def test_regular_dates_pass(table: Table, dates: list[str]) -> None:
    assert list(read(table(dated(dates))).times) == dates


def test_of_two_readings_the_regular_one_is_taken(table: Table) -> None:
    source, series = opened(
        table(dated(["01/11/2020", "01/12/2020", "01/01/2021"]))
    )  # months, or two days and a leap back
    assert len(series.times) == 3
    assert source.notes == ["dates are read as day/month/year"]


def test_dates_need_not_be_padded(table: Table) -> None:
    dates = [f"2020-{m}-{d}" for m, d in ((1, 30), (1, 31), (2, 1), (2, 2))]
    assert list(read(table(dated(dates))).times) == dates


def test_a_long_table_is_read_fast(table: Table) -> None:
    start = dt.datetime(2000, 1, 1)
    path = table("when,value\n" + "".join(f"{start + dt.timedelta(minutes=i)},{i}\n" for i in range(50_000)))
    began = time.monotonic()
    assert len(read(path).values) == 50_000
    assert time.monotonic() - began < 3


def test_a_gap_names_the_lines_on_both_sides_and_what_lacks(table: Table) -> None:
    dates = days("2020-01-01", 30)
    path = table(dated(dates[:9] + dates[10:19] + dates[21:]))
    listed = "2020-01-10 (between lines 10 and 11), 2020-01-20 (between lines 19 and 20)"
    assert (
        refused(path) == f":11: 3 dates are missing: the gaps begin at {listed}; add the rows, or set gaps=interpolate"
    )
    source, series = opened(path, gaps="interpolate")
    assert list(series.times) == dates
    assert source.notes == [f"3 missing dates are interpolated: the gaps begin at {listed}"]
    np.testing.assert_allclose(series.values[8:11, 0], [80, 85, 90])


@pytest.mark.parametrize(
    ("dates", "missing"),
    [
        (["2020-01-31", "2020-02-29", "2020-04-30", "2020-05-31"], "2020-03-31"),
        (["2020Q1", "2020Q2", "2020Q4", "2021Q1"], "2020Q3"),
        (["1999", "2000", "2002", "2003"], "2001"),
        (["2020-01-02", "2020-01-03", "2020-01-07", "2020-01-08"], "2020-01-06"),
        (["01/15/2020", "01/16/2020", "01/18/2020", "01/19/2020"], "01/17/2020"),
        (["2020-01-01 00:00", "2020-01-01 00:30", "2020-01-01 01:30"], "2020-01-01 01:00"),
        (["1", "2", "4", "5"], "3"),
        (["0", "0.1", "0.3", "0.4"], "0.2"),
    ],
)
def test_what_is_missing_is_written_as_the_others(table: Table, dates: list[str], missing: str) -> None:
    path = table(dated(dates))
    assert f"1 date is missing: {missing} (between lines" in refused(path)
    assert missing in read(path, gaps="interpolate").times


@pytest.mark.parametrize(
    ("dates", "said"),
    [
        (
            ["2020-01-01", "2020-01-02", "2020-01-02", "2020-01-03"],
            ":4: 2020-01-02 follows 2020-01-02 (line 3): the same date twice",
        ),
        (
            ["2020-01-01", "2020-01-03", "2020-01-02"],
            ":4: 2020-01-02 follows 2020-01-03 (line 3): dates must rise; sort the rows",
        ),
        (["2020-01-03", "2020-01-02", "2020-01-01"], ":3: 2020-01-02 follows 2020-01-03 (line 2): dates must rise"),
        (["1990", "1991", "1992", "1990"], ":5: 1990 follows 1992 (line 4): dates must rise"),
        (
            ["2020-01-01", "2020-13-02", "2020-01-03"],
            ":3: '2020-13-02' is no date like the others, such as '2020-01-01'; mend",
        ),
        (["2020-01-01", "", "2020-01-03"], ":3: '' is no date like the others"),
        (["2020-01-01", "2020/01/02", "2020-01-03"], ":3: '2020/01/02' is no date like the others"),
        (
            ["2020-01-01", "2020-01-02", "2020-01-02 12:00", "2020-01-03", "2020-01-04", "2020-01-05"],
            ":4: 2020-01-02 12:00 comes 0.5 steps after 2020-01-02 (line 3), not one",
        ),
        (
            ["2020-01-01", "2020-01-03", "2020-01-05", "2020-01-08"],
            ":5: 2020-01-08 comes 1.5 steps after 2020-01-05 (line 4), not one; give the rows at one step",
        ),
    ],
)
@pytest.mark.parametrize("gaps", ["refuse", "interpolate"])
def test_dates_that_are_wrong(table: Table, dates: list[str], said: str, gaps: str) -> None:
    assert refused(table(dated(dates)), gaps=gaps).startswith(said)


def test_a_date_far_away_is_no_gap_to_fill(table: Table) -> None:
    path = table(dated([*days("2020-01-01", 20), "9020-01-01"]))
    assert "dates are missing, more than the 21 that are there" in refused(path, gaps="interpolate")


def test_the_real_temperatures_lack_two_days(shared_data: Path) -> None:
    path = shared_data / "timeseries" / "daily-min-temperatures.csv"
    text = refused(path)
    lines = path.read_text().splitlines()
    after = [next(i for i, line in enumerate(lines, 1) if day in line) for day in ("1985-01-01", "1989-01-01")]
    assert text.startswith(
        f":{after[0]}: 2 dates are missing: 1984-12-31 (between lines {after[0] - 1} and {after[0]}), 1988-12-31 "
    )
    assert f"(between lines {after[1] - 1} and {after[1]}); add the rows, or set gaps=interpolate" in text
    source, series = opened(path, gaps="interpolate")
    assert len(series.values) == 3652
    assert "1984-12-31" in series.times
    assert "2 missing dates are interpolated" in source.notes[0]


@pytest.mark.parametrize("name", ["airline-passengers.csv", "monthly-sunspots.csv"])
def test_the_other_real_series_are_whole(shared_data: Path, name: str) -> None:
    source, series = opened(shared_data / "timeseries" / name)
    assert len(series.names) == 1
    assert not source.notes
