"""idx files, plain or gzipped: the format of MNIST (http://yann.lecun.com/exdb/mnist).

Big-endian: two zero bytes, a type code (8 = unsigned byte), the number of dimensions, each dimension as 32 bits, the data.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from samoyed.errors import DataError
from samoyed.examples import Image
from samoyed.sources import Source
from samoyed.sources._paths import visible
from samoyed.sources._pictures import Pixels
from samoyed.sources._reading import is_gzip, opened, take

_SPLITS = {"train": "train", "valid": "valid", "validation": "valid", "test": "test", "t10k": "test"}
_IMAGES = re.compile(r"images[-.]idx[34][-.]ubyte(\.gz)?$")
_MOST_BYTES = 16 * 2**30
_DENSEST = 1100  # gzip makes nothing smaller than by this factor


class Idx(Source):
    """Reads NAME-images-idx3-ubyte and its NAME-labels-idx1-ubyte."""

    yields = "Image"
    reads = "idx files as MNIST's (train-images-idx3-ubyte.gz beside train-labels-idx1-ubyte.gz)"
    usual = False

    def __init__(self, path: Path, *, longest_side: int | None = None) -> None:
        path = _only(path) if path.is_dir() else path
        super().__init__(path)
        self.images = read_idx(path, dimensions=(3, 4))
        if self.images.ndim == 4 and self.images.shape[3] not in (1, 3):
            raise DataError(f"its pictures have {self.images.shape[3]} channels, and 1 or 3 can be read", where=path)
        labels = _labels_of(path)
        self.labels = read_idx(labels, dimensions=(1,))
        if len(self.images) != len(self.labels):
            raise DataError(
                f"holds {len(self.images):,} pictures, but {labels.name} holds {len(self.labels):,} labels",
                where=path,
                remedy="get both files again, from one place",
            )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return bool(_images_in(path)) if path.is_dir() else _IMAGES.search(path.name) is not None

    @classmethod
    def splits(cls, path: Path) -> dict[str, Path]:
        if not path.is_dir():
            return {}
        found: dict[str, Path] = {}
        for file in _images_in(path):
            split = next((_SPLITS[word] for word in re.split(r"[-._]", file.name.lower()) if word in _SPLITS), None)
            if split is not None:
                found.setdefault(split, file)  # the plain file is sorted before its gzipped twin
        return {name: found[name] for name in ("train", "valid", "test") if name in found} if "train" in found else {}

    def __len__(self) -> int:
        return len(self.images)

    def examples(self) -> Iterator[Image]:
        pixels = self.images[..., None] if self.images.ndim == 3 else self.images
        names = [str(label) for label in range(256)]
        for i, label in enumerate(self.labels.tolist()):
            yield Image(pixels[i], names[label], f"{self.path}#{i}")


def read_idx(path: Path, dimensions: tuple[int, ...]) -> Pixels:
    """The array of an idx file of unsigned bytes. Raises DataError if it is not exactly as long as its header says."""
    with opened(path) as file:
        head = take(file, 4, path)
        if len(head) < 4 or head[:3] != b"\0\0\x08" or head[3] not in dimensions:
            wanted = " or ".join(map(str, dimensions))
            raise DataError(
                f"is no idx file of unsigned bytes in {wanted} dimensions", where=path, remedy="get the file again"
            )
        sizes = np.frombuffer(_exactly(take(file, 4 * head[3], path), 4 * head[3], path), ">u4").tolist()
        expected = math.prod(sizes)
        _possible(path, expected, 4 + 4 * head[3])
        data = _exactly(take(file, expected, path), expected, path)
        if file.read(1):
            raise DataError(
                f"is longer than the {expected:,} bytes its header claims", where=path, remedy="get the file again"
            )
    if expected == 0:
        raise DataError(
            f"holds nothing: its header claims {' x '.join(map(str, sizes))}", where=path, remedy="get the file again"
        )
    return np.frombuffer(data, np.uint8).reshape(sizes)


def _possible(path: Path, expected: int, head: int) -> None:
    """Raises DataError, before anything is read, for a claim that the file cannot keep."""
    size = path.stat().st_size
    most = size * _DENSEST if is_gzip(path) else size - head
    if expected > min(most, _MOST_BYTES):
        raise DataError(
            f"its header claims {expected:,} bytes of data, and the file has {size:,}",
            where=path,
            remedy="get the file again",
        )


def _exactly(data: bytes, count: int, path: Path) -> bytes:
    if len(data) != count:
        raise DataError(f"ends after {len(data):,} of {count:,} bytes", where=path, remedy="get the file again")
    return data


def _images_in(folder: Path) -> list[Path]:
    return [p for p in visible(folder) if p.is_file() and _IMAGES.search(p.name)]


def _only(folder: Path) -> Path:
    """The one file of pictures in a folder. Raises DataError where there are several and no names say which is which."""
    found = _images_in(folder)
    if len({p.name.removesuffix(".gz") for p in found}) > 1:
        names = ", ".join(p.name for p in found[:4])
        raise DataError(
            f"holds {len(found)} files of pictures and none named train ({names})",
            where=folder,
            remedy=f"give one: {found[0]}",
        )
    return found[0]


def _labels_of(images: Path) -> Path:
    """The labels beside a file of pictures, gzipped or not. Raises DataError where there are none."""
    name = re.sub(r"idx[34]", "idx1", images.name.replace("images", "labels"))
    twin = name.removesuffix(".gz") if name.endswith(".gz") else f"{name}.gz"
    found = next((images.with_name(n) for n in (name, twin) if images.with_name(n).is_file()), None)
    if found is None:
        raise DataError("its labels are missing", where=images, remedy=f"put {name} beside it")
    return found
