"""Counts of words -> the tables that learning draws from: chances to be kept, noise words, a Huffman tree. Legend: V words."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

CERTAIN = 2**32 - 1


class Noise(NamedTuple):
    """Vose's alias table (1991) of a distribution over V words: take the word i drawn evenly if a number below 2^32 is below
    chance[i], else other[i]; both int64 [V]."""

    chance: Tensor
    other: Tensor


class Tree(NamedTuple):
    """A Huffman tree over V words. The path of word w from the root is nodes[first[w] : first[w + 1]], the signs of its turns
    beside it, +1 or -1: p(w | x) = prod sigma(sign x . o_node). first int64 [V + 1], nodes int64 and signs float32 [all paths]."""

    first: Tensor
    nodes: Tensor
    signs: Tensor


def keep(counts: Sequence[int], subsample: float) -> Tensor:
    """The chance that a word is kept, in 2^-32, int64 [V]: sqrt(t / f) + t / f of a word with the share f (word2vec.c, which
    differs from the formula in Mikolov 2013); certain for all where t is 0."""
    share = torch.tensor(counts, dtype=torch.float64) / max(1, sum(counts))
    if subsample == 0:
        return torch.full_like(share, CERTAIN, dtype=torch.int64)
    ratio = subsample / share.clamp(min=1e-300)
    return ((ratio.sqrt() + ratio).clamp(max=1.0) * CERTAIN).long()


def noise(counts: Sequence[int], power: float = 0.75) -> Noise:
    """The alias table of p(w) ~ counts ** power."""
    weights = [count**power for count in counts]
    scale = len(weights) / math.fsum(weights)
    scaled = [weight * scale for weight in weights]
    other = list(range(len(weights)))
    small = [i for i, weight in enumerate(scaled) if weight < 1]
    large = [i for i, weight in enumerate(scaled) if weight >= 1]
    while small and large:
        low, high = small.pop(), large[-1]
        other[low] = high
        scaled[high] -= 1 - scaled[low]
        if scaled[high] < 1:
            small.append(large.pop())
    chance = (torch.tensor(scaled, dtype=torch.float64).clamp(max=1.0) * 2**32).long().clamp(max=CERTAIN)
    return Noise(chance, torch.tensor(other))


def tree(counts: Sequence[int]) -> Tree:
    """The Huffman tree of `counts`, the commonest first, built from both ends in linear time as word2vec.c does."""
    size = len(counts)
    weight = [*counts, *[0] * max(0, size - 1)]
    parent, turn = [0] * len(weight), [False] * len(weight)
    leaf, inner = size - 1, size  # the next leaf and the next inner node, both from the lightest on
    for made in range(size, len(weight)):
        for right in (False, True):
            if leaf >= 0 and (inner >= made or weight[leaf] <= weight[inner]):
                taken, leaf = leaf, leaf - 1
            else:
                taken, inner = inner, inner + 1
            weight[made] += weight[taken]
            parent[taken], turn[taken] = made, right
    root, first = len(weight) - 1, [0]
    nodes: list[int] = []
    signs: list[float] = []
    for word in range(size):
        path, at = [], word
        while at != root:
            path.append((parent[at] - size, -1.0 if turn[at] else 1.0))
            at = parent[at]
        for node, sign in reversed(path):
            nodes.append(node)
            signs.append(sign)
        first.append(len(nodes))
    return Tree(torch.tensor(first), torch.tensor(nodes, dtype=torch.int64), torch.tensor(signs))
