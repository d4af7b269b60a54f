"""Several processes of one training on one machine, which divide what is to be read and hold one copy of it.

Each process makes a contiguous share: into a file without a name, in memory, or on the disk where memory is too small for it. The
others open it through the first one's entry in /proc, and map it. A file that never had a name is gone with its last
process, however that ends. Where there is no /proc, and between machines, every process makes everything for itself.

Work that is divided is found by `current`, as code deep below a training need not know of processes. All processes of a
training, on all machines, make the same calls in the same order.
"""

import contextlib
import hashlib
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from samoyed import spool
from samoyed.errors import DataError

Agree = Callable[[Callable[[], Any]], list[Any]]
Track = Callable[[Any, int, str], Any]
Bytes = NDArray[np.uint8]


class Crew:
    """The processes of this machine that share files. `number` is this one's place among its `size`.

    `agree(work)` gives what `work` gives in each process of the training, as JSON, by rank, and raises in all of them what it
    raises in one; `here` are the ranks of the processes on this machine; `track` shows people how far a share is.
    """

    def __init__(self, agree: Agree, rank: int, here: Sequence[int], track: Track | None = None) -> None:
        self._agree, self._rank, self._track = agree, rank, track
        with spool.in_memory() as probe:
            doors = agree(lambda: _door(probe))
            seen = agree(lambda: all(other == rank or _opens(doors[other]) for other in here))
        self._ranks = list(here) if all(seen[other] for other in here) else [rank]
        self.number, self.size = self._ranks.index(rank), len(self._ranks)

    def share(self, count: int) -> tuple[int, int]:
        """The first of `count` things that are this process's, and the one after the last."""
        return self.number * count // self.size, (self.number + 1) * count // self.size

    def arrays(
        self, names: Sequence[str], make: Callable[[int, int], Iterable[Bytes | str]], most: float
    ) -> Iterator[Bytes | str]:
        """Arrays [H, W, C] uint8, one for each name, in their order; a text says why one cannot be made.

        `make(start, stop)` gives those of a share. A process in which more than `most` fail makes no more. Raises DataError
        where the processes do not have the same names, and UsageError where no disk holds a share.
        """
        start, stop = self.share(len(names))
        digest = hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()
        with _Writing(spool.limit() // self.size) as mine:

            def write() -> dict[str, Any]:
                made = make(start, stop)
                why = mine.write(
                    self._track(made, stop - start, "reading") if self._track else made, stop - start, most
                )
                return {"names": digest, "why": why, **_door(mine.file)}

            letters = self._agree(write)
            if not all(isinstance(letter, dict) and letter.get("names") == digest for letter in letters):
                raise DataError("the processes have not found the same data", remedy="bring all machines the same")
            maps: list[Bytes] = []
            self._agree(lambda: maps.extend(self._mapped(rank, letters[rank], mine.file) for rank in self._ranks))
        for number, (rank, data) in enumerate(zip(self._ranks, maps, strict=True)):
            count = (number + 1) * len(names) // self.size - number * len(names) // self.size
            yield from _parted(data, count, letters[rank]["why"])

    def filled(self, shape: tuple[int, ...], fill: Callable[[Bytes, int], None]) -> Bytes:
        """An array [N, ...] uint8 that the processes of this machine have in common; each fills its rows."""
        start, stop = self.share(shape[0])
        with contextlib.ExitStack() as opened:
            own: list[BinaryIO] = []

            def begin() -> dict[str, Any] | None:
                if self.number > 0:
                    return None
                size = math.prod(shape)
                file = spool.in_memory() if size <= spool.limit() else spool.on_disk(size)
                own.append(opened.enter_context(file))
                file.truncate(size)
                return _door(file)

            door = self._agree(begin)[self._ranks[0]]
            found: list[Bytes] = []

            def work() -> None:
                made = self._mapped(self._ranks[0], door, *own, writing=True).reshape(shape)
                fill(made[start:stop], start)
                found.append(made)

            self._agree(work)
        return found[0]

    def summed(self, numbers: Bytes | NDArray[np.int64]) -> NDArray[np.int64]:
        """Whole numbers [...], summed over the processes of this machine."""
        letters = self._agree(lambda: numbers.tolist())
        total: NDArray[np.int64] = np.array([letters[rank] for rank in self._ranks], np.int64).sum(0)
        return total

    def _mapped(self, rank: int, door: dict[str, Any], *own: BinaryIO, writing: bool = False) -> Bytes:
        """The bytes of a file of process `rank`, which is `own` if that is this one: [N] uint8, as plain NumPy."""
        place = os.dup(own[0].fileno()) if rank == self._rank else door["path"]
        with open(place, "r+b" if writing else "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                return np.empty(0, np.uint8)
            return np.asarray(np.memmap(file, np.uint8, "r+" if writing else "r"))


_current: ContextVar[Crew | None] = ContextVar("crew", default=None)


def current() -> Crew | None:
    """The processes that divide what is being done; None where this one does it alone."""
    return _current.get()


@contextmanager
def divided(crew: Crew | None) -> Iterator[None]:
    """What is done within is divided by `crew`."""
    token = _current.set(crew)
    try:
        yield
    finally:
        _current.reset(token)


def share(count: int) -> tuple[int, int]:
    """The first of `count` things that are this process's, and the one after the last: all of them where it is alone."""
    crew = current()
    return (0, count) if crew is None else crew.share(count)


def filled(shape: tuple[int, ...], fill: Callable[[Bytes, int], None]) -> Bytes:
    """An array [N, ...] uint8, in memory or in a file; `fill(rows, start)` writes `rows`, which begin at number `start`.

    Several processes of one machine fill a share each, and have the array in common.
    """
    crew = current()
    if crew is not None and shape[0] > 0:
        return crew.filled(shape, fill)
    made = spool.empty(shape)
    fill(made, 0)
    return made


def summed(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whole numbers [...] of this process's share, summed over the shares."""
    crew = current()
    return numbers if crew is None else crew.summed(numbers)


class _Writing:
    """A file that arrays are written to one after the other, followed by their shapes int64 [N, 3]."""

    def __init__(self, most: int) -> None:
        self.most, self.used = most, 0
        self.file = spool.in_memory()

    def __enter__(self) -> "_Writing":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, made: Iterable[Bytes | str], count: int, most: float) -> dict[str, str]:
        """Returns why which arrays could not be made; where those are more than `most`, the rest is left out."""
        shapes, why = np.zeros((count, 3), np.int64), {}
        for i, array in enumerate(made):
            if isinstance(array, str):
                why[str(i)] = array
                if len(why) > most:
                    break
            else:
                shapes[i] = array.shape
                self._append(array)
        self._append(shapes)
        with spool.said():
            self.file.flush()
        return why

    def _append(self, array: NDArray[Any]) -> None:
        self.used += array.nbytes
        with spool.said():
            if self.used > self.most:
                self.most, memory = 2**63, self.file
                self.file = spool.on_disk(memory.seek(0, os.SEEK_END))
                memory.seek(0)
                with memory:
                    shutil.copyfileobj(memory, self.file)
            self.file.write(np.ascontiguousarray(array).data)


def _parted(data: Bytes, count: int, why: dict[str, str]) -> Iterator[Bytes | str]:
    """The arrays that `_Writing` wrote."""
    shapes = np.frombuffer(data[len(data) - 24 * count :].tobytes(), np.int64).reshape(count, 3)
    end = 0
    for i, (shape, size) in enumerate(zip(shapes.tolist(), shapes.prod(1).tolist(), strict=True)):
        start, end = end, end + size
        yield data[start:end].reshape(shape) if size else why.get(str(i), "not read")


def _door(file: BinaryIO) -> dict[str, Any]:
    """How other processes find an open file."""
    status = os.fstat(file.fileno())
    return {"path": f"/proc/{os.getpid()}/fd/{file.fileno()}", "is": [status.st_dev, status.st_ino]}


def _opens(door: dict[str, Any]) -> bool:
    """Whether this process can open that file; on another machine, or within other walls, the same path is another file."""
    try:
        status = os.stat(door["path"])
        return [status.st_dev, status.st_ino] == door["is"] and os.access(door["path"], os.R_OK | os.W_OK)
    except OSError:
        return False
