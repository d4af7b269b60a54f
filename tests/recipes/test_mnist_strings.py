"""The recipe of digit strings: who is in which line, what a line looks like, and the whole on a handful of pictures."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samoyed.errors import DataError
from samoyed.recipes import mnist_strings


def idx(folder: Path, shift: int = 0, count: int = 60) -> Path:
    """Files as MNIST's: each digit n is n + 3 columns of ink, whose grey tells the split and the place."""
    folder.mkdir(parents=True)
    for split, base in (("train", 100), ("t10k", 200)):
        labels = np.arange(count, dtype=np.uint8) % 10
        pictures = np.zeros((count, 28, 28), np.uint8)
        for i, label in enumerate(labels):
            pictures[i, 4:24, 5 : 8 + label] = base + (i >= count - count // 2) * 50 * (split == "train")
        for kind, data, head in (
            ("images-idx3", pictures, (2051, count, 28, 28)),
            ("labels-idx1", labels, (2049, count)),
        ):
            raw = struct.pack(f">{len(head)}i", *head) + (data + shift * (kind[0] == "l")).astype(np.uint8).tobytes()
            (folder / f"{split}-{kind}-ubyte.gz").write_bytes(gzip.compress(raw))
    return folder


def test_training_digits_are_in_no_test_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist_strings, "COUNTS", {"train": 6, "valid": 3, "test": 5})
    draw = np.random.default_rng(0)
    pools = mnist_strings.pools(idx(tmp_path / "mnist"))
    codes = ["01234", "56789"]
    out = mnist_strings.lines(pools, codes, tmp_path / "lines", draw)
    greys = {"train": 100, "valid": 150, "test": 200}
    for part, grey in greys.items():
        rows = [line.split("\t") for line in (out / f"{part}.tsv").read_text().splitlines()[1:]]
        assert len(rows) == mnist_strings.COUNTS[part]
        for path, text in rows:
            pixels = np.asarray(Image.open(out / path))
            assert set(np.unique(pixels)) == {0, grey}
            assert pixels.shape[0] == 28
            assert 3 <= len(text) <= 7
        if part == "test":
            assert {text for _, text in rows} <= set(codes)


def test_digits_stand_side_by_side() -> None:
    """The ink of two digits that do not overlap is all there, in order."""
    first, second = np.zeros((28, 28), np.uint8), np.zeros((28, 28), np.uint8)
    first[10:15, 3:9], second[8:20, 10:12] = 80, 160
    for seed in range(20):
        whole = mnist_strings.joined([first, second], np.random.default_rng(seed))
        columns = [np.flatnonzero((whole == grey).any(0)) for grey in (80, 160)]
        assert columns[1][0] - columns[0][-1] >= -2
        assert len(columns[1]) == 2
        assert (whole == 160).sum() == 24
        assert not whole[:, -4:].any()


def test_what_is_no_mnist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no digit of 28 x 28"):
        mnist_strings.pools(idx(tmp_path / "letters", shift=10))
    for file in (tmp_path / "letters").glob("t10k*"):
        file.unlink()
    with pytest.raises(DataError, match="no training and test pictures"):
        mnist_strings.pools(tmp_path / "letters")


def test_the_recipe_reads_three_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist_strings, "COUNTS", {"train": 40, "valid": 8, "test": 20})
    monkeypatch.setattr(mnist_strings, "_CODES", 100)
    small = {"width": 4, "hidden_size": 24, "epochs": 8, "batch_size": 8, "learning_rate": 0.01, "height": 16}
    monkeypatch.setattr(mnist_strings, "SETTINGS", {**small, "execution": "plain"})
    found = mnist_strings.run(tmp_path / "out", lambda line: None, idx(tmp_path / "mnist"))
    assert set(found.measured) == {f"{name}_{way}" for name in ("cer", "wer") for way in ("path", "list", "n-grams")}
    assert found.holds == (
        found.measured["cer_path"] <= 3 and found.measured["cer_list"] < found.measured["cer_path"] / 4
    )
    assert all(0 <= rate < 300 for rate in found.measured.values())
    assert found.pictures[0].is_file()
