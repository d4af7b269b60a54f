"""Data that are larger than memory: kept in files without a name, of which the system holds in memory what is being used.

Nothing of them is left after the process, however it ends. Reading them is as reading memory, so that whatever picks rows by
number works on them unchanged.
"""

import contextlib
import dataclasses
import math
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from samoyed.errors import UsageError
from samoyed.files import cache_folder

Example = TypeVar("Example")

_SHARE = 0.4  # of the memory that is free: the data, and what they become, are both there for a while
_BLOCK = 2**26  # bytes of a file that holds many small arrays
_ALIGNED = 64


def limit() -> int:
    """Bytes of data that stay in memory: a share of what is free now, or $SAMOYED_MEMORY; without end where nobody knows."""
    own = os.environ.get("SAMOYED_MEMORY", "")
    if own.isdecimal():
        return int(own)
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/meminfo", encoding="ascii") as facts:
        for line in facts:
            if line.startswith("MemAvailable:"):
                return int(_SHARE * 1024 * int(line.split()[1]))
    return 2**63 - 1


def empty(shape: tuple[int, ...], dtype: Any = np.uint8) -> NDArray[Any]:
    """An array to be filled: in memory, or in a file where it would take more than `limit` bytes.

    Raises UsageError where the disk, too, has no room for it.
    """
    if math.prod(shape) * np.dtype(dtype).itemsize <= limit():
        return np.empty(shape, dtype)
    return _in_file(shape, dtype)


class Spool:
    """Keeps arrays: in memory up to `limit` bytes in all, the rest in files."""

    def __init__(self) -> None:
        self.limit, self.held = limit(), 0
        self._block, self._used = np.empty(0, np.uint8), 0

    def keep(self, example: Example) -> Example:
        """The example, a dataclass, with its arrays where they can stay."""
        if not dataclasses.is_dataclass(example):
            return example
        arrays = {
            field.name: value
            for field in dataclasses.fields(example)
            if isinstance(value := getattr(example, field.name), np.ndarray)
        }
        size = sum(array.nbytes for array in arrays.values())
        if self.held + size <= self.limit:
            self.held += size
            return example
        moved: Any = {name: self._moved(array) for name, array in arrays.items()}
        return dataclasses.replace(example, **moved)  # type: ignore[type-var]

    def _moved(self, array: NDArray[Any]) -> NDArray[Any]:
        if array.nbytes > _BLOCK:
            place: NDArray[Any] = _in_file(array.shape, array.dtype)
        else:
            if self._used + array.nbytes > len(self._block):
                self._block, self._used = _in_file((_BLOCK,), np.uint8), 0
            end = self._used + array.nbytes
            place = self._block[self._used : end].view(array.dtype).reshape(array.shape)
            self._used = -(-end // _ALIGNED) * _ALIGNED
        place[...] = array
        return place


class Growing:
    """An array [N] that is appended to: in memory up to `limit` bytes, then in a file."""

    def __init__(self, dtype: Any) -> None:
        self.dtype, self.limit = np.dtype(dtype), limit()
        self._parts: list[NDArray[Any]] = []
        self._held = 0
        self._file: BinaryIO | None = None

    def append(self, values: NDArray[Any]) -> None:
        """Adds values [n] at the end. Raises UsageError where the disk has no room for them."""
        self._parts.append(np.asarray(values, self.dtype))
        self._held += values.nbytes
        if self._held > self.limit or (self._file is not None and self._held > _BLOCK):
            self._spill()

    def array(self) -> NDArray[Any]:
        """All that was appended, at the end of appending."""
        if self._file is None:
            return np.concatenate(self._parts) if self._parts else np.zeros(0, self.dtype)
        self._spill()
        with self._file as file:
            return np.memmap(file, self.dtype, "r+")

    def _spill(self) -> None:
        folder = cache_folder() / "spool"
        try:
            if self._file is None:
                folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
            for part in self._parts:
                self._file.write(part.data)
            self._file.flush()
        except OSError as error:
            raise _no_room(folder, error) from error
        self._parts, self._held = [], 0


def _in_file(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    folder, size = cache_folder() / "spool", math.prod(shape) * np.dtype(dtype).itemsize
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if size > free:
            raise UsageError(
                f"the data take {size / 1e9:,.1f} GB more than memory holds, and the disk at {folder} has {free / 1e9:,.1f}",
                remedy="set a smaller size, or SAMOYED_CACHE to a larger disk",
            )
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)  # else a disk that fills up later would end the process
            return np.memmap(file, dtype, "w+", shape=shape)
    except OSError as error:
        raise _no_room(folder, error) from error


def _no_room(folder: Path, error: OSError) -> UsageError:
    return UsageError(
        f"the data do not fit in memory, and cannot be kept in {folder}: {(error.strerror or str(error)).lower()}",
        remedy="set SAMOYED_CACHE to a folder on a larger disk",
    )
