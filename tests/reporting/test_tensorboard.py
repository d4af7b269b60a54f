"""TensorBoard events hold what metrics.jsonl and the results hold."""

import importlib.util
import json

import pytest

import samoyed


def test_events_hold_every_epoch_and_the_pictures(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = samoyed.train(
        "image-classification", model="linear", epochs=3, tensorboard=True, out=tmp_path / "run", quiet=True
    )
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    events = EventAccumulator(str(run.path / "tensorboard"))
    events.Reload()
    written = events.Scalars("train/objective")
    assert [event.step for event in written] == [line["step"] for line in lines]
    assert [event.value for event in written] == pytest.approx([line["loss"] for line in lines])
    valid = events.Scalars("valid/error (%)")
    assert [event.value for event in valid] == pytest.approx([line["valid"]["error"] for line in lines])
    assert {"report/confusion", "report/curves"} <= set(events.Tags()["images"])
    test_error = events.Scalars("test/error")[0].value
    assert test_error == pytest.approx(run.metrics["test"]["error"]["value"])


def test_a_missing_package_is_said_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(samoyed.UsageError, match=r"pip install 'samoyed\[tensorboard\]'"):
        samoyed.train("image-classification", tensorboard=True, out=tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()
