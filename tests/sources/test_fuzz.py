"""Whatever happened to a file, reading it succeeds or says why not, soon and in little memory. Seeds are fixed."""

import gzip
import io
import random
import resource
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from samoyed.errors import SamoyedError
from samoyed.files import check_manifest, write_json, write_manifest
from samoyed.sources import open_splits
from samoyed.sources._pictures import Unreadable, decode
from tests.promises import LONG, keep

ROUNDS = 5000 if LONG else 200
SLOWEST = 2.0  # seconds for one file
MOST_MEMORY = 512 * 2**20

NOISE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
MONTHS = "".join(f"20{10 + i // 12}-{i % 12 + 1:02},{i},{i * i}\n" for i in range(48))
TABLE = "path,label\n" + "".join(f'{i}.png,"class, {i % 3}"\n' for i in range(12))
PROSE = "To be, or not to be: that is the question.\nWhether 'tis nobler in the mind, größer 猫\n" * 20


def mutations(data: bytes, seed: int) -> Iterator[bytes]:
    """`ROUNDS` damaged copies: flipped bits, cuts, insertions, repetitions, runs of one byte, and digits that grow."""
    draw = random.Random(seed)
    for _ in range(ROUNDS):
        made = bytearray(data)
        for _ in range(draw.choice((1, 1, 2, 5))):
            at = draw.randrange(len(made) + 1) if draw.random() < 0.5 else draw.randrange(min(len(made), 64) + 1)
            length = draw.choice((1, 2, 4, 50))
            kind = draw.randrange(6)
            if kind == 0 and at < len(made):
                made[at] ^= 1 << draw.randrange(8)
            elif kind == 1:
                del made[at:]
            elif kind == 2:
                made[at:at] = draw.randbytes(length)
            elif kind == 3:
                made[at:at] = made[at : at + length]
            elif kind == 4:
                made[at : at + length] = bytes([draw.choice((0, 255, 10, 34))]) * length
            else:
                del made[at : at + length]
        yield bytes(made)


def survive(read: Callable[[bytes], object], data: bytes, seed: int, *errors: type[Exception]) -> None:
    """Reads every mutation; anything but success and the stated errors fails, as does being slow or greedy."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read(data)
    refused = 0
    for number, made in enumerate(mutations(data, seed)):
        started, said = time.monotonic(), "success"
        try:
            read(made)
        except errors as error:
            refused, said = refused + 1, str(error)
        assert len(said.splitlines()) == 1, f"mutation {number}"
        assert time.monotonic() - started < SLOWEST, f"mutation {number}"
    assert refused > 0  # else nothing was tested
    keep("F1", "a damaged file gives one clear error, within 2 s and 512 MB", ROUNDS, 0, "damaged files")
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST_MEMORY


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("PNG", "RGB"), ("PNG", "P"), ("PNG", "I;16"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("GIF", "P"), ("BMP", "RGB"),
        ("TIFF", "RGB"), ("TIFF", "L"), ("WEBP", "RGB"), ("WEBP", "RGBA"), ("PPM", "RGB"),
    ],
)  # fmt: skip
def test_pictures(kind: str, mode: str) -> None:
    buffer = io.BytesIO()
    picture = Pillow.fromarray(NOISE)
    picture = Pillow.fromarray(NOISE[:, :, 0].astype(np.uint16) * 200) if mode == "I;16" else picture.convert(mode)
    exif = Pillow.Exif()
    exif[0x0112] = 6
    picture.save(buffer, kind, **({"exif": exif} if kind in ("PNG", "JPEG", "WEBP") else {}))

    def read(data: bytes) -> None:
        pixels = decode(data, 256)
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] in (1, 3)
        assert max(pixels.shape) <= 256

    survive(read, buffer.getvalue(), 1, Unreadable)


def reader(kind: str, path: Path, **options: object) -> Callable[[bytes], None]:
    """Writes bytes to `path`, and reads them as a source does."""

    def read(data: bytes) -> None:
        path.write_bytes(data)
        for source in open_splits(kind, path, options).values():
            list(source.examples())

    return read


def test_a_table_of_pictures(tmp_path: Path) -> None:
    for i in range(12):
        Pillow.fromarray(NOISE).save(tmp_path / f"{i}.png")
    survive(reader("Image", tmp_path / "labels.csv"), TABLE.encode(), 2, SamoyedError)


def test_a_parquet_file_of_pictures(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    buffer = io.BytesIO()
    Pillow.fromarray(NOISE).save(buffer, "PNG")
    rows = [{"bytes": buffer.getvalue(), "path": None} for _ in range(4)]
    whole = io.BytesIO()
    pq.write_table(pa.table({"image": rows, "label": list("abab")}), whole, row_group_size=2, use_dictionary=False)
    survive(reader("Image", tmp_path / "photos.parquet"), whole.getvalue(), 8, SamoyedError)


@pytest.mark.parametrize("gaps", ["refuse", "interpolate"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_series(tmp_path: Path, gaps: str, encoding: str) -> None:
    data = ("month,low,high\n" + MONTHS).encode(encoding)
    survive(reader("Series", tmp_path / "prices.csv", gaps=gaps), data, 3, SamoyedError)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_text(tmp_path: Path, encoding: str) -> None:
    survive(reader("Text", tmp_path / "book.txt"), PROSE.encode(encoding), 4, SamoyedError)


def test_a_compressed_text(tmp_path: Path) -> None:
    survive(reader("Text", tmp_path / "book.txt.gz"), gzip.compress(PROSE.encode(), mtime=0), 5, SamoyedError)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("spoilt", ["images", "labels"])
def test_idx(tmp_path: Path, zipped: bool, spoilt: str) -> None:
    whole = {
        "images": b"\0\0\x08\x03" + struct.pack(">3I", 24, 4, 8) + NOISE[:, :, 0].tobytes(),
        "labels": b"\0\0\x08\x01" + struct.pack(">I", 24) + bytes(i % 3 for i in range(24)),
    }
    suffix = ".gz" if zipped else ""
    paths = {
        "images": tmp_path / f"train-images-idx3-ubyte{suffix}",
        "labels": tmp_path / f"train-labels-idx1-ubyte{suffix}",
    }
    packed = {name: gzip.compress(data, mtime=0) if zipped else data for name, data in whole.items()}
    for name, path in paths.items():
        path.write_bytes(packed[name])

    def read(data: bytes) -> None:
        paths[spoilt].write_bytes(data)
        list(open_splits("Image", paths["images"])["all"].examples())

    survive(read, packed[spoilt], 6, SamoyedError)


def test_a_manifest(tmp_path: Path) -> None:
    write_json(tmp_path / "features.json", {"classes": ["a", "b"]})
    write_manifest(tmp_path, {"format": 1})
    whole = (tmp_path / "manifest.json").read_bytes()

    def read(data: bytes) -> None:
        (tmp_path / "manifest.json").write_bytes(data)
        check_manifest(tmp_path, ("features.json",))
        assert data == whole  # every other byte is noticed

    survive(read, whole, 7, SamoyedError)
