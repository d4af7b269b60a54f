"""A compression that was stopped, at whatever step, ends as one that was not: the same bytes, the same table."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import samoyed
from samoyed import catalog
from samoyed.compressing import resuming
from samoyed.errors import DataError, Interrupted, RunError, UsageError
from samoyed.reporting.progress import Reporter
from samoyed.run import Run

HOW: dict[str, Any] = {"prune": 0.7, "share": 3, "quantise": "int8", "max_steps": 4, "batch_size": 64, "quiet": True}


@pytest.fixture(scope="module", autouse=True)
def _undrawn() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog.task("image-classification").load(), "pictures", lambda *given: [])
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "trained"
    return samoyed.train("image-classification", out=out, model="mlp", hidden_sizes=(16,), max_steps=60, quiet=True)


@pytest.fixture(scope="module")
def whole(trained: Run) -> Run:
    """Never stopped."""
    return samoyed.compress(trained.path, out=trained.path.parent / "whole", **HOW)


def stopping_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """As if Ctrl-C was pressed after so many steps."""
    seen = {"steps": 0}
    real = Reporter.stepped

    def stepped(self: Reporter, *given: Any) -> None:
        seen["steps"] += 1
        real(self, *given)

    monkeypatch.setattr(Reporter, "stepped", stepped)
    monkeypatch.setattr(Reporter, "stopping", lambda self: seen["steps"] >= steps)


def alike(one: Run, other: Run) -> None:
    assert one.weights.read_bytes() == other.weights.read_bytes()
    assert one.metrics == other.metrics
    facts = [json.loads((r.path / "compression.json").read_text()) for r in (one, other)]
    for found in facts:
        for stage in found["stages"]:
            del stage["milliseconds"], stage["milliseconds_together"]
    assert facts[0] == facts[1]
    lines = [[json.loads(line) for line in (r.path / "metrics.jsonl").read_text().splitlines()] for r in (one, other)]
    for a, b in zip(*lines, strict=True):
        assert (a["epoch"], a["step"], a["loss"], a["valid"]) == (b["epoch"], b["step"], b["loss"], b["valid"])


@pytest.mark.parametrize("steps", [1, 4, 6, 11, 14])
def test_it_goes_on_wherever_it_was_stopped(
    trained: Run, whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    out = tmp_path / "small"
    with monkeypatch.context() as patch:
        stopping_after(patch, steps)
        with pytest.raises(Interrupted, match="stopped before") as said:
            samoyed.compress(trained.path, out=out, **HOW)
    assert f"samoyed resume {out}" in str(said.value)
    with pytest.raises(RunError, match="is not a finished run"):
        samoyed.load(out)
    with pytest.raises(UsageError, match="is there already"):
        samoyed.compress(trained.path, out=out, **HOW)
    again = (
        samoyed.resume(out, quiet=True) if steps % 2 else samoyed.compress(trained.path, out=out, resume=True, **HOW)
    )
    alike(again, whole)
    assert not (out / resuming.FOLDER).exists()
    assert sorted(p.name for p in out.iterdir()) == sorted(p.name for p in whole.path.iterdir())
    assert samoyed.resume(out, quiet=True).path == out  # it is finished


def test_a_killed_one_goes_on_from_the_last_round(
    trained: Run, whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, seen = tmp_path / "small", {"steps": 0}
    real = Reporter.stepped

    def stepped(self: Reporter, *given: Any) -> None:
        seen["steps"] += 1
        if seen["steps"] == 10:
            raise SystemExit("killed")
        real(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Reporter, "stepped", stepped)
        with pytest.raises(SystemExit):
            samoyed.compress(trained.path, out=out, **HOW)
    newest = max((out / resuming.FOLDER / "rounds" / "checkpoint").iterdir())
    (newest / "model.safetensors").write_bytes(b"damaged")
    said: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(Reporter, "warn", lambda self, text: said.append(text))
        alike(samoyed.resume(out, quiet=True), whole)
    assert "what was kept before it is used" in said[0]


def test_the_same_command_finds_its_own(trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        stopping_after(patch, 6)
        with pytest.raises(Interrupted):
            samoyed.compress(trained.path, **HOW)
    other = samoyed.compress(trained.path, resume=True, **{**HOW, "share": 4})
    assert other.path.name == "2"
    made = samoyed.compress(trained.path, resume=True, **HOW)
    assert made.path == Path("runs/image-classification/1")


def test_other_data_or_another_run_are_refused(trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "small"
    with monkeypatch.context() as patch:
        stopping_after(patch, 6)
        with pytest.raises(Interrupted):
            samoyed.compress(trained.path, out=out, **HOW)
    with pytest.raises(UsageError, match="begun with other settings"):
        samoyed.compress(trained.path, out=out, resume=True, **{**HOW, "prune": 0.5})
    with monkeypatch.context() as patch:
        patch.setattr("samoyed.compressing.job.fingerprint", lambda rows: "other")
        with pytest.raises(DataError, match="not those that this compression began with"):
            samoyed.resume(out, quiet=True)
    (out / resuming.FOLDER / "begun.json").write_text("{")
    with pytest.raises(RunError, match="its beginning is damaged"):
        samoyed.resume(out, quiet=True)
