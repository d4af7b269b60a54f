"""D1, D2, D6: whatever instant a training is killed or stopped at, nothing is lost, and what goes on is the same."""

import hashlib
import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import samoyed
from samoyed.errors import RunError
from samoyed.files import MANIFEST
from samoyed.training import checkpoint
from tests.reliability.children import snapshot

WORDS = {
    "images": ("image-classification", "model=mlp", "epochs=4", "hidden_sizes=32", "dropout=0.3"),
    "deformed images": ("image-classification", "model=mlp", "epochs=4", "hidden_sizes=32", "augment=strong,elastic,mixup"),
    "text": ("text-generation", "BOOK", "model=lstm", "epochs=2", "max_steps=60", "hidden_size=16", "embedding_size=8",
             "sequence_length=32", "batch_size=8", "dropout=0.3"),
    "series": ("time-series-forecasting", "model=gru", "epochs=12", "hidden_size=8", "dropout=0.2"),
}  # fmt: skip


def test_kills_while_saving(nursery: Any, promise: Any, times: Callable[[int, int], int], in_memory: Path) -> None:
    """D1: kill -9 at a random instant of a save, over and over in one folder: the last whole checkpoint is always there."""
    draw, rounds, lost, litter = random.Random(0), times(40, 1000), 0, 0
    run, first, reached = in_memory / "run", 1, 0
    for _ in range(rounds):
        child = nursery.start("save_for_ever", run, first)
        while not (run / "checkpoint").exists() or not any((run / "checkpoint").glob("0*")):
            time.sleep(0.001)
        time.sleep(draw.random() * 0.03)
        os.kill(child, signal.SIGKILL)
        nursery.ended()
        found, problems = checkpoint.read(run)
        if found is None:
            lost += 1
            continue
        steps = found.facts["steps"]
        lost += bool(problems) or steps < reached or not bool((found.model["weight"] == steps).all())
        reached = steps
        first = reached + 1
        checkpoint.write(run, snapshot(first))  # the next start tidies up
        litter += bool([p for p in run.rglob("*") if p.name.startswith(".")])
        reached, first = first, first + 1
    promise("D1", "a run killed while it saves is never lost", rounds, lost + litter, "kills during saves")


def uninterrupted(folder: Path, nursery: Any, case: str) -> float:
    """A whole training into `folder`: its seconds."""
    began = time.monotonic()
    nursery.start("train", folder, *WORDS[case], "checkpoint_every=0.03")
    assert nursery.ended() == 0
    return time.monotonic() - began


def same(a: Path, b: Path) -> bool:
    """Whether two runs hold the same weights, metrics and epochs."""
    for name in ("model.safetensors", "last.safetensors", "features.json"):
        if hashlib.sha256((a / name).read_bytes()).digest() != hashlib.sha256((b / name).read_bytes()).digest():
            return False
    timing = ("seconds", "step_ms", "per_second")

    def told(run: Path) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
        return [{key: value for key, value in line.items() if key not in timing} for line in lines]

    return told(a) == told(b) and samoyed.load(a).metrics == samoyed.load(b).metrics


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if case in ("images", "text") else pytest.mark.prove) for case in WORDS]
)
def test_kills_while_training(
    case: str, nursery: Any, promise: Any, times: Callable[[int, int], int], in_memory: Path
) -> None:
    """D2: kill -9 at a random instant, up to three times in one training, and going on: the very same run."""
    draw, rounds, different = random.Random(case), times(1, 40), 0
    whole, run = in_memory / "whole", in_memory / "run"
    seconds = uninterrupted(whole, nursery, case)
    kills = 0
    for _ in range(rounds):
        for attempt in range(draw.choice((1, 1, 2, 3))):
            words = WORDS[case] if attempt == 0 or not (run / "config.yaml").exists() else (*WORDS[case], "--resume")
            child = nursery.start("train", run, *words, "checkpoint_every=0.03")
            time.sleep(draw.random() * seconds)
            os.kill(child, signal.SIGKILL)
            nursery.ended()
            kills += 1
        if not (run / "config.yaml").exists():  # killed before there was a run
            shutil.rmtree(run, ignore_errors=True)
            continue
        if not (run / MANIFEST).exists():
            nursery.start("train", run, *WORDS[case], "checkpoint_every=0.03", "--resume")
            different += nursery.ended() != 0
        different += not same(run, whole)
        shutil.rmtree(run)
    promise("D2", "a resumed run equals the uninterrupted one, bit for bit", kills, different, "kills anywhere")


def test_stops_at_any_instant(nursery: Any, promise: Any, times: Callable[[int, int], int], in_memory: Path) -> None:
    """D6: SIGTERM at a random instant: an end within 10 s, and a run that goes on to the same end."""
    draw, rounds, failed = random.Random(6), times(2, 200), 0
    whole, run = in_memory / "whole", in_memory / "run"
    seconds = uninterrupted(whole, nursery, "series")
    for _ in range(rounds):
        child = nursery.start("train", run, *WORDS["series"], "checkpoint_every=0.03")
        time.sleep(draw.random() * seconds)
        os.kill(child, signal.SIGTERM)
        began = time.monotonic()
        code = nursery.ended()
        failed += time.monotonic() - began > 10
        if (run / "config.yaml").exists() and code != 0:
            nursery.start("train", run, *WORDS["series"], "checkpoint_every=0.03", "--resume")
            failed += nursery.ended() != 0
        if (run / "config.yaml").exists():
            failed += not same(run, whole)
        shutil.rmtree(run, ignore_errors=True)
    promise("D6", "SIGTERM is a clean stop within 10 s, from which a run goes on", rounds, failed, "instants")


def test_a_run_that_is_not_sealed_is_not_opened(in_memory: Path, nursery: Any) -> None:
    """What a kill leaves is never taken for a finished run."""
    uninterrupted(in_memory / "run", nursery, "series")
    (in_memory / "run" / MANIFEST).unlink()
    with pytest.raises(RunError):
        samoyed.load(in_memory / "run")
