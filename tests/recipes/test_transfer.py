"""The recipe of transfer on a handful of pictures: who trains on what, and what is measured."""

import csv
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from samoyed.errors import DataError, UsageError
from samoyed.recipes import spoken_transfer, text_transfer, transfer


def photos(folder: Path, classes: str, count: int) -> Path:
    """Grey pictures of noise, brighter on one side for each class."""
    draw = np.random.default_rng(0)
    for split, of in (("train", count), ("test", 4)):
        for shift, name in enumerate(classes):
            (folder / split / name).mkdir(parents=True)
            for i in range(of):
                ramp = np.roll(np.linspace(0, 200, 12), 3 * shift)[None, :, None] + draw.uniform(0, 55, (12, 12, 1))
                Pillow.fromarray(ramp[:, :, 0].astype(np.uint8)).save(folder / split / name / f"{i}.png")
    return folder


def labels(table: Path) -> list[tuple[str, str]]:
    """The rows of a table of paths and labels."""
    with table.open(newline="", encoding="utf-8") as file:
        return [(row.get("path", row.get("text", "")), row["label"]) for row in csv.DictReader(file)]


def test_the_other_classes_are_learned_from_few_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "LABELS", (2, 10))
    monkeypatch.setattr(transfer, "DRAWINGS", 1)
    monkeypatch.setattr(transfer, "CHOOSING", 2)
    monkeypatch.setattr(transfer, "_FEW", {**transfer._FEW, "epochs": 1})
    seen: set[object] = set()

    def measured(task: str, data: Path, settings: dict[str, object]) -> float:
        seen.add(settings.get("freeze", settings.get("depth_rate")))
        train, valid, test = (labels(data / f"{name}.csv") for name in ("train", "valid", "test"))
        assert {label for _, label in train + valid + test} == {"c", "d"}
        assert len(train) == 20
        assert len(set(train)) == (4 if data.name.startswith("2") else 20)
        assert not set(train) & set(valid)
        assert len(test) == 8
        assert ("from_run" in settings) == ("model" not in settings)
        return real(task, data, settings)

    real = transfer._error
    monkeypatch.setattr(transfer, "_error", measured)
    outcome = transfer.run(tmp_path / "out", lambda line: None, photos(tmp_path / "photos", "abcd", 16))
    assert set(seen) == {None, "body", 0.8}
    assert len(outcome.measured) == 6
    assert all(0 <= value <= 100 for value in outcome.measured.values())
    ten = [outcome.measured[f"{way}, 10 labels"] for way in ("fine-tuned", "from the beginning")]
    assert outcome.holds == (ten[0] < ten[1])


def test_three_classes_are_too_few(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3 classes"):
        transfer.run(tmp_path / "out", print, photos(tmp_path / "photos", "abc", 12))


def test_spoken_digits_are_divided_as_the_set_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who trains on what; how well is for real recordings to say."""
    draw = np.random.default_rng(0)
    for digit in range(4):
        for index in (*range(7), *range(10, 14)):
            with wave.open(str(tmp_path / f"{digit}_theo_{index}.wav"), "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                file.writeframes(draw.integers(-3000, 3000, 2000).astype("<i2").tobytes())
    monkeypatch.setattr(spoken_transfer, "LABELS", (2, 10))
    for name, value in (("DRAWINGS", 1), ("CHOOSING", 2), ("_FEW", {**transfer._FEW, "epochs": 1})):
        monkeypatch.setattr(transfer, name, value)
    seen = []

    def measured(task: str, data: Path, settings: dict[str, object]) -> float:
        assert task == "audio-classification"
        parts = {name: labels(data / f"{name}.csv") for name in ("train", "valid", "test")}
        indices = {name: {int(Path(path).stem.rpartition("_")[2]) for path, _ in rows} for name, rows in parts.items()}
        assert indices["test"] == set(range(5))
        assert indices["valid"] <= {5, 6}
        assert min(indices["train"]) >= 10
        assert {label for rows in parts.values() for _, label in rows} == {"2", "3"}
        seen.append(settings.get("freeze", settings.get("depth_rate")))
        return real(task, data, settings) if len(seen) == 2 else 50.0

    real = transfer._error
    monkeypatch.setattr(transfer, "_error", measured)
    outcome = spoken_transfer.run(tmp_path / "out", lambda line: None, tmp_path)
    assert seen == [None, 0.8, "body"] * 2
    assert outcome.measured["from the beginning, 10 labels"] == 50.0
    with pytest.raises(DataError, match="too few"):
        spoken_transfer.run(tmp_path / "out", lambda line: None, tmp_path / "out")


def test_names_of_other_languages_are_never_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who trains on what; how well is for real names to say."""
    draw = np.random.default_rng(0)
    for language, letters in {"a": "abc", "b": "bcd", "c": "cde", "d": "def", "rare": "xyz"}.items():
        names = {"".join(draw.choice(list(letters), 8)) for _ in range(90 if language != "rare" else 20)}
        (tmp_path / f"{language}.txt").write_text("\n".join(sorted(names)) + "\n", "utf-8")
    for name, value in (("LABELS", (2, 10)), ("_LEAST", 40), ("_MOST", {"train": 30, "valid": 4, "test": 5})):
        monkeypatch.setattr(text_transfer, name, value)
    monkeypatch.setattr(text_transfer, "_MODEL", {**text_transfer._MODEL, "epochs": 1, "hidden_size": 8})
    for name, value in (("DRAWINGS", 1), ("CHOOSING", 2), ("_FEW", {**transfer._FEW, "epochs": 1})):
        monkeypatch.setattr(transfer, name, value)
    seen = []

    def measured(task: str, data: Path, settings: dict[str, object]) -> float:
        assert task == "text-classification"
        parts = {name: labels(data / f"{name}.csv") for name in ("train", "valid", "test")}
        assert {label for rows in parts.values() for _, label in rows} == {"c", "d"}
        assert not {text for text, _ in parts["train"]} & {
            text for name in ("valid", "test") for text, _ in parts[name]
        }
        assert len(parts["test"]) == 10
        seen.append(settings.get("freeze", settings.get("depth_rate")))
        return real(task, data, settings) if len(seen) == 2 else 50.0

    real = transfer._error
    monkeypatch.setattr(transfer, "_error", measured)
    outcome = text_transfer.run(tmp_path / "out", lambda line: None, tmp_path)
    assert seen == [None, 0.8, "body"] * 2
    assert outcome.measured["from the beginning, 10 labels"] == 50.0
    monkeypatch.setattr(text_transfer, "_LEAST", 1000)
    with pytest.raises(DataError, match="fewer than four languages of 1000 names"):
        text_transfer.run(tmp_path / "other", lambda line: None, tmp_path)
    with pytest.raises(UsageError, match="not fetched"):
        text_transfer.run(tmp_path / "other", lambda line: None, None)
