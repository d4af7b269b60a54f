"""Data larger than memory: the same numbers from a file without a name, and nothing left of it."""

import os
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch

import samoyed
from samoyed import spool
from samoyed.errors import UsageError
from samoyed.examples import Image, Text


def images(count: int, side: int = 12) -> list[Image]:
    draw = np.random.default_rng(0)
    return [Image(draw.integers(0, 256, (side + i % 3, side, 3), dtype=np.uint8), "a", str(i)) for i in range(count)]


def in_files(array: np.ndarray) -> bool:
    """Whether the numbers lie in a file."""
    base: object = array
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    return isinstance(base, np.memmap)


def test_what_fits_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert spool.limit() > 10**6
    monkeypatch.setenv("SAMOYED_MEMORY", "10000")
    kept = spool.Spool()
    found = [kept.keep(image) for image in images(60)]
    assert [in_files(image.pixels) for image in found] == sorted(in_files(image.pixels) for image in found)
    assert not in_files(found[0].pixels)
    assert in_files(found[-1].pixels)
    for image, whole in zip(found, images(60), strict=True):
        assert image.pixels.dtype == np.uint8
        assert (image.pixels == whole.pixels).all()
        assert (image.label, image.origin) == (whole.label, whole.origin)


def test_blocks_are_changed_where_they_are_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMOYED_MEMORY", "0")
    monkeypatch.setattr(spool, "_BLOCK", 1000)
    kept = spool.Spool()
    found = [kept.keep(image) for image in images(20)]  # 432 to 504 bytes each: two to a block
    large = kept.keep(Image(np.full((40, 40, 3), 7, np.uint8), None, "large"))
    assert all((a.pixels == b.pixels).all() for a, b in zip(found, images(20), strict=True))
    assert (large.pixels == 7).all()
    assert kept.keep(Text("a text", "here")) == Text("a text", "here")


def test_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMOYED_MEMORY", "0")
    made = spool.empty((1000, 10))
    made[:] = 3
    assert in_files(made)
    folder = Path(os.environ["SAMOYED_CACHE"]) / "spool"
    assert list(folder.iterdir()) == []
    assert int(torch.from_numpy(made).sum()) == 30_000


def test_a_disk_without_room_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMOYED_MEMORY", "0")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 5, 5))
    with pytest.raises(UsageError, match="SAMOYED_CACHE"):
        spool.empty((100,))


@pytest.mark.parametrize("task", ["image-classification"])
def test_training_from_files_is_training_from_memory(
    task: str, classes: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = classes({"cat": 20, "dog": 20})  # type: ignore[operator]
    runs = []
    for memory in ("100000000", "0"):
        monkeypatch.setenv("SAMOYED_MEMORY", memory)
        runs.append(samoyed.train(task, photos, model="linear", epochs=2, out=tmp_path / memory, quiet=True))
    first, second = ((run.path / "model.safetensors").read_bytes() for run in runs)
    assert first == second
    assert runs[0].metrics == runs[1].metrics
