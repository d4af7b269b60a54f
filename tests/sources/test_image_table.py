"""A CSV of pictures: cells mean what they say, and every row that cannot be used is named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from samoyed.errors import DataError
from samoyed.examples import Image
from samoyed.sources import Source, open_splits

Paint = Callable[..., Path]


@pytest.fixture
def table(tmp_path: Path, paint: Paint) -> Callable[..., Path]:
    """Writes a table beside the pictures 0.png to 29.png."""
    for i in range(30):
        paint(tmp_path / f"{i}.png", i)

    def write(text: str | bytes, name: str = "labels.csv") -> Path:
        data = text if isinstance(text, bytes) else text.encode()
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


def opened(path: Path) -> Source:
    return open_splits("Image", path)["all"]


def labels(path: Path) -> list[str | None]:
    return [e.label for e in opened(path).examples() if isinstance(e, Image)]


def refused(path: Path) -> str:
    with pytest.raises(DataError) as raised:
        list(opened(path).examples())
    text = str(raised.value)
    assert len(text.splitlines()) == 1
    return text.removeprefix(str(path))


Table = Callable[..., Path]


def test_labels_are_text_exactly_as_written(table: Table) -> None:
    rows = ["NA", "007", "null", "True", "1e3", "-", "cat, big", ' "x" '.strip()]
    body = "".join(f'{i}.png,"{label.replace(chr(34), chr(34) * 2)}"\n' for i, label in enumerate(rows))
    assert labels(table("path,label\n" + body)) == rows


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends(table: Table, separator: str, ending: str) -> None:
    rows = [f"path{separator}label", f"0.png{separator}a", f"1.png{separator}b", ""]
    assert labels(table(ending.join(rows))) == ["a", "b"]


def test_a_tab_separated_file(table: Table) -> None:
    assert labels(table("path\tlabel\n0.png\ta,b\n", "labels.tsv")) == ["a,b"]


def test_a_comma_in_a_quoted_name_is_no_separator(table: Table) -> None:
    assert labels(table('path;label;"size, in cm"\n0.png;a;"1,5"\n1.png;b;2\n')) == ["a", "b"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings(table: Table, encoding: str) -> None:
    mark = {"utf-16-le": "\ufeff", "utf-16-be": "\ufeff"}.get(encoding, "")
    assert labels(table((mark + "path,label\n0.png,größer\n1.png,猫\n").encode(encoding))) == ["größer", "猫"]


def test_quoted_line_breaks_stay_in_their_cell(table: Table) -> None:
    path = table('path,label,remark\n0.png,"a\nb","one\r\ntwo"\n1.png,c,""\n')
    assert labels(path) == ["a\nb", "c"]


@pytest.mark.parametrize("odd", ["\u2028", "\x0b", "\x0c", "\x85", "\x1c"])
def test_only_line_breaks_break_lines(table: Table, odd: str) -> None:
    assert labels(table(f"path,label\n0.png,a{odd}b\n1.png,c\n")) == [f"a{odd}b", "c"]


def test_paths_with_spaces_and_other_scripts_and_folders(table: Table, paint: Paint, tmp_path: Path) -> None:
    paint(tmp_path / "my pictures" / "été 猫.png", 3)
    path = table("path,label\nmy pictures/été 猫.png,a\n./0.png,b\nmy pictures\\été 猫.png,c\n 1.png ,d\n")
    assert labels(path) == ["a", "b", "c", "d"]


def test_absolute_paths(table: Table, tmp_path: Path) -> None:
    assert labels(table(f"path,label\n{tmp_path}/0.png,a\n")) == ["a"]


@pytest.mark.parametrize(
    "header", ["Path,Label", "FILENAME,class", " image , category ", "label,file", "x,target,picture"]
)
def test_columns_go_by_several_names(table: Table, header: str) -> None:
    names = [name.strip().lower() for name in header.split(",")]
    row = ",".join(
        {"x": "9", "path": "0.png"}.get(n, "0.png" if n in ("filename", "image", "file", "picture") else "a")
        for n in names
    )
    assert labels(table(f"{header}\n{row}\n")) == ["a"]


def test_empty_lines_between_rows(table: Table) -> None:
    assert labels(table("\n\npath,label\n\n0.png,a\n   \n1.png,b\n\n\n")) == ["a", "b"]


def test_a_missing_file_is_skipped_and_named_by_line(table: Table) -> None:
    path = table("path,label\n" + "".join(f"{i}.png,a\n" for i in range(20)) + "gone.png,b\n,b\n")
    source = opened(path)
    assert len(source) == 22
    assert [(d.where, d.why) for d in source.damaged] == [
        (f"{path}:22", "there is no file 'gone.png'"),
        (f"{path}:23", "there is no file ''"),
    ]
    assert len(list(source.examples())) == 20


def test_a_damaged_picture_is_skipped_and_named(table: Table, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"broken")
    source = opened(table("path,label\n0.png,a\n1.png,a\n2.png,b\n"))
    assert len(list(source.examples())) == 2
    assert [d.where for d in source.damaged] == [str(tmp_path / "1.png")]


def test_missing_and_damaged_count_together(table: Table, tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"broken")
    (tmp_path / "1.png").write_bytes(b"broken")
    text = refused(table("path,label\n" + "".join(f"{i}.png,a\n" for i in range(19)) + "gone.png,b\n"))
    assert "more than 10% of its 20 files cannot be read" in text


def test_labels_that_differ_only_by_capitals_are_noted(table: Table) -> None:
    assert opened(table("path,label\n0.png,Cat\n1.png,cat\n2.png,dog\n")).notes == [
        "'Cat' and 'cat' are two classes, as written"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ": is an empty file; give a table with a header and a row for each example"),
        (" \n\n \n", ": holds nothing but white space"),
        ("path,label\n", ": has a header and no rows"),
        ("path,label", ": has a header and no rows"),
        ("path,label,label\n0.png,a,b\n", ": two columns are called 'label'; give each column a name of its own"),
        ("path,,\n0.png,a,b\n", ": two columns have no name"),
        ("path,label\n0.png,a\n1.png\n", ":3: this row has 1 cell where the header has 2; put quotes"),
        ("path,label\n0.png,a,b\n", ":2: this row has 3 cells where the header has 2"),
        ('path,label\n0.png,"a\n1.png,b\n', ":2: the row that begins here cannot be read: a quoted cell never ends"),
        ("path,label\n0.png,\n", ":2: this row has no label; fill it in, or remove the row"),
        ("path,label\n0.png,  \n", ":2: this row has no label"),
        ("path,lable\n0.png,a\n", ": has no column called label; its columns are path, lable"),
        ("where,label\n0.png,a\n", ": has no column called path; its columns are where, label"),
        (
            "name,language\nAhn,Korean\n",
            ": has the columns name, language, and lists no pictures; image-classification and image-similarity learn from",
        ),
        (
            "path,label\nx.png,a\ny.png,b\n",
            ":2: 'x.png' is no file, nor is any other of the 2 paths in this table; write paths as",
        ),
    ],
)
def test_each_mistake_has_its_line(table: Table, text: str, said: str) -> None:
    assert refused(table(text)).startswith(said)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            "path,label\n0.png,a\n1.png,größe\n".encode("latin-1"),
            ":3: is not UTF-8 text: byte 0xf6 at offset 27; save it as UTF-8",
        ),
        ("path,label\n0.png,a\n".encode("utf-16-le"), ":1: is not text: a zero byte at offset 1"),
        (b"PK\x03\x04rest", ": is a ZIP archive, which spreadsheets and word processors write too, not text"),
        (b"\xff\xfep\x00a", ":1: is not UTF-16 text"),
    ],
)
def test_what_is_no_text_says_so(table: Table, data: bytes, said: str) -> None:
    assert refused(table(data)).startswith(said)


def test_a_giant_cell_in_an_error_is_cut(table: Table) -> None:
    assert len(refused(table("path,label\n" + "x" * 100_000 + ",a\n"))) < 2500


def test_splits_may_be_tables(table: Table, tmp_path: Path, paint: Paint) -> None:
    folder = tmp_path / "divided"
    paint(folder / "images" / "0.png")
    for name in ("train", "val", "test"):
        (folder / f"{name}.csv").write_text("path,label\nimages/0.png,a\n")
    sources = open_splits("Image", folder)
    assert list(sources) == ["train", "valid", "test"]
    assert all(len(list(source.examples())) == 1 for source in sources.values())
    assert not sources["train"].notes


def test_a_column_of_labels_may_have_empty_cells(table: Table) -> None:
    assert labels(table("path,labels\n0.png,a;b\n1.png,\n2.png,c\n")) == ["a;b", "", "c"]
    with pytest.raises(DataError, match="call the column labels"):
        labels(table("path,label\n0.png,a\n1.png,\n"))
