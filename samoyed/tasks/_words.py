"""Windows of a text of numbers, and what people ask of words. Legend: N words and ends of sentences, B windows, W half a window."""

from collections.abc import Sequence

import torch
from torch import Tensor

from samoyed import batching
from samoyed.errors import DataError, UsageError, nearest, shown
from samoyed.features.corpus import END

ANALOGY = "::"
_MEASURED = 20_000  # windows of a split that are measured
_SUGGESTED = 20_000  # words among which the nearest are looked for


class Known:
    """The words that have vectors, and how often each was there, the commonest first."""

    def __init__(self, words: list[str], counts: list[int], lowercase: bool) -> None:
        self.words, self.counts, self.lowercase = words, counts, lowercase
        self.index = {word: i for i, word in enumerate(words)}

    def find(self, word: str) -> int | None:
        """The number of a word, or of a phrase with blanks; None if it has no vector."""
        small = word.lower() if self.lowercase else word
        return next((self.index[form] for form in (word, small, small.replace(" ", "_")) if form in self.index), None)

    def row(self, word: str) -> int:
        """The number of a word. Raises DataError with the nearest words."""
        found = self.find(word)
        if found is None:
            suggested = nearest(word, self.words[:_SUGGESTED])
            remedy = suggested if suggested.startswith("did") else "it was too rare in the text, or never there"
            raise DataError(f"{shown(word)!r} has no vector", remedy=remedy)
        return found


def measured(tokens: Tensor, window: int, counts: Sequence[int], negatives: int) -> tuple[Tensor, Tensor]:
    """Windows evenly from the whole text, with the noise words they are measured by: [B, 2 W + 1] and [B, K]."""
    found = windows_of(tokens, window, _MEASURED)
    weights = torch.tensor(counts, dtype=torch.float64) ** 0.75
    noise = torch.multinomial(weights, len(found) * negatives, True, generator=batching.generator(0))
    return found, noise.view(len(found), negatives).to(found.device)


def windows_of(tokens: Tensor, window: int, most: int) -> Tensor:
    """tokens [N] -> windows [B, 2 W + 1] of up to `most` words that have a neighbour, evenly from the whole text; END where the
    sentence has ended."""
    chosen = torch.linspace(0, len(tokens) - 1, min(len(tokens), 2 * most), dtype=torch.float64).long()
    near = chosen[:, None] + torch.arange(-window, window + 1)
    inside = (near >= 0) & (near < len(tokens))
    found = torch.where(inside, tokens[near.clamp(0, len(tokens) - 1).to(tokens.device)].cpu(), END)
    there = found >= 0  # and nothing ended between there and the middle
    there[:, window:] = there[:, window:].long().cummin(1).values > 0
    there[:, : window + 1] = there[:, : window + 1].flip(1).long().cummin(1).values.flip(1) > 0
    rows = torch.where(there, found, END)[there.sum(1) > 1]
    some = torch.linspace(0, max(0, len(rows) - 1), min(len(rows), most), dtype=torch.float64).long()
    return rows[some].to(tokens.device)


def analogy_of(text: str) -> list[str]:
    """The three words of "man : king :: woman". Raises UsageError for anything else."""
    words = [word.strip() for half in text.split(ANALOGY) for word in half.split(":")]
    if len(words) != 3 or not all(words):
        raise UsageError(f"{shown(text)!r} is no analogy", remedy="write it as man : king :: woman")
    return words
