"""Text -> tokens -> integers, and back. Legend: T time."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]|\n+|[^\S\n]+")


class Vocabulary:
    """The tokens of a training text, the most frequent first; index 0 stands for every token outside it.

    Characters are Unicode code points. Words are runs of letters and digits, single marks, line breaks, and other white space
    as it stands, so that joining tokens gives the text back exactly.

    >>> v = Vocabulary.learn(["to be or not to be"], "words")
    >>> v.text(v.encode("to be"))
    'to be'
    """

    def __init__(self, kind: str, tokens: list[str]) -> None:
        self.kind, self.tokens = kind, tokens
        self.index = {token: i for i, token in enumerate(tokens)}

    @classmethod
    def learn(cls, texts: Iterable[str], kind: str, most: int | None = None) -> "Vocabulary":
        """The vocabulary of `texts`, of at most `most` tokens; ties in frequency are settled by code point."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(text if kind == "characters" else _WORD.findall(text))
        ranked = sorted(counts, key=lambda token: (-counts[token], token))
        return cls(kind, [UNKNOWN, *[t for t in ranked if t != UNKNOWN][: None if most is None else most - 1]])

    def state(self) -> dict[str, object]:
        """The vocabulary as JSON."""
        return {"kind": self.kind, "tokens": self.tokens}

    def lengths(self) -> Tensor:
        """How many characters each token stands for, float32 [V]; what is unknown counts as one."""
        return torch.tensor([float(len(token)) for token in self.tokens])

    def __len__(self) -> int:
        return len(self.tokens)

    def split(self, text: str) -> list[str]:
        """The tokens of a text, known or not."""
        return list(text) if self.kind == "characters" else _WORD.findall(text)

    def encode(self, text: str) -> Tensor:
        """text -> int64 [T]."""
        get = self.index.get
        return torch.tensor([get(token, 0) for token in self.split(text)], dtype=torch.int64)

    def text(self, indices: Tensor) -> str:
        """int64 [T] -> text."""
        return "".join(self.tokens[i] for i in indices.tolist())

    def pieces(self, indices: Iterable[int]) -> Iterator[str]:
        """Tokens, as they come -> their texts, which joined are `text` of all."""
        return (self.tokens[i] for i in indices)
