"""A job that torchrun starts again after a worker has died or stands still ends as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

import samoyed

TRAIN = ("train", "image-classification", "model=mlp", "epochs=6", "hidden_sizes=64", "batch_size=32")


class Ended(NamedTuple):
    """A job that has ended: its code, what it said, and the second after the signal at which each line came."""

    code: int
    out: str
    lines: list[tuple[float, str]]

    def second(self, word: str) -> float:
        """When a line with the word first came."""
        return next(when for when, line in self.lines if word in line)


def job(folder: Path, *words: object, restarts: int = 0, kind: int = 0, local_rank: int = 1) -> Ended:
    """Two processes of `samoyed WORDS` under torchrun; after the second checkpoint one of them gets a signal, if any is given."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "--max-restarts", str(restarts), "-m", "samoyed", *map(str, words),
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(samoyed.__file__).parents[1])}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        if kind:
            while len(list(folder.glob("**/checkpoint/0*"))) < 2 and process.poll() is None:
                time.sleep(0.005)
            workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(int(workers[local_rank]), kind)
        began, lines = time.monotonic(), []
        assert process.stderr is not None
        for line in process.stderr:
            lines.append((time.monotonic() - began, line))
        out = process.communicate(timeout=300)[0]
    finally:
        process.kill()
    return Ended(process.returncode, out, lines)


def said(ended: Ended) -> str:
    return "".join(line for _, line in ended.lines)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    ended = job(folder, *TRAIN, "checkpoint_every=0.02", "--json", "--out", "run")
    assert ended.code == 0, said(ended)
    assert json.loads(ended.out)["run"] == "run"  # one object, from one process
    assert said(ended).count("image-classification\n") == 1
    return folder / "run"


def alike(run: Path, whole: Path) -> None:
    """Bit for bit in weights, and in every figure but times."""
    for name in ("model.safetensors", "last.safetensors"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    timing = ("seconds", "step_ms", "per_second")
    first, second = (
        [
            {k: v for k, v in json.loads(line).items() if k not in timing}
            for line in (r / "metrics.jsonl").read_text().splitlines()
        ]
        for r in (run, whole)
    )
    assert first == second
    assert samoyed.load(run).metrics == samoyed.load(whole).metrics
    assert not (run / "checkpoint").exists()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="workers are found through /proc")
class TestTorchrun:
    def test_a_killed_worker_is_started_again_and_the_end_is_the_same(self, whole: Path, tmp_path: Path) -> None:
        """Without --out: the job finds the run that it had begun."""
        ended = job(tmp_path, *TRAIN, "checkpoint_every=0.02", restarts=1, kind=signal.SIGKILL)
        assert ended.code == 0, said(ended)
        assert ended.second("has ended") < 5
        assert "resumed" in said(ended)
        assert [p.name for p in (tmp_path / "runs" / "image-classification").iterdir()] == ["1"]
        alike(tmp_path / "runs" / "image-classification" / "1", whole)

    @pytest.mark.prove
    def test_sigterm_of_one_worker_stops_all_cleanly(self, tmp_path: Path) -> None:
        ended = job(tmp_path, *TRAIN[:3], "epochs=2000", "checkpoint_every=0.2", "--out", "run", kind=signal.SIGTERM)
        assert ended.code != 0
        assert said(ended).count("samoyed resume run goes on from there") == 1
        assert json.loads((tmp_path / "run" / "results.json").read_text())["ended"] == "stopped"
        assert len(list((tmp_path / "run" / "checkpoint").glob("0*"))) in (1, 2)

    @pytest.mark.prove
    @pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGSTOP])
    @pytest.mark.parametrize("local_rank", [0, 1])
    def test_any_worker_may_die_or_stand_still(self, kind: int, local_rank: int, whole: Path, tmp_path: Path) -> None:
        words = (*TRAIN, "checkpoint_every=0.02", "--out", "run")
        ended = job(tmp_path, *words, restarts=1, kind=kind, local_rank=local_rank)
        assert ended.code == 0, said(ended)
        assert ended.second("has ended") < 30
        alike(tmp_path / "run", whole)
