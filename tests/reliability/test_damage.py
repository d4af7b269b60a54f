"""D3: a bit that flips, or bytes that are cut off, in any file of a run or a checkpoint is noticed."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import samoyed
from samoyed.errors import RunError
from samoyed.files import check_manifest
from samoyed.training import checkpoint
from tests.reliability.children import snapshot


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    out = tmp_path_factory.mktemp("damage") / "run"
    return samoyed.train("time-series-forecasting", model="gru", epochs=1, hidden_size=4, out=out, quiet=True).path


def damaged(data: bytes, draw: random.Random) -> bytes:
    """One bit flipped, or the end cut off."""
    if draw.random() < 0.2:
        return data[: draw.randrange(len(data))]
    made = bytearray(data)
    made[draw.randrange(len(made))] ^= 1 << draw.randrange(8)
    return bytes(made)


def test_every_file_of_a_run(run: Path, promise: Any, times: Callable[[int, int], int]) -> None:
    draw, tried, unnoticed = random.Random(0), 0, 0
    for file in sorted(p for p in run.rglob("*") if p.is_file()):
        whole = file.read_bytes()
        for _ in range(times(10, 1000)):
            file.write_bytes(damaged(whole, draw))
            tried += 1
            try:
                check_manifest(run)
                unnoticed += 1
            except RunError as error:
                unnoticed += len(str(error).splitlines()) != 1
        if file.name in ("config.yaml", "features.json", "model.safetensors", "results.json", "manifest.json"):
            with pytest.raises(RunError):
                samoyed.load(run)
        file.write_bytes(whole)
    check_manifest(run)
    promise("D3", "damage to any saved file is noticed", tried, unnoticed, "flipped bits and cuts")


def test_every_file_of_a_checkpoint(promise: Any, times: Callable[[int, int], int], tmp_path: Path) -> None:
    """And the checkpoint before it is taken."""
    draw, tried, unnoticed = random.Random(1), 0, 0
    run = tmp_path / "run"
    for step in (1, 2):
        checkpoint.write(run, snapshot(step, 500))
    newest = run / "checkpoint" / "000000000002"
    for file in sorted(newest.iterdir()):
        whole = file.read_bytes()
        for _ in range(times(10, 1000)):
            file.write_bytes(damaged(whole, draw))
            found, problems = checkpoint.read(run)
            tried += 1
            unnoticed += not (found is not None and found.facts["steps"] == 1 and len(problems) == 1)
        file.write_bytes(whole)
    shutil.rmtree(run)
    promise("D3", "damage to any saved file is noticed", tried, unnoticed, "flipped bits and cuts")
