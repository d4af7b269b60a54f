"""Standard output and standard error as other programs meet them: pipes, encodings, files, terminals."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import samoyed
from samoyed import cli

Command = Callable[..., Any]
Paths = dict[str, Path]

IMAGES, TEXT, SERIES = "image-classification", "text-generation", "time-series-forecasting"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")  # all but the line break


def run(words: list[str], environment: dict[str, str], folder: Path, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["samoyed", *words], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True, timeout=300, **kwargs
    )


# Pipes


@pytest.mark.parametrize("words", [["tasks"], ["describe", IMAGES], ["tasks", "--json"], ["--help"]])
def test_a_reader_that_has_gone(environment: dict[str, str], tmp_path: Path, words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        said = run(words, environment, tmp_path, stdout=writing)
    finally:
        os.close(writing)
    assert said.returncode != 0
    assert said.stderr == ""


def test_a_reader_that_wants_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    said = subprocess.run(
        "samoyed describe image-classification | head -n 1",
        shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert said.stdout == f"{IMAGES}\n"
    assert said.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_behind_standard_output(environment: dict[str, str], tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        said = run(["tasks"], environment, tmp_path, stdout=full)
    assert said.returncode == 1
    assert said.stderr.startswith("error: ")
    assert "space" in said.stderr
    assert said.stderr.count("\n") == 1


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_closed_stream(environment: dict[str, str], tmp_path: Path, closed: str) -> None:
    said = subprocess.run(
        f"samoyed tasks {closed}",
        shell=True,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert said.returncode == 0
    assert said.stderr == ""
    assert IMAGES in said.stdout or closed == ">&-"


# Encodings


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp1252"])
@pytest.mark.parametrize("as_json", [False, True])
def test_names_that_the_terminal_cannot_show(
    raw: Paths, runs: Paths, monkeypatch: pytest.MonkeyPatch, encoding: str, as_json: bool
) -> None:
    picture = raw[IMAGES] / "größe" / "0.png"
    words = ["samoyed", "predict", str(runs[IMAGES]), str(picture), *(["--json"] if as_json else [])]
    kept = io.BytesIO()
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(kept, encoding=encoding))
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    sys.stdout.flush()
    text = kept.getvalue().decode("utf-8" if as_json and encoding == "utf-8" else encoding)
    if as_json:
        (answer,) = json.loads(text)["answers"]
        assert answer["input"] == str(picture)
        assert "größe" in answer["probs"]
    else:
        assert text.count("\n") == 1
        assert "größe" in text or encoding == "ascii"
    monkeypatch.undo()


def test_class_names_of_other_scripts(command: Command, bars: Any, tmp_path: Path) -> None:
    """They are learned, said, and drawn without a word of Matplotlib's about fonts."""
    folder = bars(tmp_path / "photos", ("猫", "собака", "😀"))
    said = command("train", IMAGES, folder, "model=linear", "epochs=1", "--out", "run", "--json")
    assert said.code == 0, said.err
    assert "Warning" not in said.err
    assert samoyed.load("run").task.classes == sorted(["猫", "собака", "😀"])
    page = Path("run/report.html").read_text("utf-8")
    assert all(name in page for name in ("猫", "собака", "😀"))


