"""A series in a table: every value and every date is there, or its line is named, or it is interpolated and said so."""

import numpy as np
import pytest

from tests.sources.series import Table, opened, read, refused


def monthly(*values: object, month: str = "2020-{:02}") -> str:
    return "month,sold\n" + "".join(f"{month.format(i + 1)},{value}\n" for i, value in enumerate(values))


# Plain ones


def test_dates_and_numbers(table: Table) -> None:
    series = read(table("date,open,close,remark\n2020-01-01,1,2.5,a\n2020-01-02,-3,4e2,b\n2020-01-03,0, 5 ,c\n"))
    assert series.names == ("open", "close")
    assert series.times == ("2020-01-01", "2020-01-02", "2020-01-03")
    np.testing.assert_array_equal(series.values, [[1, 2.5], [-3, 400], [0, 5]])


def test_what_is_left_out_is_said(table: Table) -> None:
    source, _ = opened(table("date,close,remark\n2020-01-01,1,a\n2020-01-02,2,b\n"))
    assert source.notes == ["columns that hold no numbers are left out: remark"]


def test_one_column_without_dates(table: Table) -> None:
    source, series = opened(table("value\n1\n2\n4\n"))
    assert series.times == ("1", "2", "3")
    assert source.notes == ["no column holds dates: the order of the rows is the order in time"]


def test_the_date_may_stand_anywhere(table: Table) -> None:
    assert read(table("name,close,when\nx,1,2020-01\ny,2,2020-02\n")).times == ("2020-01", "2020-02")


def test_the_index_of_another_program_is_no_series(table: Table) -> None:
    assert read(table(",date,close\n0,2020-01,5\n1,2020-02,6\n2,2020-03,7\n")).names == ("close",)
    series = read(table(",close\n0,5\n1,6\n2,7\n"))
    assert (series.names, series.times) == (("close",), ("0", "1", "2"))


def test_repeating_months_beside_years_are_numbers(table: Table) -> None:
    body = "".join(f"{2000 + i // 12},{i % 12 + 1},{i}\n" for i in range(36))
    assert read(table("year,month,sold\n" + body)).names == ("year", "month", "sold")


def test_the_target_may_be_named(table: Table) -> None:
    assert read(table(monthly(1, 2, 3)), target="sold").names == ("sold",)
    assert ": has no column 'sales'; its columns are month, sold" in refused(table(monthly(1, 2, 3)), target="sales")
    assert ":2: '2020-01' in column 'month' is not a number" in refused(table(monthly(1, 2, 3)), target="month")


# Missing and wrong cells


@pytest.mark.parametrize("cell", ["", "NA", "nan", "NaN", "?", "-", " ", "null", "N/A"])
def test_a_missing_cell(table: Table, cell: str) -> None:
    path = table(monthly(10, cell, cell, 40, 50))
    assert f":3: column 'sold' has no value here ({cell!r}), and in 1 more row; fill it in, or set gaps" in refused(
        path
    )
    source, series = opened(path, gaps="interpolate")
    np.testing.assert_allclose(series.values[:, 0], [10, 20, 30, 40, 50])
    assert source.notes == ["2 missing values of 'sold' are interpolated, the first in line 3"]


def test_the_ends_repeat_their_neighbour(table: Table) -> None:
    np.testing.assert_array_equal(read(table(monthly("", 2, 3, "")), gaps="interpolate").values[:, 0], [2, 2, 3, 3])


def test_an_empty_line_in_one_column_is_a_missing_value(table: Table) -> None:
    path = table("value\n1\n\n3\n\n\n")
    assert ":3: column 'value' has no value here ('')" in refused(path)
    np.testing.assert_array_equal(read(path, gaps="interpolate").values[:, 0], [1, 2, 3])


def test_too_much_is_missing(table: Table) -> None:
    path = table("month,sold,rain\n" + "".join(f"2020-{i:02},{i},{i if i < 3 else ''}\n" for i in range(1, 11)))
    assert "column 'rain' has no value in 8 of 10 rows, too many to interpolate" in refused(path, gaps="interpolate")


def test_nothing_at_all_is_no_number(table: Table) -> None:
    assert read(table("month,sold,rain\n2020-01,1,\n2020-02,2,\n")).names == ("sold",)


@pytest.mark.parametrize(
    ("cell", "remedy"),
    [
        ("abc", "mend the cell, or leave it empty"),
        ('"1,5"', "write a decimal point, not a comma (1.5)"),
        ('"1.234,5"', "write a decimal point, not a comma (1.5)"),
        ("$3", "write the bare number, without unit or separators (1234.5)"),
        ("12 %", "write the bare number, without unit or separators (1234.5)"),
        ('"1,234.5"', "write the bare number, without unit or separators (1234.5)"),
        ("1_000", "mend the cell, or leave it empty"),
    ],
)
def test_not_a_number(table: Table, cell: str, remedy: str) -> None:
    text = refused(table(monthly(1, 2, cell, 4, 5)), gaps="interpolate")
    assert text == f":4: {cell.strip(chr(34))!r} in column 'sold' is not a number; {remedy}"


@pytest.mark.parametrize("cell", ["inf", "-inf", "1e999", "1e31"])
def test_a_number_that_is_no_amount(table: Table, cell: str) -> None:
    assert f":2: {cell!r} in column 'sold' is too large" in refused(table(monthly(cell, 1, 2)))


def test_no_numbers_at_all(table: Table) -> None:
    assert (
        ": no column of name, language holds numbers; time-series-forecasting learns from series of numbers"
        in refused(table("name,language\nAhn,Korean\nBaik,Korean\n"))
    )
    text = refused(table("month;sold\n2020-01;1,5\n2020-02;2,5\n"))
    assert text == ": no column of month, sold holds numbers; write a decimal point, not a comma (1.5)"


def test_no_header(table: Table) -> None:
    for first in ("2020-01,112", "1,2", "2020-01-01 13:00,5"):
        assert f":1: its first line is data ({first.replace(',', ', ')})" in refused(table(f"{first}\n2020-02,118\n"))


@pytest.mark.parametrize("text", ["", "month,sold\n", "\n \n"])
def test_no_rows(table: Table, text: str) -> None:
    assert refused(table(text))[:2] == ": "
