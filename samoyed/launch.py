"""What torchrun told this process: which of how many it is, and whether the job was begun before. Light: torch is not loaded.

A run that a job has begun carries the job's name beside its checkpoints, so that the job finds it again when torchrun starts
it anew.
"""

import json
import os
import socket
from pathlib import Path

_MARK = Path("checkpoint") / "job.json"  # goes with the checkpoints, when the run is done


def size() -> int:
    """How many processes train together; 1 outside torchrun."""
    return int(os.environ.get("WORLD_SIZE") or 1) if "RANK" in os.environ else 1


def first() -> bool:
    """Whether this process speaks, writes and saves."""
    return size() == 1 or os.environ["RANK"] == "0"


def job() -> str | None:
    """A name that stays with the job over restarts and is no other job's; None where torchrun did not start this process.

    It is torchrun's --rdzv-id. Without one it is torchrun's own process, whose number another job may come to have: such a job
    is known only while torchrun says that it restarts.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    name = os.environ["TORCHELASTIC_RUN_ID"]
    return name if name not in ("", "none") else f"{socket.gethostname()} {os.getppid()}"


def restarted() -> bool:
    """Whether torchrun started the job before."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT") or 0) > 0


def mark(run: Path) -> None:
    """Writes this job's name into a run that it begins."""
    if job() is not None:
        (run / _MARK).parent.mkdir(exist_ok=True)
        (run / _MARK).write_text(json.dumps({"job": job()}), "utf-8")


def began(run: Path) -> bool:
    """Whether this job began the run, and has not finished it."""
    named = os.environ.get("TORCHELASTIC_RUN_ID") not in (None, "", "none")
    try:
        found = json.loads((run / _MARK).read_text("utf-8"))
        return bool(found == {"job": job()}) and (named or restarted())
    except (OSError, ValueError):
        return False


def begun(parent: Path) -> Path | None:
    """The newest run in a folder of runs that this job began and has not finished."""
    if job() is None or not parent.is_dir():
        return None
    numbers = sorted((int(p.name) for p in parent.iterdir() if p.name.isdecimal()), reverse=True)
    return next((parent / str(n) for n in numbers if began(parent / str(n))), None)
