"""What a process reads, and where it lies, for as many processes as there are to be compared."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from samoyed.errors import DataError, SamoyedError
from samoyed.files import cache_folder
from samoyed.plan import make
from samoyed.reporting.progress import Reporter
from samoyed.training.prepare import prepare
from samoyed.training.world import World
from samoyed.training.writing import fingerprint
from tests.training.processes import Watcher, in_float64, outcome


class Listener(Reporter):
    """Keeps what is found, and says nothing."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.found: list[Any] = []

    def block(self, title: str, rows: list[tuple[str, str]]) -> None:
        self.found += rows


ENOUGH, LITTLE = "100000000", "3000"  # bytes of memory for data


def read(folder: Path, world: World) -> None:
    """`reading` with enough memory for all data, and with little."""
    for memory in (ENOUGH, LITTLE):
        os.environ["SAMOYED_MEMORY"] = memory
        reading(folder, f"{memory}.{world.size}.{world.rank}", world)


def reading(folder: Path, name: str, world: World) -> None:
    """Prepares a training on everything in `folder`/data; keeps what was read, found and refused, and where it lies."""
    kept: dict[str, Any] = {"refused": refused(world)}
    for data in sorted((folder / "data").iterdir()):
        listener = Listener()
        plan = make("image-classification", data, "mlp", None, {"epochs": 1, "dropout": 0.0})
        try:
            job = prepare(plan, listener, world)
        except SamoyedError as error:
            kept[data.name] = {"error": str(error), "everywhere": error.everywhere}
            world.wait()
            continue
        names = ("train", "valid", "test")
        splits = {
            name: [[e.origin, e.label, hashlib.sha256(e.pixels.tobytes()).hexdigest()] for e in part]
            for name, part in zip(names, job.split[:3], strict=True)
        }
        kept[data.name] = {
            "found": listener.found,
            "splits": splits,
            "rows": {name: fingerprint(job.data[name]) for name in names},
            "state": job.task.state(),
            "pictures lie in": sorted({_file_at(e.pixels.ctypes.data) for part in job.split[:3] for e in part}),
            "rows lie in": [_file_at(job.data[name].images.data_ptr()) for name in names],
            "left": [p.name for p in (cache_folder() / "spool").iterdir()]
            if (cache_folder() / "spool").exists()
            else [],
        }
        world.wait()  # until all have looked, no mapping may go
    job.model.double().register_forward_pre_hook(in_float64)
    session = job.trainer.session(job.task, job.model, job.data["train"], job.data["valid"], Watcher(), world)
    session.run()
    kept["trained"] = outcome(session)
    (folder / f"{name}.json").write_text(json.dumps(kept))


def refused(world: World) -> dict[str, Any]:
    """What all say where the last process finds its share of the data damaged, within work that is agreed on."""

    def work() -> None:
        if world.rank == world.size - 1:
            raise DataError("is cut off", where="a.tar", remedy="copy it again")

    try:
        world.together(lambda: world.each(work))
    except DataError as error:
        return {"error": str(error)}
    return {}


def _file_at(address: int) -> str:
    """The device and number of the file that is mapped at an address; empty for the process's own memory."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, _, _, device, inode, *_ = line.split()
        first, end = (int(one, 16) for one in span.split("-"))
        if first <= address < end:
            return f"{device} {inode}" if inode != "0" else ""
    return ""


def close(a: Any, b: Any, tolerance: float) -> bool:
    """Whether two outcomes are equal, their numbers within a relative tolerance."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(close(a[key], b[key], tolerance) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(close(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, float):
        return abs(a - b) <= tolerance * max(1.0, abs(a))
    return bool(a == b)
