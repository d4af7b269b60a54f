"""What a sentence is cut into, learned from training sentences: subwords, words, or characters; and joined from again."""

import base64
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal

from samoyed.features.subwords import Subwords
from samoyed.features.vocabulary import UNKNOWN, Vocabulary

Kind = Literal["subwords", "words", "characters"]
_WORD = re.compile(r" ?\w+(?:['’]\w+)*['’]?| ?[^\w\s]|\s")


class Words(Vocabulary):
    """Words and marks, each with the space before it, so that joining them gives the sentence back.

    >>> words = Words.learn(["to be, or not to be"], "words")
    >>> words.split("to be, or"), words.text(words.encode("not to be"))
    ([' to', ' be', ',', ' or'], 'not to be')
    """

    @classmethod
    def learn(cls, texts: Iterable[str], kind: str, most: int | None = None) -> "Words":
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(_cut(text))
        ranked = sorted(counts, key=lambda token: (-counts[token], token))
        return cls(kind, [UNKNOWN, *[t for t in ranked if t != UNKNOWN][: None if most is None else most - 1]])

    def split(self, text: str) -> list[str]:
        return _cut(text)

    def text(self, indices: Any) -> str:
        return super().text(indices).removeprefix(" ")


Tokens = Subwords | Words | Vocabulary


def learn(texts: list[str], kind: Kind, most: int | None) -> Tokens:
    """The tokens of `texts`, at most `most`."""
    if kind == "subwords":
        return Subwords.learn(texts, most or 8000)
    return Words.learn(texts, kind, most) if kind == "words" else Vocabulary.learn(texts, kind, most)


def state(tokens: Tokens) -> dict[str, Any]:
    """What was learned, as JSON."""
    return tokens.state() if isinstance(tokens, Subwords) else {"kind": tokens.kind, "tokens": tokens.tokens}


def restore(kind: str, tokens: list[str] | None = None, model: str | None = None) -> Tokens:
    """The inverse of `state`. Raises ValueError where it is none."""
    if (model is None) == (tokens is None) or (model is None) == (kind == "subwords"):
        raise ValueError("tokens for words and characters, a model for subwords")
    if model is not None:
        return Subwords(base64.b64decode(model, validate=True))
    return (Words if kind == "words" else Vocabulary)(kind, tokens or [])


def _cut(text: str) -> list[str]:
    return _WORD.findall(f" {text.strip()}")
