"""What a report shows of earlier runs: only finished ones on the same examples, the best first, and nothing damaged stops it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import samoyed
from samoyed.comparing.beside import others
from samoyed.comparing.identity import content, digest
from samoyed.examples import Drawing, LabelledText, Series, TaggedClip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs on the digits of the sample, the last with another seed and so with other test pictures."""
    folder = tmp_path_factory.mktemp("runs")
    for name, model, seed in (("one", "linear", 0), ("two", "mlp", 0), ("three", "linear", 1)):
        samoyed.train("image-classification", model=model, epochs=1, seed=seed, out=folder / name, execution="plain")
    return folder


def test_a_report_holds_the_earlier_run_on_the_same_pictures(folder: Path) -> None:
    first, second, third = ((folder / name / "report.html").read_text("utf-8") for name in ("one", "two", "three"))
    assert "Beside other runs" not in first
    assert "two, this run" in second
    assert "<td>one</td><td>linear</td>" in second
    assert "Beside other runs" not in third, "its test pictures are others"


def test_the_better_run_stands_first(folder: Path) -> None:
    page = (folder / "two" / "report.html").read_text("utf-8")
    errors = {n: samoyed.load(folder / n).metrics["test"]["error"]["value"] for n in ("one", "two")}
    places = {"one": page.index("<td>one</td>"), "two": page.index("<td>two, this run</td>")}
    assert sorted(places, key=places.__getitem__) == sorted(errors, key=lambda n: (errors[n], n != "two"))


def test_what_is_damaged_or_of_an_older_version_is_left_out(folder: Path) -> None:
    results = json.loads((folder / "one" / "results.json").read_text("utf-8"))
    tested_on = results["tested_on"]
    assert [row.name for row in others(folder / "two", "image-classification", tested_on)] == ["one"]
    assert others(folder / "two", "translation", tested_on) == []
    for name, text in (
        ("old", json.dumps({k: v for k, v in results.items() if k != "tested_on"})),
        ("cut", json.dumps(results)[:-40]),
    ):
        (folder / name).mkdir()
        (folder / name / "manifest.json").write_text("{}")
        (folder / name / "results.json").write_text(text)
    (folder / "gone").mkdir()
    (folder / "gone" / "manifest.json").write_text("{}")
    assert [row.name for row in others(folder / "two", "image-classification", tested_on)] == ["one"]


def test_examples_are_told_apart_by_what_they_hold_not_by_where_it_was() -> None:
    one = LabelledText("good", "pos", "a.csv, line 2")
    assert digest([one]) == digest([replace(one, origin="b.csv, line 9")])
    assert digest([one]) != digest([replace(one, label="neg")])
    assert digest([one, one]) != digest([one])
    long = np.zeros((5000, 2), np.float32)
    other = long.copy()
    other[2500] = 1  # numpy's repr of so long an array leaves it out
    assert content(Drawing("a", "x", (long,))) != content(Drawing("a", "x", (other,)))
    assert content(Drawing("a", "x", (long, long))) != content(Drawing("a", "x", (long,)))


def test_a_series_is_its_last_row_however_much_of_the_past_is_read() -> None:
    values = np.arange(8.0).reshape(4, 2)
    whole = Series(values, ("a", "b"), ("1", "2", "3", "4"), "x")
    shorter = Series(values[2:], ("a", "b"), ("3", "4"), "x")
    earlier = Series(values[:3], ("a", "b"), ("1", "2", "3"), "x")
    assert content(whole) == content(shorter)
    assert content(whole) != content(earlier)


def test_clips_are_told_apart_with_and_without_the_moments_of_their_frames() -> None:
    frames = np.zeros((2, 4, 4, 1), np.uint8)
    clips = [
        TaggedClip(frames, (("a",), ()), "x"),
        TaggedClip(frames, (("a",), ("a",)), "x"),
        TaggedClip(frames, (("a",), ()), "x", np.array([0.0, 0.5, 1.0]), "seconds"),
    ]
    assert len({content(clip) for clip in clips}) == 3
    assert content(clips[0]) == content(TaggedClip(frames.copy(), (("a",), ()), "elsewhere"))
