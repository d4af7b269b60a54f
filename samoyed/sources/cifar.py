"""CIFAR's binary files, plain or gzipped (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html).

A record is its label and 3,072 bytes: 32 rows of 32 pixels of red, then green, then blue. CIFAR-10's label is one byte, and the names of
the classes lie beside in batches.meta.txt; CIFAR-100's are two, the coarse and the fine class, of which the fine one is learned, with
names in fine_label_names.txt.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from samoyed.errors import DataError
from samoyed.examples import Image
from samoyed.sources import Source
from samoyed.sources._paths import visible
from samoyed.sources._reading import opened, take

_FILE = re.compile(r"(data_batch(_\d+)?|train_batch|test_batch|valid_batch|train|test)\.bin(\.gz)?$")
_SIDE, _CHANNELS = 32, 3
_PIXELS = _CHANNELS * _SIDE * _SIDE
_MOST_BYTES = 2**30
_LAYOUTS = (  # bytes of labels before the pixels, place of the one that is learned, classes, file with their names
    (1, 0, 10, "batches.meta.txt"),
    (2, 1, 100, "fine_label_names.txt"),
)


class Cifar(Source):
    """Reads one .bin file, or the files of one split, in the order of their names."""

    yields = "Image"
    reads = "CIFAR's binary files (data_batch_1.bin and test_batch.bin, gzipped or not)"
    usual = False

    def __init__(self, path: Path, *, longest_side: int | None = None) -> None:
        super().__init__(path)
        self.files = [path] if path.is_file() else _parts(path)["train"]
        if path.is_file() and path.name.startswith("data_batch_"):
            self.files = [f for f in visible(path.parent) if _of(f) == "train"]  # its brothers are the same split
        self.records = [(file, *_records(file)) for file in self.files]
        self.names = {file.parent: _names(file.parent, labels) for file, labels, _ in self.records}

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return bool(_parts(path)) if path.is_dir() else _FILE.match(path.name) is not None

    @classmethod
    def splits(cls, path: Path) -> dict[str, Path]:
        found = {split: files[0] for split, files in _parts(path).items()} if path.is_dir() else {}
        return found if "train" in found and len(found) > 1 else {}

    def __len__(self) -> int:
        return sum(len(labels) for _, labels, _ in self.records)

    def examples(self) -> Iterator[Image]:
        for file, labels, pixels in self.records:
            names = self.names[file.parent]
            for i, label in enumerate(labels.tolist()):
                yield Image(pixels[i], names[label] if label < len(names) else str(label), f"{file}#{i}")


def _parts(folder: Path) -> dict[str, list[Path]]:
    """The files in a folder by split; the plain file of two that differ by .gz alone."""
    found: dict[str, list[Path]] = {}
    names: set[str] = set()
    for file in visible(folder):
        name = file.name.removesuffix(".gz")
        if file.is_file() and _FILE.match(file.name) and name not in names:
            names.add(name)
            found.setdefault(_of(file), []).append(file)
    return {split: found[split] for split in ("train", "valid", "test") if split in found} if "train" in found else {}


def _of(file: Path) -> str:
    """The split a file's name says it is."""
    return "" if not _FILE.match(file.name) else file.name.split(".")[0].split("_")[0].replace("data", "train")


def _records(
    file: Path,
) -> tuple["np.ndarray[tuple[int], np.dtype[np.int64]]", "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]"]:
    """labels int64 [N], pixels uint8 [N, 32, 32, 3]. Raises DataError for a file that holds no whole number of records."""
    with opened(file) as stream:
        data = take(stream, _MOST_BYTES, file)
        if stream.read(1):
            raise DataError(f"holds more than {_MOST_BYTES:,} bytes", where=file)
    raw = np.frombuffer(data, np.uint8)
    for before, place, classes, _ in _LAYOUTS:
        size = before + _PIXELS
        if len(raw) and len(raw) % size == 0:
            rows = raw.reshape(-1, size)
            labels = rows[:, place].astype(np.int64)
            if labels.max() >= classes:
                where = f"{file}#{int(labels.argmax())}"
                raise DataError(
                    f"its label {labels.max()} is none of {classes} classes", where=where, remedy="get the file again"
                )
            pixels = rows[:, before:].reshape(-1, _CHANNELS, _SIDE, _SIDE).transpose(0, 2, 3, 1)
            return labels, pixels
    raise DataError(
        f"its {len(raw):,} bytes are no whole number of records of {1 + _PIXELS:,} (CIFAR-10) or {2 + _PIXELS:,} bytes (CIFAR-100)",
        where=file,
        remedy="get the file again",
    )


def _names(folder: Path, labels: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> list[str]:
    """The names of classes in a folder, by label; none where there is no file of names with one for each label."""
    for *_, classes, name in _LAYOUTS:
        path = folder / name
        if path.is_file():
            with opened(path) as stream:
                lines = take(stream, 2**16, path).decode("utf-8", "replace").split("\n")
            names = [line.strip() for line in lines if line.strip()]
            if labels.max() < len(names) == classes and len(set(names)) == classes:
                return names
    return []
