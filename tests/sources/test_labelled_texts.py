"""Texts with labels and tags as people have them: every format, what is skipped, what is refused and in which words."""

from pathlib import Path
from typing import Any

import pytest

from samoyed.errors import DataError
from samoyed.sources import Source, open_splits
from tests.sources.test_fuzz import reader, survive

NAMES = {"text": None, "label": None}
PEOPLE = "-DOCSTART- -X- O\n\nAda NNP B-PER\nLovelace NNP I-PER\nlived VBD O\n\nBonn NNP B-LOC\nis VBZ O\nold JJ O\n"
UNIVERSAL = (
    "# text = du pain\n1-2\tdu\t_\t_\t_\t_\t_\t_\t_\t_\n1\tde\tde\tADP\t_\t_\t2\tcase\t_\t_\n"
    "2\tle pain\tpain\tNOUN\t_\t_\t0\troot\t_\t_\n2.1\tvu\t_\tVERB\t_\t_\t_\t_\t_\t_\n\n"
)


def read(path: Path, kind: str = "LabelledText", **options: Any) -> tuple[list[Any], Source]:
    (source,) = open_splits(kind, path, {**NAMES, **options} if kind == "LabelledText" else {}).values()
    return list(source.examples()), source


def pairs(path: Path, **options: Any) -> list[tuple[str, str | None]]:
    return [(e.text, e.label) for e in read(path, **options)[0]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", 'text,label\n"good, fine",NA\nbad,007\n'),
        ("a.tsv", "label\ttext\nNA\tgood, fine\n007\tbad\n"),
        ("a.csv", "id;review;sentiment\n1;good, fine;NA\n2;bad;007\n"),
        ("a.csv", "words,class\n'good, fine',NA\nbad,007\n".replace("'", '"')),
        ("a.jsonl", '{"text": "good, fine", "label": "NA"}\n\n{"label": "007", "text": "bad"}\n'),
    ],
)
def test_tables_and_lines(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert pairs(tmp_path / name) == [("good, fine", "NA"), ("bad", "007")]


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label,question,kind\nx,y,how?,5\n")
    assert pairs(path, text="question", label="kind") == [("how?", "5")]
    with pytest.raises(DataError, match="no column 'knd'; its columns are text, label, question, kind"):
        pairs(path, label="knd")
    path.write_text("a,b,c\n1,2,3\n")
    with pytest.raises(
        DataError, match="no column called text; its columns are a, b, c; say which it is with text=NAME"
    ):
        pairs(path)


def test_a_label_in_json_may_be_a_number_or_a_truth_value(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "label": 3}\n{"text": "b", "label": true}\n')
    assert [label for _, label in pairs(path)] == ["3", "true"]


def test_damaged_lines_are_named_and_missing_labels_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = ['{"text": "a", "label": "x"}'] * 30
    path.write_text("\n".join([*lines, '{"text": ', '{"text": " ", "label": "x"}', "[1]"]))
    found, source = read(path)
    assert len(found) == 30
    assert [d.where for d in source.damaged] == [f"{path}:{n}" for n in (31, 32, 33)]
    path.write_text("\n".join([*lines, '{"text": "a", "label": null}']))
    with pytest.raises(DataError, match=r"a\.jsonl:31: there is no label here"):
        read(path)
    path.write_text("\n".join(["{"] * 5))
    with pytest.raises(DataError, match="more than 10% of its 5 lines cannot be read"):
        read(path)


def test_folders_and_files_of_a_class(tmp_path: Path) -> None:
    for name in ("good", "bad"):
        (tmp_path / "folders" / name / "deep").mkdir(parents=True)
        (tmp_path / "folders" / name / "1.txt").write_text(f"a {name} film\nindeed\n")
        (tmp_path / "folders" / name / "deep" / "2.txt").write_text(name)
    assert pairs(tmp_path / "folders") == [
        ("a bad film\nindeed", "bad"), ("bad", "bad"), ("a good film\nindeed", "good"), ("good", "good"),
    ]  # fmt: skip
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "Czech.txt").write_text("Novák\n\n Dvořák \n", "utf-8")
    (tmp_path / "files" / "Irish.txt").write_text("O'Neill\n")
    (tmp_path / "files" / "Greek.txt").write_text("\n\n")
    (tmp_path / "files" / "SOURCE.txt").write_text("where they are from\n")
    assert pairs(tmp_path / "files") == [("Novák", "Czech"), ("Dvořák", "Czech"), ("O'Neill", "Irish")]
    assert read(tmp_path / "files")[1].notes == ["Greek.txt holds no text, and makes no class"]


