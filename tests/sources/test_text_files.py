"""Plain text, and everything that only looks like it."""

import gzip
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from samoyed.errors import DataError
from samoyed.examples import Text
from samoyed.sources import _reading, open_splits

TEXT = "To be, or not to be,\nthat is the question.\n"


def read(path: Path) -> list[str]:
    return [e.text for e in open_splits("Text", path)["all"].examples() if isinstance(e, Text)]


def refused(path: Path) -> str:
    with pytest.raises(DataError) as raised:
        read(path)
    text = str(raised.value)
    assert len(text.splitlines()) == 1
    return text.removeprefix(str(path))


@pytest.fixture
def book(tmp_path: Path) -> Callable[..., Path]:
    """Writes one file."""

    def write(data: bytes | str, name: str = "book.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write


Book = Callable[..., Path]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings(book: Book, encoding: str) -> None:
    assert read(book((TEXT + "größer 猫 🐕").encode(encoding))) == [TEXT + "größer 猫 🐕"]


def test_line_ends_of_windows_become_plain(book: Book) -> None:
    assert read(book(TEXT.replace("\n", "\r\n"))) == [TEXT]


def test_a_compressed_file(book: Book) -> None:
    assert read(book(gzip.compress(TEXT.encode(), mtime=0), "book.txt.gz")) == [TEXT]


def test_any_name_will_do_for_one_file(book: Book) -> None:
    assert read(book(TEXT, "program.py")) == [TEXT]
    assert read(book(TEXT, "README")) == [TEXT]


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path, untouched: Callable[[Path], None]) -> None:
    for name in ("b.txt", "a.txt", "sub/c.TXT", "picture.png", ".hidden.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    untouched(tmp_path)
    assert read(tmp_path) == ["a.txt", "b.txt", "sub/c.TXT"]


def test_an_empty_file_of_several_is_noted(tmp_path: Path) -> None:
    for name, text in (("a.txt", TEXT), ("b.txt", ""), ("c.txt", " \n\t")):
        (tmp_path / name).write_text(text)
    source = open_splits("Text", tmp_path)["all"]
    assert len(list(source.examples())) == 1
    assert source.notes == ["b.txt is empty", "c.txt is empty"]


def test_a_damaged_file_of_many_is_skipped_and_named(tmp_path: Path) -> None:
    for i in range(10):
        (tmp_path / f"{i}.txt").write_text(TEXT)
    (tmp_path / "4.txt").write_bytes(b"one\ntwo\xff\n")
    source = open_splits("Text", tmp_path)["all"]
    assert len(list(source.examples())) == 9
    assert source.damaged[0].where == f"{tmp_path}/4.txt:2"
    assert source.damaged[0].why == "is not UTF-8 text: byte 0xff at offset 7"
    (tmp_path / "5.txt").write_bytes(b"\xff")
    assert "more than 10% of its 10 files cannot be read" in refused(tmp_path)


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        (b"", "book.txt", ": is an empty file; name a file that holds text"),
        (b" \n\t \r\n", "book.txt", ": holds nothing but white space"),
        (b"\xef\xbb\xbf", "book.txt", ": is an empty file"),
        (b"one\ntwo\nthr\xe9e\n", "book.txt", ":3: is not UTF-8 text: byte 0xe9 at offset 11; save it as UTF-8"),
        (b"one\ntwo\0\n", "book.txt", ":2: is not text: a zero byte at offset 7"),
        (TEXT.encode("utf-16-le"), "book.txt", ":1: is not text: a zero byte at offset 1; save it as text in UTF-8"),
        (b"\xff\xfea", "book.txt", ":1: is not UTF-16 text"),
        (b"%PDF-1.7 ...", "paper.pdf", ": is a PDF document, not text; save what it holds as plain text"),
        (
            b"PK\x03\x04....",
            "letter.docx",
            ": is a ZIP archive, which spreadsheets and word processors write too, not text",
        ),
        (b"\x89PNG\r\n\x1a\n", "dog.png", ": is a PNG picture, not text"),
        (gzip.compress(b"x", mtime=0), "book.txt", ": is a gzip archive without .gz at the end of its name"),
        (gzip.compress(b"x" * 99, mtime=0)[:-9], "book.txt.gz", ": is damaged: it ends too early; get the file again"),
        (b"plain", "book.txt.gz", ": is damaged: not a gzipped file"),
        (b"", "book.txt.gz", ": is an empty file"),
        (gzip.compress(b"x" * 99, mtime=0)[:-3] + b"abc", "book.txt.gz", ": is damaged: "),
    ],
)
def test_what_is_no_text_says_so(book: Book, data: bytes, name: str, said: str) -> None:
    assert refused(book(data, name)).startswith(said)


def test_a_folder_without_text(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(TEXT)
    (tmp_path / "b.md").write_text(TEXT)
    assert refused(tmp_path).startswith(
        f": holds 2 .md files, and no text that can be read; name one of its files, such as {tmp_path}/a.md"
    )


def test_an_empty_folder(tmp_path: Path) -> None:
    assert (
        "is an empty folder, and holds no text that can be read; text-generation and word-embeddings learn from text: give"
        in refused(tmp_path)
    )


def test_a_text_that_is_too_long(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_reading, "MOST_BYTES", 10)
    assert read(book("x" * 10)) == ["x" * 10]
    assert refused(book("x" * 11)) == ": is larger than 10 bytes; divide it into several files"


def test_a_bomb_is_stopped_while_it_unpacks(tmp_path: Path) -> None:
    path = tmp_path / "book.txt.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(200):
            file.write(b" " * 2**20)
    started = time.monotonic()
    assert "unpacks to more than 100 times its" in refused(path)
    assert time.monotonic() - started < 2


def test_the_real_plays(shared_data: Path) -> None:
    assert len(read(shared_data / "tinyshakespeare")) >= 1
