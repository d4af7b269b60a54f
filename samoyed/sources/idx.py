"""idx files, plain or gzipped: the format of MNIST (http://yann.lecun.com/exdb/mnist).

Big-endian: two zero bytes, a type code (8 = unsigned byte), the number of dimensions, each dimension as 32 bits, the data.
"""

import gzip
import math
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from samoyed.errors import DataError
from samoyed.examples import Image
from samoyed.sources import Source
from samoyed.sources._pictures import Pixels

_SPLITS = {"train": "train", "valid": "valid", "test": "test", "t10k": "test"}
_MOST_BYTES = 16 * 2**30


class Idx(Source):
    """Reads NAME-images-idx3-ubyte and its NAME-labels-idx1-ubyte."""

    yields = "Image"
    reads = "idx files as MNIST's (train-images-idx3-ubyte.gz beside train-labels-idx1-ubyte.gz)"

    def __init__(self, path: Path, *, longest_side: int | None = None) -> None:
        super().__init__(path)
        if path.is_dir():
            path = next(p for p in sorted(path.iterdir()) if _is_images(p))
        self.images = read_idx(path, dimensions=(3, 4))
        labels = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1"))
        if not labels.exists():
            raise DataError("its labels are missing", where=path, remedy=f"put {labels.name} beside it")
        self.labels = read_idx(labels, dimensions=(1,))
        self.path = path
        if len(self.images) != len(self.labels):
            raise DataError(f"{len(self.images)} pictures but {len(self.labels)} labels in {labels.name}", where=path)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return any(_is_images(p) for p in path.iterdir()) if path.is_dir() else _is_images(path)

    @classmethod
    def splits(cls, path: Path) -> dict[str, Path]:
        if not path.is_dir():
            return {}
        files = {p.name.split("-")[0]: p for p in sorted(path.iterdir()) if _is_images(p)}
        return {_SPLITS[name]: p for name, p in files.items() if name in _SPLITS} if "train" in files else {}

    def __len__(self) -> int:
        return len(self.images)

    def examples(self) -> Iterator[Image]:
        pixels = self.images[..., None] if self.images.ndim == 3 else self.images
        names = [str(label) for label in range(int(self.labels.max(initial=0)) + 1)]
        for i, label in enumerate(self.labels.tolist()):
            yield Image(pixels[i], names[label], f"{self.path}#{i}")


def read_idx(path: Path, dimensions: tuple[int, ...]) -> Pixels:
    """The array of an idx file of unsigned bytes. Raises DataError if it is not exactly as long as its header says."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(4)
            if len(head) < 4 or head[:3] != b"\0\0\x08" or head[3] not in dimensions:
                raise DataError("is no idx file of unsigned bytes", where=path)
            sizes = np.frombuffer(_exactly(file.read(4 * head[3]), 4 * head[3], path), ">u4").tolist()
            expected = math.prod(sizes)
            if expected > _MOST_BYTES:
                raise DataError(f"its header claims {expected:,} bytes", where=path)
            data = _exactly(file.read(expected), expected, path)
            if file.read(1):
                raise DataError(f"is longer than the {expected:,} bytes its header claims", where=path)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"is damaged: {error}", where=path, remedy="get the file again") from error
    return np.frombuffer(data, np.uint8).reshape(sizes)


def _exactly(data: bytes, count: int, path: Path) -> bytes:
    if len(data) != count:
        raise DataError(f"ends after {len(data):,} of {count:,} bytes", where=path, remedy="get the file again")
    return data


def _is_images(path: Path) -> bool:
    return "images-idx" in path.name and path.name.removesuffix(".gz").endswith("ubyte")