def test_texts_of_other_scripts(command: Command, tmp_path: Path) -> None:
    (tmp_path / "poem.txt").write_text("春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。\n" * 60, "utf-8")
    said = command("train", TEXT, tmp_path / "poem.txt", "max_steps=1", "hidden_size=4", "--out", "run")
    assert said.code == 0, said.err
    assert "Warning" not in said.err


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_class_names_that_are_no_unicode(command: Command, bars: Any, tmp_path: Path) -> None:
    folder = bars(tmp_path / "photos", (os.fsdecode(b"caf\xe9"), "tea"))
    said = command("train", IMAGES, folder, "model=linear", "epochs=1", "--out", "run", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["run"] == "run"
    said = command("predict", Path("run").absolute(), folder / "tea" / "0.png")
    assert said.code == 0, said.err


# Names that Matplotlib, the terminal or the page would take for something else

STRANGE = {
    "formula": (r"$\frac$", r"$\foo$"),
    "price": ("cost ($)", "price ($)"),
    "escape": ("\x1b[31mred", "bell\x07"),
    "lines": ("two\nlines", "tab\tbed"),
    "emoji": (":dog:", ":cat:"),
    "markup": ("[bold]x", "[red]"),
    "under": ("_a", "_b"),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_strange_class_names(command: Command, bars: Any, tmp_path: Path, kind: str) -> None:
    folder = bars(tmp_path / "photos", STRANGE[kind], each=6)
    said = command("train", IMAGES, folder, "model=linear", "epochs=1", "--out", "run")
    assert said.code == 0, said.err
    run = Path("run").absolute()
    assert samoyed.load(run).task.classes == sorted(STRANGE[kind])
    predicted = command("predict", run, folder / STRANGE[kind][0] / "0.png")
    assert predicted.code == 0
    for text in (said.err, said.out, predicted.out):
        assert not CONTROL.search(text), text
    if kind != "escape":
        shown = [name.encode("unicode_escape").decode() if kind == "lines" else name for name in STRANGE[kind]]
        assert all(name in said.err for name in shown)
    assert len([line for line in said.err.splitlines() if line.startswith("  classes")]) == 1
    assert predicted.out.count("\n") == 1
    assert json.loads(command("predict", run, folder / STRANGE[kind][0] / "0.png", "--json").out)


@pytest.mark.parametrize("column", [r"cost $\foo$", "price ($) per ($)", "_hidden", "a\x1b[31mb", "<b>&"])
def test_strange_columns(command: Command, raw: Paths, tmp_path: Path, column: str) -> None:
    (tmp_path / "table.csv").write_text(raw[SERIES].read_text("utf-8").replace("price", column, 1), "utf-8")
    said = command("train", SERIES, tmp_path / "table.csv", "max_steps=1", "hidden_size=4", "--out", "run")
    assert said.code == 0, said.err
    assert not CONTROL.search(said.err + said.out)
    assert samoyed.load("run").task.column == column


# Not a terminal


@pytest.mark.parametrize("task", [IMAGES, TEXT, SERIES])
def test_no_control_characters_where_there_is_no_terminal(
    command: Command, raw: Paths, tiny: dict[str, list[str]], task: str
) -> None:
    said = command("train", task, raw[task], *tiny[task])
    assert not CONTROL.search(said.out + said.err)
    assert said.err.startswith(f"{task}\n  data       {raw[task]}\n")


def test_no_control_characters_in_errors(command: Command) -> None:
    for words in (
        ("train", "\x1b[31m"),
        ("train", IMAGES, "a\x1b[31m\nb"),
        ("evaluate", "\x1b]0;x\x07"),
        ("describe", "\r"),
    ):
        said = command(*words)
        assert said.code in (1, 2)
        assert not CONTROL.search(said.err)
        assert said.err.count("\n") == 1


@pytest.mark.parametrize("flag", ["-q", "--quiet"])
def test_quiet(command: Command, raw: Paths, tiny: dict[str, list[str]], flag: str) -> None:
    said = command("train", TEXT, raw[TEXT], *tiny[TEXT], flag)
    assert said.code == 0
    assert said.err == ""
    assert "report  runs/text-generation/1/report.html" in said.out


def test_quiet_errors_are_heard(command: Command) -> None:
    assert command("train", IMAGES, "nothing", "-q").err.startswith("error: nothing: ")


def test_a_terminal_without_colours(
    command: Command, raw: Paths, tiny: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as if standard error were a terminal
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert re.search(r"\x1b\[[\d;]*3\dm", command("train", TEXT, raw[TEXT], *tiny[TEXT]).err)
    monkeypatch.setenv("NO_COLOR", "1")
    said = command("train", TEXT, raw[TEXT], *tiny[TEXT])
    assert "\x1b[" in said.err  # the bar moves
    assert not re.search(r"\x1b\[[\d;]*[349]\dm", said.err)
    assert not CONTROL.search(said.out)
