"""What is said of a run: of a whole one, of one in progress, of a damaged one, and of a name that is misspelt."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from samoyed import listing

Command = Callable[..., Any]
Paths = dict[str, Path]

IMAGES, TEXT = "image-classification", "text-generation"


@pytest.fixture
def copied(runs: Paths, tmp_path: Path) -> Path:
    path = tmp_path / "all" / "first"
    shutil.copytree(runs[IMAGES], path)
    return path


def unfinished(path: Path, when: int | None = None) -> Path:
    """What a training leaves that is not at its end, written to just now or at a time long ago."""
    for name in ("manifest.json", "results.json", "report.html", "model.safetensors"):
        (path / name).unlink()
    for file in path.iterdir():
        os.utime(file, None if when is None else (when, when))
    return path


# describe


def test_a_run_is_described(command: Command, runs: Paths, raw: Paths) -> None:
    run = runs[IMAGES]
    found = json.loads(command("describe", run, "--json").out)
    results = json.loads((run / "results.json").read_text("utf-8"))
    assert found["task"] == IMAGES
    assert found["model"] == "linear"
    assert found["data"] == str(raw[IMAGES])
    assert found["names"] == {"classes": ["<dog>", "cat", "größe"]}
    assert found["settings"] == {"epochs": "2"}
    assert found["metrics"] == results["metrics"]
    assert (found["parameters"], found["ended"]) == (results["parameters"], "finished")
    assert found["bytes"] == (run / "model.safetensors").stat().st_size
    said = command("describe", run)
    assert said.code == 0
    for part in (
        "Say which class",
        "One linear layer",
        "3: <dog>, cat, größe",
        "epochs=2",
        "finished, after",
        "test",
        "samoyed predict",
    ):
        assert part in said.out, part
    assert f"Again      {results_command(run)}" in said.out


def results_command(run: Path) -> str:
    return next(
        line for line in (run / "config.yaml").read_text("utf-8").splitlines() if line.startswith("command: ")
    ).removeprefix("command: ")[:40]


def test_a_run_without_classes_is_described(command: Command, runs: Paths) -> None:
    found = json.loads(command("describe", runs[TEXT], "--json").out)
    assert found["names"] == {}
    assert found["tokens"] > 10
    assert found["next"][0].startswith("samoyed generate ")


def test_a_run_in_progress_is_described(command: Command, copied: Path) -> None:
    said = command("describe", unfinished(copied))
    assert said.code == 0
    assert "Ended      not yet: in progress, 2 epochs; on the validation split error " in said.out
    assert f"Go on      samoyed resume {copied}" in said.out
    long_ago = command("describe", "--json", unfinished_again(copied))
    assert json.loads(long_ago.out)["ended"] == "unfinished"


def unfinished_again(path: Path) -> Path:
    for file in (path, *path.iterdir()):
        os.utime(file, (10**9, 10**9))
    return path


def test_a_damaged_run_is_not_described(command: Command, copied: Path) -> None:
    os.truncate(copied / "model.safetensors", 100)
    said = command("describe", copied)
    assert said.code == 1
    assert said.err == (
        f"error: {copied / 'model.safetensors'}: is damaged: its SHA-256 is not the manifest's; copy the run again from where it is whole\n"
    )


def test_a_run_has_no_settings_to_be_described_with(command: Command, runs: Paths) -> None:
    assert command("describe", runs[IMAGES], "depth=3").code == 2


# Names that are no run


@pytest.mark.parametrize("verb", ["report", "describe", "export"])
def test_a_misspelt_run(command: Command, copied: Path, verb: str) -> None:
    said = command(verb, copied.with_name("frist"))
    assert said.code == 1
    assert f"frist: there is no such run; did you mean {copied}?" in said.err


def test_a_number_too_high(command: Command, copied: Path) -> None:
    """Nobody means run 1 by 7; the newest is named."""
    for number in ("9", "10"):
        shutil.copytree(copied, copied.with_name(number))
    said = command("report", copied.with_name("77"))
    assert f"77: there is no such run; the newest there is {copied.with_name('10')}" in said.err


def test_what_a_folder_is_instead(command: Command, copied: Path) -> None:
    empty = copied.parents[1] / "empty"
    empty.mkdir()
    for verb in ("report", "describe", "resume"):
        assert "is no run: it is empty" in command(verb, empty).err
    (empty / "notes.txt").write_text("none")
    for verb in ("report", "describe"):
        assert "is no run: it has no config.yaml" in command(verb, empty).err
        assert "is a file, not the folder of a run" in command(verb, empty / "notes.txt").err
    unfinished(copied)
    for verb in ("report", "export"):
        said = command(verb, copied)
        assert "is not a finished run" in said.err
        assert f"go on with it: samoyed resume {copied}" in said.err


@pytest.mark.parametrize("verb", ["distil", "compress", "resume", "evaluate", "describe"])
def test_a_damaged_configuration(command: Command, copied: Path, verb: str) -> None:
    """Of a run that has ended it is known what it was: the copy is bad, not the training."""
    (copied / "config.yaml").write_text("]]: {")
    said = command(verb, copied)
    assert said.code == 1
    assert "config.yaml: is damaged" in said.err
    assert "train anew" not in said.err


# runs


def test_a_file_of_another_size_is_damage(copied: Path) -> None:
    """What can be told without reading weights: a file that was cut, or lost."""
    (whole,) = listing.runs(copied.parent)
    assert whole["ended"] == "finished"
    weights = copied / "model.safetensors"
    os.truncate(weights, weights.stat().st_size - 1)
    (cut,) = listing.runs(copied.parent)
    assert cut["ended"] == "damaged (model.safetensors)"
    weights.unlink()
    assert listing.runs(copied.parent) == [cut]
    (copied / "config.yaml").write_text("]]: {")
    assert listing.runs(copied.parent)[0]["ended"] == "damaged (config.yaml)"


def test_a_run_that_has_not_ended(copied: Path) -> None:
    """Results are written before the manifest, which is last; a run to which something was written a moment ago is at work."""
    (copied / "manifest.json").unlink()
    os.utime(copied / "config.yaml")
    assert listing.runs(copied.parent)[0]["ended"] == "in progress"
    (row,) = listing.runs(unfinished_again(copied).parent)
    assert row["ended"] == "unfinished"
    assert row["test"].startswith("error ")
