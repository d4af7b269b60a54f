"""Bad input at the command line: one line that a newcomer understands, exit code 2 for the command and 1 for the data."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import samoyed
from samoyed import catalog

Command = Callable[..., Any]
Classes = Callable[..., Path]

JARGON = re.compile(r"Traceback|Errno|Error:|<class|None|NoneType|dtype|tensor|ndarray|\bobject\b|\bNaN\b", re.ASCII)


def complaint(said: Any, code: int) -> str:
    """The one line of an error, after checking that it is one and that it is written for people."""
    assert said.code == code, said
    assert said.out == ""
    lines = said.err.splitlines()
    assert len(lines) == 1, said.err
    assert lines[0].startswith("error: ")
    assert not JARGON.search(lines[0]), lines[0]
    assert len(lines[0]) < 600
    return lines[0].removeprefix("error: ")


# Surnames by language are no pictures


@pytest.fixture
def surnames(shared_data: Path, tmp_path: Path) -> dict[str, Path]:
    """The same names as they are (a file per language), as a table, and as a folder of files per language."""
    folder, table = tmp_path / "folders", ["name,language"]
    for file in sorted((shared_data / "names").glob("*.txt")):
        if file.stem == "SOURCE":
            continue
        (folder / file.stem).mkdir(parents=True)
        for i, name in enumerate(file.read_text("utf-8").split()[:20]):
            (folder / file.stem / f"{i}.txt").write_text(name, "utf-8")
            table.append(f"{name},{file.stem}")
    (tmp_path / "names.csv").write_text("\n".join(table), "utf-8")
    return {"files": shared_data / "names", "folders": folder, "table": tmp_path / "names.csv"}


@pytest.mark.parametrize(
    ("form", "found"),
    [
        ("files", "holds 19 .txt files, and no pictures that can be read"),
        ("folders", "holds 18 folders with 360 .txt files, and no pictures that can be read"),
        ("table", "has the columns name, language, and lists no pictures"),
    ],
)
def test_surnames_are_no_pictures(
    command: Command, surnames: dict[str, Path], form: str, found: str, untouched: Callable[[Path], None]
) -> None:
    if form != "files":
        untouched(surnames[form].parent)
    text = complaint(command("train", "image-classification", surnames[form]), 1)
    needed = "image-classification and image-similarity learn from pictures: give a folder that holds one folder of pictures per class"
    assert text.startswith(
        f"{surnames[form]}: {found}; {needed} (photos/cat/1.png, photos/dog/7.jpg), or a CSV with the columns"
    )


def test_surnames_are_no_series(command: Command, surnames: dict[str, Path]) -> None:
    text = complaint(command("train", "time-series-forecasting", surnames["table"]), 1)
    assert text.startswith(
        f"{surnames['table']}: no column of name, language holds numbers; time-series-forecasting learns"
    )


# Mistakes in the command


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["train", "image-clasification"],
            "there is no task called 'image-clasification'; did you mean image-classification?",
        ),
        (["train", "image-classification", "model=lennet"], "there is no model called 'lennet'; did you mean lenet?"),
        (["train", "image-classification", "epoch=5"], "there is no setting called 'epoch' here; did you mean epochs?"),
        (
            ["train", "image-classification", "epochs=0"],
            "epochs=0 is not allowed; epochs is a whole number of at least 1",
        ),
        (["train", "image-classification", "epochs="], "epochs=(nothing) is not allowed; epochs is a whole number"),
        (
            ["train", "image-classification", "epochs=5", "epochs=6"],
            "epochs is set twice, to 5 and 6; keep one of them",
        ),
        (["train", "image-classification", "model=mlp", "hidden_sizes=64,,32"], "hidden_sizes=64,,32 is not allowed"),
        (
            ["train", "image-classification", "max_time=soon"],
            "max_time=soon is not allowed; max_time is a time such as 90s",
        ),
        (["train", "image-classification", "out=here"], "out is no setting; write --out DIR"),
        (["train", "image-classification", ""], "DATA '' can be no path: it is empty; give a file or a folder"),
        (["describe", "lennet"], "there is no task, model or run called 'lennet'; did you mean lenet?"),
    ],
)
def test_the_command_is_wrong(command: Command, words: list[str], said: str) -> None:
    assert complaint(command(*words), 2).startswith(said)


def test_data_that_are_not_there(command: Command, classes: Classes) -> None:
    photos = classes({"cat": 1, "dog": 1})
    text = complaint(command("train", "image-classification", f"{photos.parent}/photo"), 1)
    assert text == f"{photos.parent}/photo: there is no such file or folder; did you mean {photos}?"


def test_an_error_is_json_where_that_is_asked(command: Command) -> None:
    said = command("train", "image-classification", "/no/such", "--json")
    assert said.code == 1
    assert json.loads(said.out)["error"].startswith("/no/such: there is no such file or folder")


# Data that cannot be learned from


def test_one_class(command: Command, classes: Classes) -> None:
    text = complaint(command("train", "image-classification", classes({"cat": 12})), 1)
    assert "only one class was found (cat)" in text
    assert "add a second folder" in text


def test_empty_and_strange_folders(command: Command, tmp_path: Path, paint: Callable[..., Path]) -> None:
    assert "is an empty folder" in complaint(command("train", "image-classification", tmp_path), 1)
    (tmp_path / "cat").mkdir()
    assert "holds 1 empty folder, and no pictures" in complaint(command("train", "image-classification", tmp_path), 1)
    paint(tmp_path / "1.png")
    assert "holds 1 picture and no folder that says" in complaint(command("train", "image-classification", tmp_path), 1)


def test_too_few_pictures(command: Command, classes: Classes) -> None:
    text = complaint(command("train", "image-classification", classes({"cat": 1, "dog": 1})), 1)
    assert "2 examples are too few to learn from and to hold some out; give at least 10 examples of each class" in text


def test_too_many_damaged_pictures(command: Command, classes: Classes) -> None:
    photos = classes({"cat": 10, "dog": 10})
    for i in range(4):
        (photos / "cat" / f"{i:03}.png").write_bytes(b"broken")
    assert "more than 10% of its 20 files cannot be read, among them" in complaint(
        command("train", "image-classification", photos), 1
    )


def test_splits_without_train(command: Command, classes: Classes) -> None:
    photos = classes({"valid/cat": 2, "valid/dog": 2, "test/cat": 2, "test/dog": 2})
    text = complaint(command("train", "image-classification", photos), 1)
    assert f"{photos}: holds test and valid but nothing named train to learn from; add train, or give" in text


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("empty.txt", b"", ": is an empty file"),
        ("latin.txt", b"caf\xe9\n" * 50, ":1: is not UTF-8 text: byte 0xe9 at offset 3; save it as UTF-8"),
        ("paper.pdf", b"%PDF-1.4", ": is a PDF document, not text; save what it holds as plain text in UTF-8"),
        ("broken.txt.gz", b"\x1f\x8b\x08broken", ": is damaged: "),
        ("short.txt", b"ab", ": 2 characters are too few to learn from"),
    ],
)
def test_no_text(command: Command, tmp_path: Path, name: str, data: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(data)
    assert complaint(command("train", "text-generation", tmp_path / name), 1).startswith(f"{tmp_path / name}{said}")


@pytest.mark.parametrize(
    ("data", "words", "said"),
    [
        (
            "month,sold\n2020-01,1\n2020-02,x\n2020-03,3\n",
            [],
            ":3: 'x' in column 'sold' is not a number; mend the cell",
        ),
        ("month,sold\n2020-01,1\n2020-02,\n2020-03,3\n", [], ":3: column 'sold' has no value here ('')"),
        ("month,sold\n2020-01,1\n2020-03,2\n2020-04,3\n", [], ":3: 1 date is missing: 2020-02 (between lines 2 and 3)"),
        (
            "month,sold\n2020-01,1\n2020-02,2\n",
            ["target=price"],
            ": has no column 'price'; its columns are month, sold",
        ),
        ("month,sold\n2020-01,1\n2020-02,2\n", [], ": the training split has 1 rows"),
    ],
)
def test_no_series(command: Command, tmp_path: Path, data: str, words: list[str], said: str) -> None:
    (tmp_path / "s.csv").write_text(data)
    assert complaint(command("train", "time-series-forecasting", tmp_path / "s.csv", *words), 1).startswith(
        f"{tmp_path}/s.csv{said}"
    )


def test_a_log_of_what_has_none(command: Command, tmp_path: Path) -> None:
    rows = "".join(f"20{i // 12:02}-{i % 12 + 1:02},{i - 5}\n" for i in range(144))
    (tmp_path / "s.csv").write_text("month,sold\n" + rows)
    text = complaint(command("train", "time-series-forecasting", tmp_path / "s.csv", "transform=log"), 1)
    assert "only numbers above 0 have a logarithm" in text


def test_the_data_folder_is_not_written_into(
    command: Command, classes: Classes, untouched: Callable[[Path], None]
) -> None:
    photos = classes({"cat": 12, "dog": 12})
    untouched(photos)
    text = complaint(command("train", "image-classification", photos, "--out", photos / "run"), 2)
    assert text.startswith(
        f"the run would be written into the data folder {photos}; work in another folder, or name one with --out"
    )


# What can be used is used, and what was left out is said


def test_damaged_pictures_are_named_before_training(
    command: Command, classes: Classes, untouched: Callable[[Path], None]
) -> None:
    photos = classes({"cat": 30, "dog": 30})
    (photos / "cat" / "007.png").write_bytes(b"broken")
    (photos / "dog" / "008.png").write_bytes(b"")
    untouched(photos)
    said = command("check", "image-classification", photos, "--json")
    assert said.code == 0, said
    rows = [tuple(row) for row in json.loads(said.out)["found"]]
    damaged = next(text for name, text in rows if name == "damaged")
    assert damaged == (
        f"2 skipped: {photos}/cat/007.png (no picture of a known format); {photos}/dog/008.png (empty file)"
    )


def test_a_run_on_damaged_data_finishes_and_leaves_the_data_alone(
    classes: Classes, tmp_path: Path, untouched: Callable[[Path], None]
) -> None:
    photos = classes({"cat": 20, "dog": 20})
    (photos / "cat" / "007.png").write_bytes(b"broken")
    untouched(photos)
    run = samoyed.train("image-classification", photos, out=tmp_path / "run", quiet=True, model="linear", epochs=1)
    assert "007.png" in run.report.read_text("utf-8")
    assert "008.png" not in run.report.read_text("utf-8")


def test_the_real_temperatures_can_be_interpolated(command: Command, shared_data: Path) -> None:
    path = shared_data / "timeseries" / "daily-min-temperatures.csv"
    text = complaint(command("check", "time-series-forecasting", path), 1)
    assert text.startswith(f"{path}:")
    assert "2 dates are missing: 1984-12-31" in text
    said = command("check", "time-series-forecasting", path, "gaps=interpolate")
    assert said.code == 0, said
    assert "repeats after 7" in said.out
    assert "2 missing dates are interpolated: 1984-12-31" in said.out


def test_the_verbs_stay_verbs_once_folders_of_their_names_are_imported() -> None:
    form = catalog.task("image-classification")
    form.load()
    catalog.model(form, "lenet").load()
    assert "lenet" in samoyed.models("image-classification")
    assert "image-classification" in samoyed.tasks()


def test_python_raises_what_the_command_says(tmp_path: Path) -> None:
    with pytest.raises(samoyed.DataError, match="is an empty folder"):
        samoyed.train("image-classification", tmp_path, out=tmp_path.parent / "run")
    with pytest.raises(samoyed.UsageError, match="epochs=0 is not allowed"):
        samoyed.train("image-classification", epochs=0)
    assert issubclass(samoyed.DataError, samoyed.SamoyedError)


def test_the_installed_command_in_a_process_of_its_own(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "samoyed", "train", "text-generation", "book.txt"]
    said = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (said.returncode, said.stdout) == (1, "")
    assert (
        said.stderr
        == f"error: book.txt: there is no such file or folder; it was looked for from the folder {tmp_path}\n"
    )
    (tmp_path / "book.txt").write_bytes(b"\xff\xff")
    said = subprocess.run([*words, "epochs=one"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (said.returncode, said.stderr) == (
        2,
        "error: epochs=one is not allowed; epochs is a whole number of at least 1\n",
    )
