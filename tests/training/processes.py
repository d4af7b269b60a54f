"""Trainings that one process and several can run alike, and how several are started; a script too, which is what they run.

python processes.py WORK FOLDER runs one of WORKS in the world that the environment names.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file

import samoyed
from samoyed.plan import make
from samoyed.reporting.progress import Reporter
from samoyed.training import checkpoint
from samoyed.training.prepare import prepare
from samoyed.training.sharding import shard
from samoyed.training.world import World, joined

IMAGES = {"epochs": 2, "batch_size": 32, "dropout": 0.0, "learning_rate": 0.01}
TEXT = {"epochs": 2, "batch_size": 5, "sequence_length": 16, "hidden_size": 12, "embedding_size": 6}
SERIES = {"epochs": 3, "batch_size": 32, "hidden_size": 8, "dropout": 0.0}


class Case(NamedTuple):
    """A task, a model, settings, and how many rows are taken of the sample: 129 leave one for the last batch of 32."""

    task: str
    model: str
    settings: dict[str, Any]
    rows: int = 129


CASES = {
    "mlp": Case("image-classification", "mlp", IMAGES),
    "mlp by sgd, clipped": Case("image-classification", "mlp", IMAGES | {"optimizer": "sgd", "clip_norm": 0.5}),
    "mlp, accumulated": Case("image-classification", "mlp", IMAGES | {"accumulate": 3, "weight_decay": 0.1}, 130),
    "mlp, normalised": Case(
        "image-classification", "mlp", IMAGES | {"batch_norm": True, "optimizer": "sgd", "learning_rate": 0.001}, 130
    ),
    "lenet": Case("image-classification", "lenet", IMAGES),
    "text lstm": Case("text-generation", "lstm", TEXT, 900),
    "text lstm of one stream": Case("text-generation", "lstm", TEXT | {"batch_size": 1, "epochs": 1}, 300),
    "series gru": Case("time-series-forecasting", "gru", SERIES),
}


class Watcher:
    """Keeps a checkpoint every third step where there is a folder; asks to stop after a step; says nothing."""

    def __init__(self, folder: Path | None = None, stop: int | None = None) -> None:
        self.folder, self.stop, self.steps = folder, stop, 0
        self.losses: list[float] = []
        self.warned: list[str] = []

    def stepped(self, epoch: int, done: int, of: int, loss: float) -> None:
        self.steps += 1
        self.losses.append(loss)

    def passed(self, epoch: Any, left: float) -> None: ...

    def stopping(self) -> bool:
        return self.stop is not None and self.steps >= self.stop

    def due(self, epoch: bool = False) -> bool:
        return self.folder is not None and self.steps % 3 == 0

    def save(self, snapshot: Any) -> None:
        if self.folder is not None:
            checkpoint.write(self.folder, snapshot)

    def warn(self, text: str) -> None:
        self.warned.append(text)


def session_of(case: Case, world: World, watcher: Watcher, exact: bool = True, sharded: bool = False) -> Any:
    """A session on some rows of the task's sample, in float64 if `exact`."""
    job = prepare(make(case.task, None, case.model, None, case.settings), Reporter(quiet=True), world)
    if case.task == "text-generation":
        job.data = {name: rows._replace(tokens=rows.tokens[:, : case.rows]) for name, rows in job.data.items()}
    else:
        job.data = {name: type(rows)(*(t[: case.rows] for t in rows)) for name, rows in job.data.items()}
    if exact:
        job.model.double().register_forward_pre_hook(_in_float64)
    if sharded and world.size > 1:
        shard(job.model, world, job.task.device, large=1000)
    return job.trainer.session(job.task, job.model, job.data["train"], job.data["valid"], watcher, world)


def _in_float64(module: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(x.double() if isinstance(x, torch.Tensor) and x.is_floating_point() else x for x in given)


def outcome(session: Any) -> dict[str, Any]:
    """What all processes must agree on: losses, norms and validation figures of each epoch."""
    timing = {"seconds", "step_ms", "per_second"}
    return {
        "ended": session.result.ended,
        "why": session.result.why,
        "steps": session.descent.steps,
        "epochs": [{k: v for k, v in e._asdict().items() if k not in timing} for e in session.result.epochs],
    }


def keep(folder: Path, name: str, session: Any, world: World) -> None:
    """Writes the outcome of this process, and the weights that it has."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.{world.rank}.json").write_text(json.dumps(outcome(session)))
    save_file(
        {f"last.{k}": v.clone() for k, v in session.result.last.items()}, folder / f"{name}.{world.rank}.safetensors"
    )


def kept(folder: Path, name: str, rank: int = 0) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """What `keep` wrote."""
    return json.loads((folder / f"{name}.{rank}.json").read_text()), load_file(folder / f"{name}.{rank}.safetensors")


def equal(folder: Path, world: World) -> None:
    """Every case, in float64."""
    for name, case in CASES.items():
        session = session_of(case, world, Watcher())
        session.run()
        keep(folder, name, session, world)


def sharded(folder: Path, world: World) -> None:
    """Every case but one in shards; batch normalisation too."""
    for name, case in CASES.items():
        session = session_of(case, world, Watcher(), sharded=True)
        session.run()
        keep(folder, name, session, world)


WORKS = {"sharded": sharded, "equal": equal}


def processes(size: int, work: str, folder: Path, wait: float = 120) -> list[tuple[int, str]]:
    """Runs one of WORKS in so many processes; the exit code and standard error of each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = str(Path(samoyed.__file__).parents[1])
    shared = {
        **os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root, "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }  # fmt: skip
    command = [sys.executable, __file__, work, str(folder)]
    started = [
        subprocess.Popen(
            command, env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}, stderr=subprocess.PIPE, text=True
        )
        for rank in range(size)
    ]
    try:
        said = [process.communicate(timeout=wait)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    return [(process.returncode, text) for process, text in zip(started, said, strict=True)]


if __name__ == "__main__":
    torch.set_num_threads(1)
    with joined("cpu") as here:
        WORKS[sys.argv[1]](Path(sys.argv[2]), here)
