"""Words or characters of a text as integers, for tasks that read texts and do not write them. Legend: T time."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby, islice

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
_CHARACTER = re.compile(r"\S|\s+")


class Lexicon:
    """The tokens of training texts, the most frequent first; index 0 stands for every token outside it.

    Words are runs of letters and digits, and single marks; white space parts them and is no token. Characters are Unicode code
    points, white space of any length being one space. With `lower` capitals are small letters.

    >>> lexicon = Lexicon.learn([["to", "be", "or", "not", "to", "be"]], "words", True)
    >>> lexicon.encode(lexicon.split("Be bold"))
    [1, 0]
    """

    def __init__(self, kind: str, lower: bool, tokens: list[str]) -> None:
        self.kind, self.lower, self.tokens = kind, lower, tokens
        self.index = {token: i for i, token in enumerate(tokens)}

    @classmethod
    def learn(
        cls, texts: Iterable[Sequence[str]], kind: str, lower: bool, most: int | None = None, least: int = 1
    ) -> "Lexicon":
        """The lexicon of tokenised `texts`: at most `most` tokens, each there `least` times; ties are settled by code point."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(map(str.lower, text) if lower else text)
        kept = sorted((t for t in counts if counts[t] >= least and t != UNKNOWN), key=lambda t: (-counts[t], t))
        return cls(kind, lower, [UNKNOWN, *kept[: None if most is None else most - 1]])

    def __len__(self) -> int:
        return len(self.tokens)

    def split(self, text: str, most: int | None = None) -> list[str]:
        """The first `most` tokens of a text as it is written, known or not."""
        return split(text, self.kind, most)

    def encode(self, tokens: Sequence[str]) -> list[int]:
        """Tokens -> their indices."""
        get = self.index.get
        return [get(token.lower() if self.lower else token, 0) for token in tokens]


def shape(word: str) -> str:
    """What a word looks like, as a token that no text holds: capitals X, small letters x, digits 0, runs written once, other marks
    as they are, and its last letter, which in many languages tells its kind (compare Collobert 2011, section 6.1).

    >>> shape("ConfigParser"), shape("max_length"), shape("3"), shape("running")
    ('\ufffdXxXx-r', '\ufffdx_x-h', '\ufffd0', '\ufffdx-g')
    """
    kinds = ("X" if c.isupper() else "x" if c.isalpha() else "0" if c.isdigit() else c for c in word[:40])
    runs = "".join(kind for kind, _ in groupby(kinds))[:12]
    return f"{UNKNOWN}{runs}" + (f"-{word[-1].lower()}" if word[-1:].isalpha() else "")


def split(text: str, kind: str, most: int | None = None) -> list[str]:
    """The first `most` words or characters of a text; no more of it is looked at.

    >>> split("It's a  fine film!", "words", 3), split("a  b", "characters")
    (["It's", 'a', 'fine'], ['a', ' ', 'b'])
    """
    found = (_WORD if kind == "words" else _CHARACTER).finditer(text)
    return [" " if m[0].isspace() else m[0] for m in islice(found, most)]