def test_trees_are_sentences_with_the_label_of_their_root(tmp_path: Path) -> None:
    path = tmp_path / "dev.txt"
    path.write_text("(3 (2 It) (4 (2 's) (4 fine\\/good)))\n(1 (2 -LRB-) (1 dull))\n")
    assert pairs(path) == [("It 's fine/good", "3"), ("( dull", "1")]
    found = [example.phrases for example in read(path)[0]]
    assert sorted(found[0]) == [("'s", "2"), ("'s fine/good", "4"), ("It", "2"), ("fine/good", "4")]
    assert sorted(found[1]) == [("(", "2"), ("dull", "1")]


def test_splits_are_found_by_name(tmp_path: Path) -> None:
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.txt").write_text(f"(3 (2 {name}) (4 fine))\n")
    found = {n: list(s.examples()) for n, s in open_splits("LabelledText", tmp_path, NAMES).items()}
    assert {n: e[0].text for n, e in found.items()} == {"train": "train fine", "valid": "dev fine", "test": "test fine"}


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.csv", b"", "is an empty file"),
        ("a.csv", b"\n\n \n", "nothing but white space"),
        ("a.csv", b"text,label\n", "a header and no rows"),
        ("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(100), "is a PNG picture, not text"),
        ("a.csv", b"text,label\nx\xff\xfe,y\n", r"a\.csv:2: is not UTF-8 text"),
        ("a.jsonl", b"", "is an empty file; give a file with an example in each line"),
        ("a.jsonl", bytes(500), "is not text"),
        ("a.txt", b"to be or not to be", "no texts with labels that can be read"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=said) as raised:
        read(tmp_path / name)
    assert len(str(raised.value).splitlines()) == 1


def test_columns_of_tokens_and_tags(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text(PEOPLE)
    found, _ = read(path, "TaggedText")
    assert [(e.tokens, e.tags) for e in found] == [
        (("Ada", "Lovelace", "lived"), ("B-PER", "I-PER", "O")),
        (("Bonn", "is", "old"), ("B-LOC", "O", "O")),
    ]
    assert found[1].origin == f"{path}:7"
    path.write_text(UNIVERSAL)
    assert [(e.tokens, e.tags) for e in read(path, "TaggedText")[0]] == [(("de", "le pain"), ("ADP", "NOUN"))]
    path.write_text(PEOPLE * 20 + "\nalone\n")
    found, source = read(path, "TaggedText")
    assert len(found) == 40
    assert source.damaged[0].where == f"{path}:{PEOPLE.count(chr(10)) * 20 + 2}"


def test_lines_of_tokens_and_tags(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"tokens": ["Bonn", "is"], "ner_tags": ["B-LOC", "O"]}\n' * 20 + '{"tokens": ["a"], "tags": []}\n')
    found, source = read(path, "TaggedText")
    assert found[0].tags == ("B-LOC", "O")
    assert source.damaged[0].where == f"{path}:21"


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("LabelledText", "a.csv", 'text,label\n"a, b",x\n' + "word,y\n" * 20),
        ("LabelledText", "a.jsonl", '{"text": "größer", "label": "x"}\n' * 20),
        ("LabelledText", "a.txt", "(3 (2 It) (4 (2 's) (4 fine)))\n" * 20),
        ("TaggedText", "a.conll", PEOPLE * 4),
        ("TaggedText", "a.jsonl", '{"tokens": ["a", "b"], "tags": ["X", "Y"]}\n' * 20),
    ],
)
def test_damage_is_survived(tmp_path: Path, kind: str, name: str, text: str) -> None:
    from samoyed.errors import SamoyedError

    survive(reader(kind, tmp_path / name, **(NAMES if kind == "LabelledText" else {})), text.encode(), 8, SamoyedError)
