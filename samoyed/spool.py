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
from collections.abc import Iterator
from typing import Any, BinaryIO, TypeVar, cast

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
            if isinstance(value := getattr(example, field.name), np.ndarray) and not _mapped(value)
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
        with said():
            if self._file is None:
                self._file = on_disk(0)
            for part in self._parts:
                self._file.write(part.data)
            self._file.flush()
        self._parts, self._held = [], 0


def in_memory() -> BinaryIO:
    """A file without a name in memory; where the system has none such, on the disk."""
    with contextlib.suppress(AttributeError, OSError):
        return os.fdopen(os.memfd_create("samoyed"), "w+b")
    return on_disk(0)


def on_disk(size: int) -> BinaryIO:
    """A file without a name that has room for `size` bytes and is read and written from its beginning. Raises UsageError."""
    folder = cache_folder() / "spool"
    with said():
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if size > free:
            raise UsageError(
                f"the data take {size / 1e9:,.1f} GB more than memory holds, and the disk at {folder} has {free / 1e9:,.1f}",
                remedy="set a smaller size, or SAMOYED_CACHE to a larger disk",
            )
        file: Any = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        if size and hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(file.fileno(), 0, size)  # else a disk that fills up later would end the process
            except OSError:
                file.close()
                raise
        return cast(BinaryIO, file)


@contextlib.contextmanager
def said() -> Iterator[None]:
    """Raises UsageError in place of what the system says of a disk."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"the data do not fit in memory, and cannot be kept in {cache_folder() / 'spool'}: "
            f"{(error.strerror or str(error)).lower()}",
            remedy="set SAMOYED_CACHE to a folder on a larger disk",
        ) from error


def _in_file(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    with said(), on_disk(math.prod(shape) * np.dtype(dtype).itemsize) as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def _mapped(array: NDArray[Any]) -> bool:
    """Whether the numbers lie in a file already."""
    base: Any = array
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    return isinstance(base, np.memmap)
