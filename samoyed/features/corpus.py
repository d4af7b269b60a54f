"""A text of any size as numbers of its words, line by line, without ever being in memory as text.

Words are runs of letters and digits, with apostrophes inside; marks are left out. A line is a sentence, and one of more than
1,000 words is cut. Legend: N words and ends of sentences, V different words.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from samoyed.spool import Growing

END = -1
SENTENCE = 1000
_WORD = re.compile(r"\w+(?:['’]\w+)*|\n")
_BLOCK = 2**22  # numbers that are handled at a time
_DISCOUNT = 5.0  # what word2phrase takes from a pair's count, so that rare pairs are no phrases


class _Lexicon(dict[str, int]):
    """Words and their numbers, in the order in which they are first asked for."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self) - 1
        return number


@dataclass(frozen=True)
class Corpus:
    """`ids` int32 [N], numbers in `words`, END after each sentence."""

    ids: NDArray[np.int32]
    words: Sequence[str]
    origin: str

    @classmethod
    def read(cls, texts: Iterable[tuple[str, str]], lowercase: bool) -> "Corpus":
        """From pieces of text, each with its origin; a piece ends at the end of a line. Only numbers are kept."""
        lexicon = _Lexicon({"\n": END})
        kept, origin = Growing(np.int32), ""
        for text, where in texts:
            origin = origin or where
            found = _WORD.findall(text.lower() if lowercase else text)
            found.append("\n")
            kept.append(_cut(np.fromiter(map(lexicon.__getitem__, found), np.int32, len(found))))
        del lexicon["\n"]
        return cls(kept.array(), list(lexicon), origin)

    def __len__(self) -> int:
        """How many words there are."""
        return sum(int((block >= 0).sum()) for block in self.blocks())

    def blocks(self) -> Iterator[NDArray[np.int32]]:
        """The numbers, some at a time."""
        yield from (self.ids[at : at + _BLOCK] for at in range(0, len(self.ids), _BLOCK))

    def part(self, begin: float, end: float) -> "Corpus":
        """The share of it from `begin` to `end`, moved to ends of sentences."""
        return replace(self, ids=self.ids[self._end_near(begin) : self._end_near(end)])

    def counts(self) -> NDArray[np.int64]:
        """How often each word is there, [V]."""
        total = np.zeros(len(self.words), np.int64)
        for block in self.blocks():
            total += np.bincount(block[block >= 0], minlength=len(self.words))
        return total

    def numbered(self, index: dict[str, int]) -> NDArray[np.int32]:
        """The numbers that `index` gives the words, END after sentences; words that it lacks are left out."""
        table: NDArray[np.int32] = np.array(
            [*(index.get(word, -2) for word in self.words), END], np.int32
        )  # table[-1] is END's own
        kept = Growing(np.int32)
        for block in self.blocks():
            numbers = table[block]
            kept.append(numbers[numbers != -2])
        return kept.array()

    def phrases(self, threshold: float) -> list[tuple[str, str]]:
        """Pairs of words that stand together far more often than by chance: (count(ab) - 5) / (count(a) count(b)) times the number
        of words is above `threshold` (Mikolov 2013, word2phrase.c)."""
        size, counts = len(self.words), self.counts()
        codes, often = np.zeros(0, np.int64), np.zeros(0, np.int64)
        for block in self.blocks():
            first, second = block[:-1].astype(np.int64), block[1:].astype(np.int64)
            beside = (first >= 0) & (second >= 0)
            new, times = np.unique(first[beside] * size + second[beside], return_counts=True)
            codes, where = np.unique(np.concatenate([codes, new]), return_inverse=True)
            often = np.bincount(where, np.concatenate([often, times])).astype(np.int64)
        first, second = np.divmod(codes, max(1, size))
        score = (often - _DISCOUNT) / np.maximum(counts[first] * counts[second], 1) * counts.sum()
        chosen = np.flatnonzero(score > threshold)
        return [(self.words[first[i]], self.words[second[i]]) for i in chosen]

    def joined(self, pairs: Iterable[tuple[str, str]]) -> "Corpus":
        """Each of the pairs, from the left on, as one word with `_` between."""
        index = {word: i for i, word in enumerate(self.words)}
        size = len(index)
        known = {index[a] * size + index[b]: f"{a}_{b}" for a, b in pairs if a in index and b in index}
        words = [*self.words, *known.values()]
        codes = np.array(sorted(known), np.int64)
        number = {code: size + i for i, code in enumerate(known)}
        numbers = np.array([number[code] for code in codes.tolist()], np.int32)
        kept = Growing(np.int32)
        for block in self.blocks():
            kept.append(_joined(block, codes, numbers, size) if len(codes) else block)
        return replace(self, ids=kept.array(), words=words)

    def _end_near(self, share: float) -> int:
        """Where the first sentence at or after this share of the numbers begins."""
        at = round(share * len(self.ids))
        if at in (0, len(self.ids)):
            return at
        ends = np.flatnonzero(self.ids[at - 1 : at + SENTENCE + 1] < 0)
        return at + int(ends[0]) if len(ends) else len(self.ids)


def _cut(ids: NDArray[np.int32]) -> NDArray[np.int32]:
    """No two ends beside each other, none at the beginning, and one after every 1,000 words of a longer sentence."""
    ends = ids < 0
    ids = ids[~(ends & np.concatenate([[True], ends[:-1]]))]
    at = np.arange(len(ids))
    begin = np.maximum.accumulate(np.where(ids < 0, at + 1, 0))
    along = at - np.concatenate([[0], begin[:-1]])
    return np.insert(ids, np.flatnonzero((along > 0) & (along % SENTENCE == 0) & (ids >= 0)), END)


def _joined(
    block: NDArray[np.int32], codes: NDArray[np.int64], numbers: NDArray[np.int32], size: int
) -> NDArray[np.int32]:
    first, second = block[:-1].astype(np.int64), block[1:].astype(np.int64)
    code = np.where((first >= 0) & (second >= 0), first * size + second, -1)
    at = np.minimum(np.searchsorted(codes, code), len(codes) - 1)
    is_pair = codes[at] == code
    place = np.arange(len(code))
    run = place - np.maximum.accumulate(np.where(is_pair, -1, place))  # 1, 2, 3 ... along neighbouring pairs
    taken = is_pair & (run % 2 == 1)
    made = block.copy()
    made[:-1][taken] = numbers[at[taken]]
    gone = np.concatenate([[False], taken])
    kept: NDArray[np.int32] = made[~gone]
    return kept
