"""Pairs of texts from files per language, tables and JSON Lines; and what is wrong with those that do not fit together."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from samoyed.errors import DataError
from samoyed.sources import open_splits

Make = Callable[..., Path]
EN, FR = "one\ntwo\nthree\n", "un\ndeux\ntrois\n"


@pytest.fixture
def folder(tmp_path: Path) -> Make:
    """Writes files: folder({"train.en": "..."}) -> the folder that holds them."""

    def write(files: dict[str, str | bytes]) -> Path:
        for name, data in files.items():
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data.encode() if isinstance(data, str) else data)
        return tmp_path / "data"

    return write


def read(path: Path, source: str | None = None, target: str | None = None) -> dict[str, list[tuple[str, str]]]:
    opened = open_splits("Pair", path, {"source": source, "target": target})
    return {name: [(e.source, e.target) for e in s.examples()] for name, s in opened.items()}  # type: ignore[union-attr]


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(DataError) as raised:
        read(path, **options)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


PAIRS = [("one", "un"), ("two", "deux"), ("three", "trois")]


def test_a_file_per_language(folder: Make) -> None:
    path = folder({"book.en": EN, "book.fr": FR, "README.md": "about", "notes.txt": "more"})
    assert read(path) == {"all": PAIRS}
    assert read(path, "fr", "en") == {"all": [(b, a) for a, b in PAIRS]}
    assert read(path, target="en") == read(path, source="fr") == read(path, "fr", "en")


def test_names_of_splits_and_gzip_and_windows(folder: Make) -> None:
    path = folder(
        {
            "train.en.gz": gzip.compress(EN.encode()),
            "train.fr.gz": gzip.compress(FR.encode()),
            "val.en": "four\r\n",
            "val.fr": "quatre\r\n",
            "test_2016_flickr.en": "five",
            "test_2016_flickr.fr": "cinq\n",
        }
    )
    expected = {"train": PAIRS, "valid": [("four", "quatre")], "test": [("five", "cinq")]}
    assert read(path, "en", "fr") == expected


def test_a_table_and_its_columns(folder: Make) -> None:
    path = folder({"a.tsv": 'source\ttarget\none\tun\ntwo\t"deux"\n', "b.csv": "n,q,a\n1,how?,so\n2,why?,because\n"})
    assert read(path / "a.tsv") == {"all": PAIRS[:2]}
    assert read(path / "b.csv", "q", "a") == {"all": [("how?", "so"), ("why?", "because")]}
    assert "has no column 'question'" in refused(path / "b.csv", source="question", target="a")


def test_a_table_without_a_header_begins_with_its_first_line(folder: Make) -> None:
    path = folder({"anki.tsv": "Go.\tVa !\tCC-BY\nHi.\tSalut !\tCC-BY\n"}) / "anki.tsv"
    opened = open_splits("Pair", path, {"source": None, "target": None})["all"]
    assert [(e.source, e.target) for e in opened.examples()] == [("Go.", "Va !"), ("Hi.", "Salut !")]  # type: ignore[union-attr]
    assert "first line too" in opened.notes[0]


def test_json_lines(folder: Make) -> None:
    plain = "\n".join(json.dumps({"source": a, "target": b}) for a, b in PAIRS)
    nested = "\n".join(json.dumps({"translation": {"en": a, "fr": b}}) for a, b in PAIRS)
    path = folder({"train.jsonl": plain, "test.jsonl": plain, "x/hub.jsonl": nested})
    assert read(path / "train.jsonl") == {"all": PAIRS}
    assert read(path / "x" / "hub.jsonl", "en", "fr") == {"all": PAIRS}


def test_unequal_line_counts_are_refused(folder: Make) -> None:
    said = refused(folder({"train.en": EN, "train.fr": "un\ndeux\n"}), source="en", target="fr")
    assert "train.en: has 3 lines, and train.fr has 2" in said


def test_empty_sides_are_skipped_and_named(folder: Make) -> None:
    many = "\n".join(f"line {i}" for i in range(40))
    path = folder({"c.en": many.replace("line 7\n", "\n", 1), "c.fr": many.replace("line 9\n", "  \n", 1)})
    source = open_splits("Pair", path, {"source": "en", "target": "fr"})["all"]
    assert len(list(source.examples())) == 38
    assert [(d.where.rpartition("/")[2], d.why) for d in source.damaged] == [
        ("c.en:8", "nothing in c.en"),
        ("c.en:10", "nothing in c.fr"),
    ]
    assert "more than 10%" in refused(folder({"c.en": "a\nb\nc\nd", "c.fr": "\n\n\nd"}), source="en", target="fr")


def test_lines_that_are_no_objects_are_skipped(folder: Make) -> None:
    good = [json.dumps({"source": a, "target": b}) for a, b in PAIRS] * 10
    path = folder({"d.jsonl": "\n".join([*good, "{", '{"source": 3, "target": "x"}', "[1]"])}) / "d.jsonl"
    source = open_splits("Pair", path, {"source": None, "target": None})["all"]
    assert len(list(source.examples())) == 30
    assert [d.where.rpartition(":")[2] for d in source.damaged] == ["31", "32", "33"]
    assert source.damaged[1].why == "no text under 'source'"


@pytest.mark.parametrize(
    ("files", "options", "words"),
    [
        ({"a.en": EN, "a.fr": FR}, {"source": "en", "target": "de"}, "no file that ends in .de"),
        ({"a.en": EN, "a.fr": FR}, {"source": "en", "target": "en"}, "both en"),
        ({"a.en": EN, "a.fr": FR, "a.de": FR}, {}, "has 3 languages, de, en, fr"),
        ({"a.en": EN}, {}, "no pairs of texts that can be read"),
        ({"pairs.csv": "source\none\n"}, {}, "no pairs of texts that can be read"),
    ],
    ids=["no such language", "one language", "three languages", "a side is missing", "a folder with a table"],
)
def test_what_does_not_fit_is_refused_with_what_to_do(
    folder: Make, files: dict[str, str], options: dict[str, str], words: str
) -> None:
    assert words in refused(folder(files), **options)


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"one\tun\n\xff\xfe\xfa"])
@pytest.mark.parametrize("name", ["x.tsv", "x.jsonl"])
def test_what_is_no_text_is_refused(folder: Make, data: bytes, name: str) -> None:
    path = folder({name: data}) / name
    if name == "x.jsonl" and not data:
        assert read(path) == {"all": []}
        return
    assert str(path) in refused(path)
