"""D4: a disk that is full, or fails, at any point loses nothing that was there."""

import builtins
import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from samoyed.errors import RunError
from samoyed.training import checkpoint
from tests.reliability.children import snapshot


@contextmanager
def failing(nth: int, counted: list[str]) -> Iterator[None]:
    """The nth call that writes, flushes, renames or makes a folder fails as on a full disk."""
    saved = {name: getattr(os, name) for name in ("fsync", "replace", "rename", "mkdir")}
    opened = builtins.open

    def fails(name: str) -> None:
        counted.append(name)
        if len(counted) == nth:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def wrap(name: str, call: Any) -> Any:
        def run(*words: Any, **more: Any) -> Any:
            fails(name)
            return call(*words, **more)

        return run

    def open_(*words: Any, **more: Any) -> Any:
        writes = "x" in str(words[1:2]) or "w" in str(words[1:2])
        if writes:
            fails("open")
        file = opened(*words, **more)
        if writes:
            real = file.write

            class Writes:
                """The file, whose writing may fail."""

                def __getattr__(self, name: str) -> Any:
                    return getattr(file, name)

                def __enter__(self) -> "Writes":
                    return self

                def __exit__(self, *raised: object) -> None:
                    file.close()

                def write(self, data: Any) -> int:
                    fails("write")
                    return int(real(data))

            return Writes()
        return file

    for name, call in saved.items():
        setattr(os, name, wrap(name, call))
    builtins.open = open_  # type: ignore[assignment]
    try:
        yield
    finally:
        builtins.open = opened
        for name, call in saved.items():
            setattr(os, name, call)


def is_whole(run: Path, step: int) -> bool:
    """Whether the newest checkpoint is `step` or a later one, whole, with no litter beside it."""
    found, problems = checkpoint.read(run)
    litter = [p for p in run.rglob("*") if p.name.startswith(".")]
    return found is not None and not problems and found.facts["steps"] >= step and not litter


def test_every_call_may_fail(promise: Any, tmp_path: Path) -> None:
    run, failed, tried = tmp_path / "run", 0, 0
    checkpoint.write(run, snapshot(1, 100))
    for nth in range(1, 200):
        counted: list[str] = []
        try:
            with failing(nth, counted):
                checkpoint.write(run, snapshot(1 + nth, 100))
            done = True
        except RunError as error:
            done = False
            failed += len(str(error).splitlines()) != 1
        tried += 1
        failed += not is_whole(run, 1)
        if len(counted) < nth:
            assert done
            break
    assert set(counted) >= {"open", "write", "fsync", "replace"}
    promise("D4", "a full disk loses nothing", tried, failed, "failing calls and full disks")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A small disk of so many bytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = []

    def mount(size: int) -> Path:
        for _ in mounted:
            subprocess.run(["umount", folder], check=True)
            mounted.clear()
        try:
            words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder]
            subprocess.run(words, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("no small disk can be mounted here")
        mounted.append(size)
        return folder

    yield mount
    if mounted:
        subprocess.run(["umount", folder], check=False)


def test_full_at_many_levels(
    disk: Callable[[int], Path], promise: Any, times: Callable[[int, int], int], tmp_path: Path
) -> None:
    """From a disk that holds one checkpoint to one that holds three: the one before is there, or a newer one."""
    checkpoint.write(tmp_path / "probe", snapshot(1, 5000))
    one = sum(p.stat().st_blocks * 512 for p in (tmp_path / "probe").rglob("*"))
    levels, failed, refused = times(8, 64), 0, 0
    for level in range(levels):
        folder = disk(int(one * (1.3 + 1.7 * level / levels)))
        checkpoint.write(folder / "run", snapshot(1, 5000))
        for step in (2, 3):
            try:
                checkpoint.write(folder / "run", snapshot(step, 5000))
            except RunError as error:
                refused += 1
                failed += "space" not in str(error)
        failed += not is_whole(folder / "run", 1)
    assert refused > 0
    promise("D4", "a full disk loses nothing", levels, failed, "failing calls and full disks")
