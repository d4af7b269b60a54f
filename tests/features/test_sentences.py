"""Sentences -> subwords, words or characters, and back, without loss."""

import json

import pytest

from samoyed.errors import DataError
from samoyed.features import sentences

TEXTS = ["Un homme à vélo, près de l'eau.", "to be, or not to be: 猫 and 🐕!", "He said “no” (twice) -- 3.14 times"] * 3
KINDS = ("subwords", "words", "characters")


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_cut_joins_to_the_same(kind: sentences.Kind) -> None:
    tokens = sentences.learn(TEXTS, kind, None)
    for text in TEXTS:
        assert tokens.text(tokens.encode(text)) == text
        assert len(tokens.split(text)) == len(tokens.encode(text))
        assert [tokens.tokens[i] for i in tokens.encode(text).tolist()] == tokens.split(text)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_learned_survives_json(kind: sentences.Kind) -> None:
    tokens = sentences.learn(TEXTS, kind, 60)
    again = sentences.restore(**json.loads(json.dumps(sentences.state(tokens))))
    assert again.tokens == tokens.tokens
    assert again.encode(TEXTS[1]).tolist() == tokens.encode(TEXTS[1]).tolist()
    assert 0 in tokens.encode("Ω").tolist()


def test_frequent_pieces_become_one() -> None:
    few, many = (sentences.learn(["lower lowest newer newest"] * 20, "subwords", most) for most in (20, 200))
    assert len(few.encode("lowest")) > len(many.encode("lowest")) == 1


@pytest.mark.parametrize(
    "stored", [{"kind": "subwords", "tokens": ["a"]}, {"kind": "words"}, {"kind": "words", "model": "AA=="}]
)
def test_a_damaged_state_is_refused(stored: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="tokens for words"):
        sentences.restore(**stored)  # type: ignore[arg-type]


def test_a_model_that_is_none_is_refused() -> None:
    with pytest.raises(RuntimeError):
        sentences.restore("subwords", model="c2Ftb3llZA==")


def test_nothing_to_learn_from_is_said() -> None:
    with pytest.raises(DataError, match="set another vocab_limit"):
        sentences.learn(["a b c"], "subwords", 1)
