"""N-grams beside every language model: what counting alone makes of the same text."""

import math

from torch import Tensor

from samoyed.layers.kneser_ney import Counts
from samoyed.layers.ngrams import Ngrams

MOST_TOKENS = 3_000_000  # of the training text that are counted, which take a few seconds
_ORDERS = 8


def bits_by_order(train: Tensor, test: Tensor, letters: Tensor) -> list[float]:
    """train int64 [N], test int64 [M], letters float32 [V], how many characters each token stands for -> bits per character of
    the test text by n-grams of 1, 2, ... tokens, smoothed by interpolated modified Kneser-Ney."""
    ngrams, counts = Ngrams(len(letters)), Counts(train[-MOST_TOKENS:], len(letters))
    test = test[:MOST_TOKENS]
    characters = float(letters[test[1:]].double().sum())
    found: list[float] = []
    while len(found) < min(_ORDERS, len(train)):
        ngrams.keep(counts.smoothed(len(found) + 1), len(found) + 1)
        nats = -float(ngrams.score(test[None, :-1], test[None, 1:])[0].double().sum())
        found.append(nats / math.log(2) / max(characters, 1.0))
    return found
