"""Text becomes tokens and comes back as it was."""

import json
import random

import pytest
import torch

from samoyed.features.vocabulary import UNKNOWN, Vocabulary

TEXTS = [
    "To be, or not to be: that's the question.\n\n  “Größe” 猫 🐕  _x_ 3.14\t\r\n",
    "",
    "\n\n\n",
    "don’t — can't -- e\u0301 \u00a0\u2028 \x0b",
]


@pytest.mark.parametrize("kind", ["characters", "words"])
@pytest.mark.parametrize("text", TEXTS)
def test_joining_tokens_gives_the_text_back(kind: str, text: str) -> None:
    vocabulary = Vocabulary.learn([text], kind)
    assert "".join(vocabulary.split(text)) == text
    encoded = vocabulary.encode(text)
    assert encoded.dtype == torch.int64
    assert vocabulary.text(encoded) == text


@pytest.mark.parametrize("kind", ["characters", "words"])
def test_no_text_loses_anything(kind: str) -> None:
    draw = random.Random(0)
    for _ in range(200):
        text = "".join(
            chr(draw.choice((draw.randrange(32, 127), draw.randrange(1, 0xD800), 10, 32, 39))) for _ in range(30)
        )
        assert "".join(Vocabulary(kind, []).split(text)) == text


def test_words_are_words() -> None:
    assert Vocabulary("words", []).split("I don't know,\n\nsir.") == [
        "I",
        " ",
        "don't",
        " ",
        "know",
        ",",
        "\n\n",
        "sir",
        ".",
    ]


def test_unknown_tokens_share_one_symbol() -> None:
    vocabulary = Vocabulary.learn(["aab"], "characters")
    assert vocabulary.encode("abcX").tolist() == [1, 2, 0, 0]
    assert vocabulary.text(vocabulary.encode("abcX")) == f"ab{UNKNOWN}{UNKNOWN}"


def test_the_most_frequent_come_first_and_the_limit_holds() -> None:
    vocabulary = Vocabulary.learn(["ccc bb a bb"], "characters", most=3)
    assert vocabulary.tokens == [UNKNOWN, "b", " "]
    assert len(vocabulary) == 3
    assert len(Vocabulary.learn(["abc"], "characters", most=1)) == 1


def test_the_symbol_for_the_unknown_may_be_in_the_text() -> None:
    vocabulary = Vocabulary.learn([f"a{UNKNOWN}b"], "characters")
    assert vocabulary.tokens.count(UNKNOWN) == 1
    assert vocabulary.text(vocabulary.encode(f"a{UNKNOWN}b")) == f"a{UNKNOWN}b"


def test_the_same_text_gives_the_same_vocabulary() -> None:
    assert Vocabulary.learn(["dcba" * 3], "characters").tokens == [UNKNOWN, "a", "b", "c", "d"]


def test_the_state_is_json_and_gives_the_same() -> None:
    vocabulary = Vocabulary.learn(TEXTS, "words")
    again = Vocabulary(**json.loads(json.dumps({"kind": vocabulary.kind, "tokens": vocabulary.tokens})))
    assert torch.equal(vocabulary.encode(TEXTS[0]), again.encode(TEXTS[0]))
