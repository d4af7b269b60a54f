"""Interpolated modified Kneser-Ney smoothing of all n-grams of a text at once (Chen & Goodman 1999, sections 2.7 and 3.1).

p(w | h) = (c(h w) - D(c(h w))) / c(h .) + g(h) p(w | h'), h' being h without its first token, and
g(h) = sum_w D(c(h w)) / c(h .). Below the highest order c counts how many different tokens precede what it counts, and for what
begins the text how often it occurs. With n_k n-grams of an order that have count k, and Y = n_1 / (n_1 + 2 n_2), the discounts
D(k) = k - (k + 1) Y n_{k+1} / n_k are for counts of 1, 2, and 3 or more. Under p of one token lies the uniform distribution.

The text begins with a symbol of its own, which is never predicted. Where n_1, n_2 or n_3 of an order is 0, or a D(k) is not
between 0 and k, that order takes 0.5, 1 and 1.5, as KenLM does when it is told to fall back.

All n-grams are nodes of one tree in which a node's parent is its n-gram without the last token; the root is the empty n-gram.
Node i + 1 has the key parent (V + 1) + token at place i of `keys`. Orders lie one after the other and keys rise throughout, so
that one binary search finds any node. Legend: M n-grams, N tokens, V vocabulary.
"""

from typing import NamedTuple

import torch
from torch import Tensor

FALLBACK = (0.0, 0.5, 1.0, 1.5)


class Tree(NamedTuple):
    """The smoothed n-grams; all that is needed to answer for any text.

    keys int64 [M]; probs float64 [M], p of each n-gram's last token after the others; backoffs float64 [M + 1], g of each node as
    a context; likeliest int64 [M + 1], the token that has the highest p after it.
    """

    keys: Tensor
    probs: Tensor
    backoffs: Tensor
    likeliest: Tensor


class Order(NamedTuple):
    """The n-grams of one length: context and suffix [M] are places in the order below, of all but the last token and of all but
    the first; token [M] the last; count [M] occurrences; first the place of the n-gram that begins the text."""

    context: Tensor
    suffix: Tensor
    token: Tensor
    count: Tensor  # type: ignore[assignment]
    first: int


class Counts:
    """The n-grams of tokens int64 [N], each from 0 to vocab_size - 1, one order after the other."""

    def __init__(self, tokens: Tensor, vocab_size: int) -> None:
        self.vocab_size, self.orders = vocab_size, list[Order]()
        self._stream = torch.cat([torch.tensor([vocab_size]), tokens.cpu().long()])
        self._places = self._stream  # of the n-gram that ends at each position
        alone = torch.zeros(vocab_size + 1, dtype=torch.int64)
        count = self._stream.bincount(minlength=vocab_size + 1)
        self.orders.append(Order(alone, alone, torch.arange(vocab_size + 1), count, vocab_size))

    def extend(self) -> None:
        """Counts the next order."""
        length = len(self.orders) + 1
        before, base = self._places, self.vocab_size + 1
        keys, places, count = torch.unique(
            before[:-1] * base + self._stream[length - 1 :], return_inverse=True, return_counts=True
        )
        suffix = torch.empty_like(keys)
        suffix[places] = before[1:]
        first = int(places[0]) if len(places) else -1
        self.orders.append(Order(keys // base, suffix, keys % base, count, first))
        self._places = places

    def smoothed(self, order: int) -> Tree:
        """The tree of n-grams of up to `order` tokens."""
        while len(self.orders) < order:
            self.extend()
        levels = self.orders[:order]
        keys, probs, backoffs = [], [], []
        below, start = torch.full((1,), 1 / self.vocab_size, dtype=torch.float64), 0
        for number, level in enumerate(levels):
            count = level.count.clone() if number == order - 1 else self._preceded(number)
            if number == 0:
                count[self.vocab_size] = 0  # the beginning is never predicted
            contexts = len(below)
            discount = torch.tensor(discounts(count), dtype=torch.float64)[count.clamp(max=3)]
            total = _sums(level.context, count.double(), contexts)
            backoff = torch.where(total > 0, _sums(level.context, discount, contexts) / total.clamp(min=1e-300), 1.0)
            prob = (count - discount) / total[level.context].clamp(min=1e-300) + backoff[level.context] * below[
                level.suffix
            ]
            if number == 0:
                prob[self.vocab_size] = 0.0
            keys.append((start + level.context) * (self.vocab_size + 1) + level.token)
            probs.append(prob)
            backoffs.append(backoff)
            start, below = start + contexts, prob
        backoffs.append(torch.ones(len(below), dtype=torch.float64))
        likeliest = self._likeliest(levels, probs, backoffs)
        return Tree(torch.cat(keys), torch.cat(probs), torch.cat(backoffs), torch.cat(likeliest))

    def _preceded(self, number: int) -> Tensor:
        """How many different tokens precede each n-gram of an order; of what begins the text, its occurrences."""
        if len(self.orders) == number + 1:
            self.extend()
        count = self.orders[number + 1].suffix.bincount(minlength=len(self.orders[number].token))
        if self.orders[number].first >= 0:
            count[self.orders[number].first] = 1
        return count

    def _likeliest(self, levels: list[Order], probs: list[Tensor], backoffs: list[Tensor]) -> list[Tensor]:
        """For the root, and for each n-gram of each order: the likeliest token after it is the likeliest of those that were seen
        there, or else that of the shorter context."""
        best, value = torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.float64)
        found = []
        for number, level in enumerate(levels):
            best, value = _likelier(level, probs[number], best, value)
            found.append(best)
            deeper = backoffs[number + 1]
            best, value = best[level.suffix], deeper * value[level.suffix]
        return [*found, best]


def discounts(counts: Tensor) -> tuple[float, float, float, float]:
    """D(0) = 0, D(1), D(2) and D(3) of an order's counts int64 [M]."""
    n = [int((counts == k).sum()) for k in range(5)]
    if 0 in n[1:4]:
        return FALLBACK
    y = n[1] / (n[1] + 2 * n[2])
    found = [k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)]
    return (0.0, found[0], found[1], found[2]) if all(0 <= d <= k for k, d in enumerate(found, 1)) else FALLBACK


def _likelier(level: Order, probs: Tensor, best: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """best int64 and its p per context of this order, where what was seen after the context is likelier."""
    highest = value.scatter_reduce(0, level.context, probs, "amax")
    top = probs == highest[level.context]
    first = torch.full_like(best, 2**62).scatter_reduce(0, level.context[top], level.token[top], "amin")
    return torch.where(highest > value, first, best), highest


def _sums(places: Tensor, values: Tensor, size: int) -> Tensor:
    return torch.zeros(size, dtype=torch.float64).index_add_(0, places, values)
