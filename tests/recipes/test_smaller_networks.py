"""The recipes of compression and distillation on a handful of pictures: who learns from what, and what is measured."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from samoyed.recipes import deep_compression, distillation
from samoyed.sources.idx import Idx
from tests.recipes.test_experiments import check_picture


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    """idx files as MNIST's: 10 x 10 pictures with one bright row, which is the class."""
    folder, draw = tmp_path / "idx", np.random.default_rng(0)
    folder.mkdir()
    for split, count in (("train", 240), ("t10k", 60)):
        labels = np.arange(count, dtype=np.uint8) % 4
        pixels = draw.integers(0, 90, (count, 10, 10), dtype=np.uint8)
        pixels[np.arange(count), 2 * labels + 1] += 120
        for kind, array in (("images-idx3", pixels), ("labels-idx1", labels)):
            head = struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape)
            (folder / f"{split}-{kind}-ubyte").write_bytes(head + array.tobytes())
    return folder


def test_compression_is_held_against_what_it_began_with(
    bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deep_compression, "_SEEDS", (0, 1))
    monkeypatch.setattr(deep_compression, "_NETWORK", {"model": "lenet", "epochs": 2, "batch_size": 16, "quiet": True})
    monkeypatch.setattr(deep_compression, "_SMALLER", {"prune": 0.5, "share": 4, "epochs": 1, "quiet": True})
    out = tmp_path / "out"
    outcome = deep_compression.run(out, lambda line: None, bars)
    results = {name: json.loads((out / name / "results.json").read_bytes()) for name in ("lenet-1", "compressed-1")}
    errors = [results[name]["metrics"]["test"]["error"]["value"] for name in ("lenet-1", "compressed-1")]
    assert f"error {errors[1] - errors[0]:+.2f} points" in outcome.sentence
    sizes = [(out / f"lenet-{s}/model.safetensors").stat().st_size for s in (0, 1)]
    packed = [(out / f"compressed-{s}/model.packed").stat().st_size for s in (0, 1)]
    assert outcome.measured["smaller"] == round(min(a / b for a, b in zip(sizes, packed, strict=True)), 2)
    assert outcome.holds == (outcome.measured["smaller"] >= 35 and outcome.measured["error_added"] <= 0.1)
    check_picture(outcome.pictures[0])


def test_both_students_see_the_same_pictures(bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distillation, "_SEEDS", (3,))
    monkeypatch.setattr(distillation, "_FEW", 40)
    monkeypatch.setattr(distillation, "_CHOOSING", 20)
    monkeypatch.setattr(distillation, "_TEACHER", {"model": "lenet", "epochs": 2, "batch_size": 16, "quiet": True})
    budget = {"epochs": 2, "batch_size": 8, "quiet": True}
    monkeypatch.setattr(distillation, "_BUDGETS", {40: budget, 0: budget})
    out = tmp_path / "out"
    outcome = distillation.run(out, lambda line: None, bars)
    splits = Idx.splits(out / "pictures-40-3")
    few, whole = Idx(splits["train"]), Idx(Idx.splits(bars)["train"])
    assert len(few) == 40
    assert len(Idx(splits["valid"])) == 20
    assert not {p.tobytes() for p in few.images} & {p.tobytes() for p in Idx(splits["valid"]).images}
    known = {(p.tobytes(), label) for p, label in zip(whole.images, whole.labels.tolist(), strict=True)}
    assert {(p.tobytes(), label) for p, label in zip(few.images, few.labels.tolist(), strict=True)} <= known
    assert len(Idx(splits["test"])) == 60
    for name in ("40-3", "all-3"):
        alone, taught = ((out / f"{who}-{name}" / "config.yaml").read_text() for who in ("alone", "taught"))
        assert "teacher: null" in alone
        assert f"teacher: {out}/teacher-{name[-1]}" in taught
        assert [line for line in alone.splitlines() if line.startswith("data:") or " seed:" in line] == [
            line for line in taught.splitlines() if line.startswith("data:") or " seed:" in line
        ]
    found = json.loads((out / "alone-40-3" / "results.json").read_bytes())["metrics"]["test"]["error"]["value"]
    assert outcome.measured["alone, 40 pictures"] == pytest.approx(found, abs=1e-3)
    check_picture(outcome.pictures[0])


def test_a_teacher_that_teaches_nothing_does_not_hold(tmp_path: Path) -> None:
    same = distillation.Seen(
        1.0, 5.0, 5.0, distillation.Difference(0.0, -0.1, 0.1, 1.0, "McNemar's exact test", (9, 9))
    )
    better = distillation.Seen(1.0, 5.0, 4.0, distillation.Difference(-1.0, -1.2, -0.8, 0.001, "as above", (90, 9)))
    few, whole = distillation._FEW, distillation._ALL
    tmp_path.mkdir(exist_ok=True)
    assert distillation._outcome({few: [better] * 3, whole: [same] * 3}, tmp_path).holds
    assert not distillation._outcome({few: [better, better, same], whole: [better] * 3}, tmp_path).holds
