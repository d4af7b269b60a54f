"""What other processes take of the machine while a timing is made, from /proc. Elsewhere it is unknown."""

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

_BUSY = (0, 1, 2, 5, 6, 7)  # user, nice, system, interrupts, soft interrupts, stolen by the hypervisor


class Reading(NamedTuple):
    """Seconds so far: of the clock, of all processors being busy, of our processes. `busy` is None where unknown."""

    wall: float
    busy: float | None
    own: float


def read(pids: Iterable[int], proc: Path = Path("/proc")) -> Reading:
    """A reading now; `pids` are our processes, this one included without being named."""
    wall = time.monotonic()
    try:
        tick = os.sysconf("SC_CLK_TCK")
        first = (proc / "stat").read_text().split("\n", 1)[0].split()[1:]
        busy = sum(int(first[i]) for i in _BUSY) / tick
        own = sum(_used(proc / str(pid) / "stat") for pid in {os.getpid(), *pids}) / tick
    except (OSError, ValueError, IndexError):
        return Reading(wall, None, 0.0)
    return Reading(wall, busy, own)


def group(leader: int, proc: Path = Path("/proc")) -> list[int]:
    """The processes of a group that a process leads, which are those it started; itself alone where there is no /proc."""
    found = []
    for folder in proc.glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[2]) == leader:
            found.append(int(folder.name))
    return found or [leader]


def used(pids: Iterable[int], proc: Path = Path("/proc")) -> float:
    """Seconds of processor time that processes have used so far; 0 where there is no /proc."""
    try:
        return sum(_used(proc / str(pid) / "stat") for pid in pids) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0


def others(before: Reading, after: Reading, cores: int) -> float | None:
    """The share of the machine, 0 to 1, that other processes took between two readings.

    >>> others(Reading(0.0, 10.0, 5.0), Reading(2.0, 14.0, 8.0), cores=2)
    0.25
    """
    if before.busy is None or after.busy is None:
        return None
    foreign = (after.busy - before.busy) - (after.own - before.own)
    share = foreign / (cores * max(after.wall - before.wall, 1e-9))
    return min(1.0, max(0.0, share))  # what the system counts in ticks may exceed a short time


def calm(pids: Sequence[int], most: float, patience: float) -> float:
    """Waits until others took at most the share `most` for a second, or `patience` seconds are over; returns those waited."""
    began = time.monotonic()
    while time.monotonic() - began < patience:
        before = read(pids)
        time.sleep(min(1.0, patience))
        if (others(before, read(pids), cores()) or 0.0) <= most:
            break
    return time.monotonic() - began


def average() -> float | None:
    """The load average of the last minute, all processes counted."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def cores() -> int:
    """Processors of the machine."""
    return os.cpu_count() or 1


def _used(stat: Path) -> int:
    """Ticks that a process has used; its name, in brackets, may hold spaces."""
    fields = stat.read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
