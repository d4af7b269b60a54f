"""Subwords give every text back exactly, whatever it holds, and are kept as data."""

import base64
import random

import pytest

from samoyed.errors import DataError
from samoyed.features.exact_subwords import ExactSubwords

pytest.importorskip("sentencepiece")
TEXT = "\n".join(f"the {a} king and the {b} queen went to the {a}{b} castle" for a in "abcdef" for b in "uvwxyz")


@pytest.fixture(scope="module")
def subwords() -> ExactSubwords:
    return ExactSubwords.learn([TEXT], 340)


@pytest.mark.parametrize(
    "text",
    [
        "", "the king", "  two  spaces   ", "\n\n\t x\r\n", "▁▁ a▁b", "<s></s><unk><0x0A>", "日本語 ünïcödé 🐕‍🦺", "x" * 9_000,
        " " * 9_000, "\x01\x7f\u200b\u00a0\u3000\ufeff\N{REPLACEMENT CHARACTER}",
    ],
)  # fmt: skip
def test_every_text_comes_back(subwords: ExactSubwords, text: str) -> None:
    encoded = subwords.encode(text)
    assert subwords.text(encoded) == text
    assert float(subwords.lengths()[encoded].sum()) == len(text)


def test_texts_at_random_come_back(subwords: ExactSubwords) -> None:
    draw = random.Random(0)
    parts = [lambda: chr(draw.randrange(1, 0xD800)), lambda: chr(draw.randrange(0xE000, 0x110000)), lambda: "the ",
             lambda: "▁", lambda: " ", lambda: "\n", lambda: chr(draw.randrange(1, 128))]  # fmt: skip
    for _ in range(500):
        text = "".join(draw.choice(parts)() for _ in range(draw.randrange(30)))
        assert subwords.text(subwords.encode(text)) == text


def test_pieces_are_longer_than_letters(subwords: ExactSubwords) -> None:
    assert len(subwords.encode(TEXT)) < 0.8 * len(TEXT)
    assert 256 < len(subwords) <= 340


def test_it_is_kept_as_data(subwords: ExactSubwords) -> None:
    state = subwords.state()
    again = ExactSubwords.restored(str(state["model"]))
    assert again.tokens == subwords.tokens
    assert ExactSubwords.learn([TEXT], 340).model == subwords.model


@pytest.mark.parametrize("model", ["not base64!", base64.b64encode(b"\x12\x34 no model").decode(), ""])
def test_a_damaged_model_is_refused(model: str) -> None:
    with pytest.raises(ValueError, match="subwords' model"):
        ExactSubwords.restored(model)


def test_too_few_pieces_are_refused() -> None:
    with pytest.raises(DataError, match="no 20 subwords can be learned"):
        ExactSubwords.learn([TEXT], 20)
