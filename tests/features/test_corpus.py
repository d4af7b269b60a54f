"""A text as numbers of its words: nothing lost, in whatever pieces it comes, and larger than memory."""

from pathlib import Path

import numpy as np
import pytest
import torch

from samoyed.errors import DataError
from samoyed.features.corpus import END, Corpus
from samoyed.sources.text_files import TextFiles
from samoyed.tasks._words import windows_of


def words(corpus: Corpus) -> list[str]:
    return ["." if i == END else corpus.words[i] for i in corpus.ids.tolist()]


def read(*texts: str, lowercase: bool = True) -> Corpus:
    return Corpus.read(((text, "test") for text in texts), lowercase)


def test_words_are_numbered_and_lines_end_sentences() -> None:
    corpus = read("The cat, the DOG's\n\n\n-- Größe_2!\n", "the end")
    assert words(corpus) == ["the", "cat", "the", "dog's", ".", "größe_2", ".", "the", "end", "."]
    assert len(corpus) == 7
    assert corpus.counts().tolist() == [3, 1, 1, 1, 1]
    assert words(read("A a", lowercase=False)) == ["A", "a", "."]


def test_a_long_sentence_is_cut() -> None:
    ids = read("w " * 2_500).ids
    assert np.flatnonzero(ids < 0).tolist() == [1000, 2001, 2502]


def test_what_exceeds_memory_is_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"a b c{i} d\n" * 50 for i in range(40)]
    held = read(*texts)
    monkeypatch.setenv("SAMOYED_MEMORY", "1000")
    filed = read(*texts)
    assert isinstance(filed.ids, np.memmap)
    assert np.array_equal(held.ids, filed.ids)
    index = {"a": 0, "d": 1}
    assert np.array_equal(held.numbered(index), filed.numbered(index))
    assert set(held.numbered(index).tolist()) == {0, 1, END}


def test_phrases_are_words_that_stand_together() -> None:
    corpus = read("i saw new york\nnew york is big\n" * 20 + "a b c d e f g\n" * 3)
    pairs = corpus.phrases(3.0)
    assert ("new", "york") in pairs
    assert ("a", "b") not in pairs
    joined = corpus.joined([("new", "york"), ("york", "is")])
    assert words(joined)[:7] == ["i", "saw", "new_york", ".", "new_york", "is", "big"]
    assert words(read("x x x x x")) == ["x"] * 5 + ["."]
    assert words(read("x x x x x").joined([("x", "x")])) == ["x_x", "x_x", "x", "."]


def test_parts_end_at_ends_of_sentences() -> None:
    corpus = read("a b c d e\n" * 100)
    parts = [corpus.part(0, 0.9), corpus.part(0.9, 0.95), corpus.part(0.95, 1)]
    assert np.array_equal(np.concatenate([p.ids for p in parts]), corpus.ids)
    assert all(p.ids[-1] == END for p in parts)


def test_windows_stop_at_ends_of_sentences() -> None:
    tokens = torch.tensor([5, 6, END, 7, END, 8, 9, 10, END], dtype=torch.int32)
    assert windows_of(tokens, 2, 100).tolist() == [
        [-1, -1, 5, 6, -1],
        [-1, 5, 6, -1, -1],
        [-1, -1, 8, 9, 10],
        [-1, 8, 9, 10, -1],
        [8, 9, 10, -1, -1],
    ]


def test_a_file_in_pieces_is_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samoyed.sources.text_files._PIECE", 64)
    text = "".join(f"línea {i} número\n" for i in range(200)) + "the end"
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    pieces = list(TextFiles(tmp_path / "a.txt", pieces=True).examples())
    assert len(pieces) > 10
    assert "".join(p.text for p in pieces) == text
    (tmp_path / "b.txt").write_bytes(text.encode("utf-16"))
    assert "".join(p.text for p in TextFiles(tmp_path / "b.txt", pieces=True).examples()) == text
    damaged = text.encode()
    at = damaged.index("línea 150".encode()) + 1
    (tmp_path / "c.txt").write_bytes(damaged[:at] + b"\xff" + damaged[at:])
    with pytest.raises(DataError, match=r"c\.txt:151: is not UTF-8"):
        list(TextFiles(tmp_path / "c.txt", pieces=True).examples())
    (tmp_path / "d.txt").write_text(" \n \n")
    with pytest.raises(DataError, match="nothing but white space"):
        list(TextFiles(tmp_path / "d.txt", pieces=True).examples())
