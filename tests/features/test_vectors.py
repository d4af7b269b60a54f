"""Word vectors are read from whatever others write, and a damaged file gets one clear error."""

import gzip
import random
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from samoyed.errors import DataError
from samoyed.features import vectors

WORDS = ["the", "of", "naïve", "猫", "New_York", "-", "3.14"]
NUMBERS = np.random.default_rng(0).standard_normal((len(WORDS), 5)).astype(np.float32)


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.bin"])
def test_what_is_written_is_read_bit_for_bit(tmp_path: Path, name: str) -> None:
    extreme = NUMBERS.copy()
    extreme[0] = [np.finfo(np.float32).max, np.finfo(np.float32).tiny, 1e-45, -0.0, 1 / 3]
    vectors.write(tmp_path / name, WORDS, extreme)
    found = vectors.read(tmp_path / name)
    assert found.words == WORDS
    assert found.vectors.dtype == np.float32
    assert found.vectors.tobytes() == extreme.tobytes()
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    assert np.array_equal(vectors.read(tmp_path / f"{name}.gz").vectors, extreme)


def test_the_formats_are_those_of_word2vec(tmp_path: Path) -> None:
    """Byte by byte as word2vec.c writes them, but for the blank at the end of its lines, which is read too."""
    vectors.write(tmp_path / "v.txt", ["a", "b"], np.array([[0.5, -1], [2, 0.25]], np.float32))
    assert (tmp_path / "v.txt").read_bytes() == b"2 2\na 0.5 -1\nb 2 0.25\n"
    vectors.write(tmp_path / "v.bin", ["a", "b"], np.array([[0.5, -1], [2, 0.25]], np.float32))
    entries = b"".join(
        name + b" " + struct.pack("<2f", *row) + b"\n" for name, row in ((b"a", (0.5, -1)), (b"b", (2, 0.25)))
    )
    assert (tmp_path / "v.bin").read_bytes() == b"2 2\n" + entries
    (tmp_path / "c.txt").write_text("2 2\na 0.500000 -1.000000 \nb 2.000000 0.250000 \n")
    assert vectors.read(tmp_path / "c.txt").vectors.tolist() == [[0.5, -1], [2, 0.25]]


def test_a_binary_file_is_known_by_its_bytes_whatever_its_name(tmp_path: Path) -> None:
    vectors.write(tmp_path / "v.bin", WORDS, NUMBERS)
    (tmp_path / "v.bin").rename(tmp_path / "vectors")
    assert np.array_equal(vectors.read(tmp_path / "vectors").vectors, NUMBERS)


def test_glove_has_no_header_and_words_with_spaces(tmp_path: Path) -> None:
    (tmp_path / "glove.txt").write_text("the 0.1 0.2 0.3\n. . . 1 2 3\n1 4 5 6\n")
    found = vectors.read(tmp_path / "glove.txt")
    assert found.words == ["the", ". . .", "1"]
    assert np.array_equal(found.vectors, np.array([[0.1, 0.2, 0.3], [1, 2, 3], [4, 5, 6]], np.float32))


@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_only_what_is_wanted_is_kept(tmp_path: Path, name: str) -> None:
    vectors.write(tmp_path / name, [*WORDS, "the"], np.concatenate([NUMBERS, NUMBERS[1:2]]))
    found = vectors.read(tmp_path / name, only={"猫", "the", "absent"})
    assert found.words == ["the", "猫"]
    assert np.array_equal(found.vectors, NUMBERS[[0, 3]])
    assert found.repeated == 1
    assert vectors.read(tmp_path / name).repeated == 1
    assert vectors.read(tmp_path / name, most=2).words == ["the", "of"]
    assert vectors.read(tmp_path / name, only={"absent"}).vectors.shape == (0, 5)


WRONG = {
    b"": "empty file",
    b"\n\n": "empty line",
    b"hello world, this is a letter\n": ":1: is no file of word vectors",
    b"0 5\n": ":1: claims 0 vectors",
    b"5 99999999\na 1\n": ":1: claims 5 vectors of 99,999,999",
    b"3 2\na 1 2\nb 1 2\n": ":3: claims 3 vectors and holds 2",
    b"1 2\na 1 2\nb 1 2\n": ":3: claims 1 vectors and holds 2",
    b"2 2\na 1 2\nb 1\n": ":3: holds a word and 1 numbers, not 2",
    b"2 2\na 1 2\nb 1 x\n": ":3: could not convert",
    b"2 2\na 1 2\nb 1 nan\n": ":3: a number is infinite or none",
    b"a 1 2\nb 1 2\n\nc 1 2\n": ":3: holds a word and 0 numbers",
    b"a 1 2\n\xff\xfe 1 2\n": ":2: a word is not UTF-8",
    b"a 1 2\nb 1e999 2\n": ":2: a number is infinite",
    b"\x89PNG\r\n\x1a\n" + b"\0" * 40: ":1: is no file of word vectors",
    b"a 1 2\n" + b"b" * 2**21: ":2: a line is longer",
}


@pytest.mark.parametrize("data", WRONG, ids=[said.lstrip(":")[:30] for said in WRONG.values()])
def test_damaged_text_is_refused_with_its_line(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "v.txt").write_bytes(data)
    with pytest.raises(DataError) as raised:
        vectors.read(tmp_path / "v.txt")
    assert WRONG[data] in str(raised.value)
    assert str(tmp_path / "v.txt") in str(raised.value)


def test_a_binary_file_cut_anywhere_is_refused_with_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "v.bin"
    vectors.write(path, WORDS, NUMBERS)
    whole = path.read_bytes()
    for cut in range(len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match=r"byte \d+: ends within|empty file|claims|first line is|numbers, not"):
            vectors.read(path)
    path.write_bytes(whole + b"more 12345678901234567890")
    with pytest.raises(DataError, match=f"byte {len(whole) - 1}: holds more than the 7"):
        vectors.read(path)
    path.write_bytes(whole[:4] + b"x" * 5000)
    with pytest.raises(DataError, match="byte 4: no word begins there"):
        vectors.read(path)


@pytest.mark.parametrize("name", ["v.txt", "v.bin", "v.txt.gz", "v.bin.gz"])
def test_no_damage_is_worse_than_a_data_error(tmp_path: Path, name: str) -> None:
    draw = random.Random(0)
    path = tmp_path / name
    vectors.write(tmp_path / name.removesuffix(".gz"), WORDS, NUMBERS)
    whole = (tmp_path / name.removesuffix(".gz")).read_bytes()
    whole = gzip.compress(whole) if name.endswith(".gz") else whole
    refused = accepted = 0
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(draw.randrange(1, 4)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(data[: draw.randrange(1, len(data) + 1)] if draw.random() < 0.3 else data)
        began = time.monotonic()
        try:
            assert np.isfinite(vectors.read(path).vectors).all()
        except DataError as error:
            refused += str(path) in str(error)
        else:
            accepted += 1
        assert time.monotonic() - began < 2
    assert refused + accepted == 200
    assert refused > 20


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "no.txt", tmp_path):
        with pytest.raises(DataError, match=r"no such file|cannot be read"):
            vectors.read(path)


def test_what_a_format_cannot_hold_is_not_written(tmp_path: Path) -> None:
    for word in ("", "two words", "line\n"):
        with pytest.raises(ValueError, match="white space"):
            vectors.write(tmp_path / "v.txt", [word], NUMBERS[:1])
    with pytest.raises(ValueError, match="2 words and 1 vectors"):
        vectors.write(tmp_path / "v.txt", ["a", "b"], NUMBERS[:1])
    assert not list(tmp_path.iterdir())
