"""idx files: whole ones give their pictures, and any other is refused before it costs anything."""

import gzip
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from samoyed.errors import DataError
from samoyed.examples import Image
from samoyed.sources import open_splits
from samoyed.sources.idx import read_idx

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(array: np.ndarray) -> bytes:
    return (
        bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()
    )


PIXELS = np.random.default_rng(0).integers(0, 256, (20, 6, 5), dtype=np.uint8)
NAMES = np.arange(20) % 4


@pytest.fixture
def pair(tmp_path: Path) -> Callable[..., Path]:
    """Writes pictures and labels; anything may be replaced."""

    def write(
        images: bytes = idx(PIXELS), labels: bytes | None = idx(NAMES), names: tuple[str, str] = (IMAGES, LABELS)
    ) -> Path:
        for name, data in zip(names, (images, labels), strict=True):
            if data is not None:
                (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return tmp_path

    return write


Pair = Callable[..., Path]


def read(path: Path) -> list[Image]:
    return [e for source in open_splits("Image", path).values() for e in source.examples() if isinstance(e, Image)]


def refused(path: Path) -> str:
    with pytest.raises(DataError) as raised:
        read(path)
    text = str(raised.value)
    assert len(text.splitlines()) == 1
    return text


@pytest.mark.parametrize(
    "names",
    [
        (IMAGES, LABELS),
        (IMAGES + ".gz", LABELS + ".gz"),
        (IMAGES, LABELS + ".gz"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
        ("emnist-letters-train-images-idx3-ubyte.gz", "emnist-letters-train-labels-idx1-ubyte.gz"),
    ],
)
def test_pictures_and_labels(pair: Pair, names: tuple[str, str]) -> None:
    found = read(pair(names=names))
    assert [e.label for e in found] == [str(n) for n in NAMES]
    np.testing.assert_array_equal(np.stack([e.pixels[:, :, 0] for e in found]), PIXELS)
    assert len(read(pair(names=names) / names[0])) == 20


def test_colour(pair: Pair) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3), dtype=np.uint8)
    found = read(pair(idx(colour), names=("train-images-idx4-ubyte", LABELS)))
    np.testing.assert_array_equal(np.stack([e.pixels for e in found]), colour)


def test_splits_by_name(pair: Pair) -> None:
    for prefix in ("train", "t10k"):
        folder = pair(names=(f"{prefix}-images-idx3-ubyte.gz", f"{prefix}-labels-idx1-ubyte.gz"))
    sources = open_splits("Image", folder)
    assert list(sources) == ["train", "test"]
    assert not sources["train"].notes


def test_splits_of_longer_names(pair: Pair) -> None:
    for prefix in ("emnist-balanced-train", "emnist-balanced-test"):
        folder = pair(names=(f"{prefix}-images-idx3-ubyte.gz", f"{prefix}-labels-idx1-ubyte.gz"))
    assert list(open_splits("Image", folder)) == ["train", "test"]


def test_a_test_file_alone_is_one_whole(pair: Pair) -> None:
    folder = pair(names=("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"))
    assert list(open_splits("Image", folder)) == ["all"]


def test_several_files_that_no_name_tells_apart(pair: Pair) -> None:
    pair(names=("a-images-idx3-ubyte", "a-labels-idx1-ubyte"))
    text = refused(pair(names=("b-images-idx3-ubyte", "b-labels-idx1-ubyte")))
    assert "holds 2 files of pictures and none named train" in text


@pytest.mark.parametrize("zipped", ["", ".gz"])
@pytest.mark.parametrize(
    ("images", "said"),
    [
        (idx(PIXELS)[:-1], "and the file has"),
        (idx(PIXELS)[:10], "ends after 6 of 12 bytes"),
        (idx(PIXELS)[:3], "is no idx file"),
        (b"", "is no idx file"),
        (idx(PIXELS) + b"x", "is longer than the 600 bytes its header claims"),
        (b"\x01" + idx(PIXELS)[1:], "is no idx file"),
        (b"\0\0\x0d" + idx(PIXELS)[3:], "is no idx file"),
        (idx(NAMES), "is no idx file of unsigned bytes in 3 or 4 dimensions"),
        (idx(PIXELS[:19]), "holds 19 pictures, but train-labels-idx1-ubyte"),
        (idx(PIXELS[:0]), "holds nothing: its header claims 0 x 6 x 5"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 20, 0, 5), "holds nothing: its header claims 20 x 0 x 5"),
        (idx(np.zeros((20, 4, 4, 7))), "its pictures have 7 channels, and 1 or 3 can be read"),
    ],
)
def test_damage_is_named(pair: Pair, images: bytes, said: str, zipped: str) -> None:
    folder = pair(images, names=(IMAGES + zipped, LABELS + zipped))
    text = refused(folder)
    if zipped and said == "and the file has":
        said = "ends after 599 of 600 bytes"  # the length of what is packed is not known beforehand
    assert text.startswith(f"{folder / IMAGES}{zipped}: ")
    assert said in text


def test_labels_that_are_missing_or_wrong(pair: Pair) -> None:
    assert f"its labels are missing; put {LABELS} beside it" in refused(pair(labels=None))
    assert "is no idx file of unsigned bytes in 1 dimensions" in refused(pair(labels=idx(PIXELS)))
    assert "but train-labels-idx1-ubyte holds 19 labels" in refused(pair(labels=idx(NAMES[:19])))


@pytest.mark.parametrize("zipped", ["", ".gz"])
@pytest.mark.parametrize("claim", [(2**20, 2**10, 2**10), (2**31, 2**31, 2**31), (2**15, 2**10, 2**9)])
def test_a_header_that_claims_too_much_allocates_nothing(pair: Pair, claim: tuple[int, ...], zipped: str) -> None:
    folder = pair(b"\0\0\x08\x03" + struct.pack(">3I", *claim) + bytes(100), names=(IMAGES + zipped, LABELS + zipped))
    tracemalloc.start()
    started = time.monotonic()
    text = refused(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "its header claims" in text
    assert time.monotonic() - started < 1
    assert peak < 5e6


def test_a_bomb_is_stopped_while_it_unpacks(tmp_path: Path) -> None:
    size = 200 * 2**20
    path = tmp_path / (IMAGES + ".gz")
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"\0\0\x08\x03" + struct.pack(">3I", 200, 1024, 1024))
        for _ in range(200):
            file.write(bytes(size // 200))
    started = time.monotonic()
    with pytest.raises(DataError, match="unpacks to more than 100 times its"):
        read_idx(path, (3,))
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    "spoil", [lambda d: d[: len(d) // 2], lambda d: d[:-4], lambda d: b"x" + d, lambda d: d[:200] + b"!" + d[201:]]
)
def test_a_damaged_archive(pair: Pair, spoil: Callable[[bytes], bytes]) -> None:
    folder = pair(names=(IMAGES + ".gz", LABELS + ".gz"))
    path = folder / (IMAGES + ".gz")
    path.write_bytes(spoil(path.read_bytes()))
    assert "is damaged: " in refused(folder)


def test_the_real_digits(shared_data: Path) -> None:
    sources = open_splits("Image", shared_data / "mnist" / "t10k-images-idx3-ubyte.gz")
    assert len(sources["all"]) == 10_000
    assert list(open_splits("Image", shared_data / "mnist")) == ["train", "test"]
