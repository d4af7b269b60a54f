"""CIFAR's binary files: whole ones give their pictures, and any other is refused."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from samoyed.errors import DataError
from samoyed.examples import Image
from samoyed.sources import open_splits

NAMES = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n"
DRAW = np.random.default_rng(0)
PIXELS = DRAW.integers(0, 256, (30, 32, 32, 3), dtype=np.uint8)
LABELS = np.arange(30) % 10


def records(rows: slice, labels: int = 1) -> bytes:
    planes = PIXELS[rows].transpose(0, 3, 1, 2).reshape(-1, 3072)
    heads = np.stack([LABELS[rows] // 5, LABELS[rows]], 1)[:, 2 - labels :]
    return np.concatenate([heads.astype(np.uint8), planes], 1).tobytes()


def read(path: Path) -> dict[str, list[Image]]:
    found = {}
    for name, source in open_splits("Image", path).items():
        found[name] = [e for e in source.examples() if isinstance(e, Image)]
        assert len(source) == len(found[name])
    return found


def test_batches_are_one_split_and_names_lie_beside(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1.bin").write_bytes(records(slice(0, 10)))
    (tmp_path / "data_batch_2.bin.gz").write_bytes(gzip.compress(records(slice(10, 20))))
    (tmp_path / "test_batch.bin").write_bytes(records(slice(20, 30)))
    (tmp_path / "batches.meta.txt").write_text(NAMES + "\n")
    (tmp_path / "readme.html").write_text("about")
    found = read(tmp_path)
    assert {name: len(part) for name, part in found.items()} == {"train": 20, "test": 10}
    for i, example in enumerate([*found["train"], *found["test"]]):
        assert np.array_equal(example.pixels, PIXELS[i])
        assert example.label == NAMES.split()[LABELS[i]]
    assert found["train"][10].origin.endswith("data_batch_2.bin.gz#0")


def test_a_single_file_is_undivided_and_nameless_classes_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "train_batch.bin").write_bytes(records(slice(0, 30)))
    for path in (tmp_path, tmp_path / "train_batch.bin"):
        found = read(path)
        assert list(found) == ["all"]
        assert [e.label for e in found["all"]] == [str(label) for label in LABELS]


def test_of_cifar_100_the_fine_classes_are_learned(tmp_path: Path) -> None:
    (tmp_path / "train.bin").write_bytes(records(slice(0, 20), 2))
    (tmp_path / "test.bin").write_bytes(records(slice(20, 30), 2))
    (tmp_path / "fine_label_names.txt").write_text("".join(f"kind {i}\n" for i in range(100)))
    found = read(tmp_path)
    assert [e.label for e in found["train"]] == [f"kind {label}" for label in LABELS[:20]]
    assert np.array_equal(found["test"][3].pixels, PIXELS[23])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no whole number"),
        (records(slice(0, 3))[:-1], "no whole number"),
        (bytes([10]) + records(slice(0, 1))[1:], "label 10 is none of 10 classes"),
    ],
)
def test_what_is_no_cifar_is_refused(data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "data_batch_1.bin").write_bytes(data)
    with pytest.raises(DataError, match=said) as raised:
        read(tmp_path)
    assert "data_batch_1.bin" in str(raised.value)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(records(slice(0, 30)))
    (tmp_path / "data_batch_1.bin.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="damaged"):
        read(tmp_path)


def test_the_subset_that_is_shared(shared_data: Path) -> None:
    found = read(shared_data / "cifar10_subset")
    assert {name: len(part) for name, part in found.items()} == {"train": 10_000, "test": 2_000}
    assert sorted({str(e.label) for e in found["test"]}) == sorted(NAMES.split())
