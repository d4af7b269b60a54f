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
from samoyed.errors import DataError, SamoyedError
from samoyed.plan import make
from samoyed.reporting.progress import Reporter
from samoyed.training import checkpoint, world
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
    "mlp, deformed": Case("image-classification", "mlp", IMAGES | {"augment": ("strong", "elastic", "mixup")}),
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
        job.model.double().register_forward_pre_hook(in_float64)
    if sharded and world.size > 1:
        shard(job.model, world, job.task.device, large=1000)
    return job.trainer.session(job.task, job.model, job.data["train"], job.data["valid"], watcher, world)


def in_float64(module: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
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


def ran(name: str, case: Case, folder: Path, world: World, **how: Any) -> Any:
    """The session of a case, run and kept."""
    session = session_of(case, world, how.pop("watcher", None) or Watcher(), **how)
    session.run()
    keep(folder, name, session, world)
    return session


def equal(folder: Path, world: World) -> None:
    """Every case in float64, and two in float32."""
    for name, case in CASES.items():
        ran(name, case, folder, world)
    for name in ("mlp", "text lstm"):
        ran(f"{name} in float32", CASES[name], folder, world, exact=False)


FEW = ("mlp", "mlp, deformed", "mlp, accumulated", "mlp, normalised", "text lstm")


def few(folder: Path, world: World) -> None:
    """The cases in which something is short: the last batch, the group of batches, the streams."""
    for name in FEW:
        ran(name, CASES[name], folder, world)


def sharded(folder: Path, world: World) -> None:
    """Every case in shards."""
    for name, case in CASES.items():
        ran(name, case, folder / "sharded", world, sharded=True)
    resumed(folder / "sharded", world, sharded=True)


DRAWING = {
    "images": Case(
        "image-classification",
        "mlp",
        IMAGES | {"dropout": 0.3, "batch_norm": True, "epochs": 3, "augment": ("crop", "elastic", "mixup")},
    ),
    "text": Case("text-generation", "lstm", TEXT | {"dropout": 0.3, "num_layers": 2}, 900),
}


def resumed(folder: Path, world: World, sharded: bool = False) -> None:
    """Trainings that draw at random, uninterrupted, and stopped at a step and gone on with in a new session."""
    for name, case in DRAWING.items():
        ran(f"{name}, whole", case, folder, world, exact=False, sharded=sharded)
        for stop in (4, 7):
            at = folder / f"{name} {stop}"
            ran(
                f"{name}, stopped at {stop}",
                case,
                folder,
                world,
                exact=False,
                sharded=sharded,
                watcher=Watcher(at, stop),
            )
            torch.manual_seed(12345 + world.rank)  # nothing of the session before is left
            session = session_of(case, world, Watcher(), exact=False, sharded=sharded)
            start, problems = checkpoint.read(at)
            assert start is not None
            assert not problems
            session.restore(start)
            session.run()
            keep(folder, f"{name}, resumed at {stop}", session, world)


def stopped(folder: Path, world: World) -> None:
    """Leaves a checkpoint of a text's seventh step, in the middle of what is carried."""
    ran("stopped", CASES["text lstm"], folder, world, watcher=Watcher(folder / "at", 7))


def gone_on(folder: Path, world: World) -> None:
    """Goes on from a checkpoint that another number of processes left."""
    session = session_of(CASES["text lstm"], world, Watcher())
    start, _ = checkpoint.read(folder / "at")
    assert start is not None
    session.restore(start)
    session.run()
    keep(folder, f"gone on by {world.size}", session, world)


class StopsAlone(Watcher):
    """One process, not the first, is asked to stop after its fifth question."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.rank, self.asked = rank, 0

    def stopping(self) -> bool:
        self.asked += 1
        return self.rank == 1 and self.asked > 5


def decided(folder: Path, world: World) -> None:
    """What only one process sees, and all must follow: a wish to stop, a loss that is no number, the clock."""
    ran("stop", CASES["mlp"], folder, world, watcher=StopsAlone(world.rank))
    ran("clock", Case("image-classification", "mlp", IMAGES | {"epochs": 10**6, "max_time": 0.5}), folder, world)
    session = session_of(CASES["mlp"], world, Watcher())
    objective, calls = session.task.objective, []

    def spoiled(model: Any, batch: Any) -> Any:
        calls.append(len(batch.labels))
        mean = objective(model, batch)
        late = len(calls) in (7, 9)  # one batch of the second epoch, and one when it is tried again
        return mean._replace(total=mean.total * float("nan")) if late and world.rank == world.size - 1 else mean

    session.task.objective = spoiled
    session.run()
    keep(folder, "spoiled", session, world)
    (folder / f"warned.{world.rank}.json").write_text(json.dumps(session.watcher.warned))


def two(folder: Path, world: World) -> None:
    """All that two processes are asked, in one start."""
    for work in (equal, sharded, resumed, stopped, decided):
        work(folder, world)
    gone_on(folder / "from one", world)


def raising(folder: Path, world: World) -> None:
    """One process fails in the middle of a step."""

    class Fails(Watcher):
        def stopping(self) -> bool:
            self.steps += 1
            if world.rank == 1 and self.steps > 4:
                raise ValueError("a mistake in one process")
            return False

    session_of(CASES["mlp"], world, Fails()).run()


def hungry(folder: Path, world: World) -> None:
    """One process runs out of memory."""
    session = session_of(CASES["mlp"], world, Watcher())
    if world.rank == 1:

        def starved(model: Any, batch: Any) -> Any:
            raise MemoryError

        session.task.objective = starved
    session.run()


def differing(folder: Path, world: World) -> None:
    """One process fails while it prepares."""

    def prepared() -> None:
        if world.rank == 1:
            raise DataError("cannot be read", where="photos")

    world.together(prepared)


def read(folder: Path, world: World) -> None:
    """Pictures read in shares."""
    from tests.training.reading import read

    read(folder, world)


WORKS = {work.__name__: work for work in (two, few, raising, hungry, differing, read)}


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
    world.PATIENCE = float(os.environ.get("TESTS_PATIENCE", world.PATIENCE))
    try:
        with joined("cpu") as here:
            WORKS[sys.argv[1]](Path(sys.argv[2]), here)
    except SamoyedError as error:
        sys.exit(f"{type(error).__name__}: {error}")
