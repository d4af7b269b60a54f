"""The cache of decoded pictures gives back what was put in, or nothing."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from samoyed.sources import _pictures
from samoyed.sources._pictures import Unreadable, decode, decode_all

Paint = Callable[..., Path]


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Path]]:
    """Keeps everything, however fast it was decoded; gives the cache's files."""
    monkeypatch.setattr(_pictures, "_SLOW", -1.0)
    return lambda: sorted((Path(os.environ["SAMOYED_CACHE"]) / "pictures").glob("*"))


@pytest.fixture
def paths(tmp_path: Path, paint: Paint) -> list[Path]:
    made = [paint(tmp_path / "photos" / f"{i}.png", i, size=(8 + i, 9), mode="RGB" if i % 2 else "L") for i in range(6)]
    made[3].write_bytes(b"damaged")
    return made


def same(some: list[object], others: list[object]) -> bool:
    return all(
        str(a) == str(b) if isinstance(a, Unreadable) else np.array_equal(a, b)
        for a, b in zip(some, others, strict=True)
    )


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(_pictures, "_decode", fail)


def test_the_second_read_equals_the_first_and_decodes_nothing(
    paths: list[Path],
    kept: Callable[[], list[Path]],
    monkeypatch: pytest.MonkeyPatch,
    untouched: Callable[[Path], None],
) -> None:
    untouched(paths[0].parent)
    first = list(decode_all(paths, 64))
    assert isinstance(first[3], Unreadable)
    assert len(kept()) == 1
    forbid(monkeypatch)
    assert same(first, list(decode_all(paths, 64)))


def test_another_size_is_another_entry(paths: list[Path], kept: Callable[[], list[Path]]) -> None:
    list(decode_all(paths, 64))
    assert max(p.shape[1] for p in decode_all(paths, 4) if not isinstance(p, Unreadable)) == 4
    assert len(kept()) == 2


@pytest.mark.parametrize("offset", [3, 40, 300, -200, -1])
def test_a_flipped_bit_in_the_cache_is_noticed(paths: list[Path], kept: Callable[[], list[Path]], offset: int) -> None:
    first = list(decode_all(paths, 64))
    file = kept()[0]
    data = bytearray(file.read_bytes())
    data[offset] ^= 4
    file.write_bytes(bytes(data))
    assert same(first, list(decode_all(paths, 64)))


@pytest.mark.parametrize("data", [b"", b"rubbish", b"\xff" * 64, b"\0" * 8 + b"{}"])
def test_a_cache_that_is_rubbish_is_ignored(paths: list[Path], kept: Callable[[], list[Path]], data: bytes) -> None:
    first = list(decode_all(paths, 64))
    kept()[0].write_bytes(data)
    assert same(first, list(decode_all(paths, 64)))


def test_a_changed_picture_is_decoded_again(paths: list[Path], kept: Callable[[], list[Path]], paint: Paint) -> None:
    list(decode_all(paths, 64))
    status = paths[0].stat()
    paint(paths[0], 99, size=(8, 9))
    os.utime(paths[0], ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    found = next(iter(decode_all(paths, 64)))
    assert np.array_equal(found, decode(paths[0], 64))


def test_a_cache_that_cannot_be_written_costs_only_time(
    paths: list[Path], kept: Callable[[], list[Path]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SAMOYED_CACHE", str(tmp_path / "file"))
    assert len(list(decode_all(paths, 64))) == 6
    assert not kept()


def test_the_cache_keeps_within_its_limit(
    paths: list[Path], kept: Callable[[], list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    list(decode_all(paths[:1], 64))
    monkeypatch.setattr(_pictures, "_CACHE_LIMIT", kept()[0].stat().st_size * 3 // 2)
    os.utime(kept()[0], (1, 1))
    old = kept()[0]
    list(decode_all(paths[2:3], 64))
    assert len(kept()) == 1
    assert not old.exists()


def test_nothing_to_decode() -> None:
    assert list(decode_all([], 64)) == []
