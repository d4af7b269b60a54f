"""The steps of kernels.c in PyTorch, in any precision and on any device, from the same draws.

One group of steps after another, its steps from the values before it, these are the kernels' equations; it is what tests hold
the kernels against. Many groups at once, so that a device has something to do, steps are sums over windows that do not see one
another, which learns nearly as well.

Legend: N tokens, M words that are kept, P steps, W window, T targets of a step, K noise words, D numbers of a vector.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from samoyed.layers.words.tables import CERTAIN, Noise, Tree

BLOCK = 8  # windows of CBOW that share their noise
_GOLDEN = 0x9E3779B97F4A7C15 - 2**64


class Rules(NamedTuple):
    """How is learned: what skip_gram.py and cbow.py state, and the tables. `tree` None stands for negative sampling."""

    window: int
    negatives: int
    cbow: bool
    shared: bool
    corrected: bool
    keep: Tensor
    noise: Noise
    tree: Tree | None


class Steps(NamedTuple):
    """inputs int64 [P, C] of words, used [P, C] which of them are some; targets int64 and signs [P, T]; group int64 [P]."""

    inputs: Tensor
    used: Tensor
    targets: Tensor
    signs: Tensor
    group: Tensor


def shift(z: Tensor, by: int) -> Tensor:
    """The bits of int64 moved to the right, zeros following."""
    return (z >> by) & ((1 << (64 - by)) - 1)


def mixed(z: Tensor) -> Tensor:
    """SplitMix64's last part (Steele, Lea & Flood 2014), on int64 that wrap around."""
    z = (z ^ shift(z, 30)) * (0xBF58476D1CE4E5B9 - 2**64)
    z = (z ^ shift(z, 27)) * (0x94D049BB133111EB - 2**64)
    return z ^ shift(z, 31)


def draw(base: Tensor, index: Tensor | int) -> Tensor:
    """The draw number `index` at words whose draws begin at `base`."""
    return mixed(base + (torch.as_tensor(index, device=base.device) + 1) * _GOLDEN)


def noise_words(table: Noise, drawn: Tensor) -> Tensor:
    """64 random bits each -> words."""
    at = shift(shift(drawn, 32) * len(table.other), 32)
    return torch.where((drawn & CERTAIN) < table.chance[at], at, table.other[at])


def steps(rules: Rules, tokens: Tensor, position: int, seed: int) -> tuple[Steps, int]:
    """Every step of a part of a text, tokens [N] from `position` on, in the kernels' order; and how many words were kept."""
    bases = mixed(seed + (position + torch.arange(len(tokens), device=tokens.device)) * (0xD1342543DE82EF95 - 2**64))
    sentences = (tokens < 0).cumsum(0)
    words = tokens.clamp(min=0).long()
    limit = rules.keep[words]
    kept = (tokens >= 0) & ((limit == CERTAIN) | (shift(draw(bases, 0), 32) < limit))
    words, bases, sentences = words[kept], bases[kept], sentences[kept]
    here = torch.arange(len(words), device=tokens.device)
    reach = 1 + shift(shift(draw(bases, 1), 32) * rules.window, 32)
    offsets = torch.arange(-rules.window, rules.window + 1, device=tokens.device)
    offsets = offsets[offsets != 0]
    near = here[:, None] + offsets  # [M, 2 W]
    inside = (near >= 0) & (near < len(words)) & (offsets.abs() <= reach[:, None])
    near = near.clamp(0, max(0, len(words) - 1))
    inside &= sentences[near] == sentences[:, None] if len(words) else inside
    if rules.cbow:
        middle = inside.any(1).nonzero()[:, 0]
        inputs, used = words[near[middle]], inside[middle]
        drawn_at = middle
        number = torch.zeros_like(middle)
        begin = torch.searchsorted(sentences, sentences)  # where each word's sentence begins
        group = begin + (here - begin) // BLOCK * BLOCK if rules.shared else here
        group = group[middle]
        drawn_at = group
    else:
        middle, column = inside.nonzero(as_tuple=True)
        inputs, used = words[near[middle, column]][:, None], torch.ones_like(middle, dtype=torch.bool)[:, None]
        drawn_at = middle
        number = torch.zeros_like(middle) if rules.shared else (inside.cumsum(1) - 1)[middle, column]
        group = middle if rules.shared else torch.arange(len(middle), device=tokens.device)
    targets, signs = aims(rules, words[middle], bases[drawn_at], number)
    return Steps(inputs, used, targets, signs, group), len(words)


def aims(rules: Rules, predicted: Tensor, base: Tensor, number: Tensor) -> tuple[Tensor, Tensor]:
    """predicted [P] -> targets int64 [P, T] and signs [P, T], 0 where there is none: a path, or the word and its noise."""
    if rules.tree is not None:
        return along(rules.tree, predicted)
    index = 2 + number[:, None] * rules.negatives + torch.arange(rules.negatives, device=predicted.device)
    others = noise_words(rules.noise, draw(base[:, None], index))
    targets = torch.cat([predicted[:, None], others], 1)
    signs = torch.where(targets == predicted[:, None], 0.0, -1.0)
    signs[:, 0] = 1.0
    return targets, signs


def along(tree: Tree, words: Tensor) -> tuple[Tensor, Tensor]:
    """words [...] -> the nodes of their paths, int64 [..., T], and signs [..., T], 0 after their ends."""
    begin, lengths = tree.first[words], tree.first[words + 1] - tree.first[words]
    steps = torch.arange(int(lengths.max()) if lengths.numel() else 0, device=words.device)
    inside = steps < lengths[..., None]
    at = torch.where(inside, begin[..., None] + steps, 0)
    return tree.nodes[at], torch.where(inside, tree.signs[at], 0.0)


def learn(
    rules: Rules, into: Tensor, output: Tensor, tokens: Tensor, position: int, seed: int, rate: float, groups: int = 1
) -> tuple[float, int, int]:
    """Takes every step, `groups` at once, changing into [V, D] and output [V, D] in place.

    Returns the sum of the losses before their steps, the number of steps, and of words that were kept.
    """
    todo, kept = steps(rules, tokens, position, seed)
    loss = 0.0
    for begin, end in _parts(todo.group, groups):
        inputs, used, targets = todo.inputs[begin:end], todo.used[begin:end], todo.targets[begin:end]
        signs = todo.signs[begin:end].to(into)
        share = used.to(into) / used.sum(1, keepdim=True)
        x = (into[inputs] * share[..., None]).sum(1)
        rows = output[targets]
        sure = F.logsigmoid(signs * (rows @ x[:, :, None])[..., 0])
        loss -= float(torch.where(signs != 0, sure, 0).sum())
        gain = rate * signs * (1 - sure.exp())
        back = (gain[..., None] * rows).sum(1)
        output.index_add_(0, targets.flatten(), (gain[..., None] * x[:, None]).flatten(0, 1))
        weight = share if rules.corrected else used.to(into)
        into.index_add_(0, inputs.flatten(), (weight[..., None] * back[:, None]).flatten(0, 1))
    return loss, len(todo.group), kept


def _parts(group: Tensor, groups: int) -> Iterator[tuple[int, int]]:
    """Where runs of so many groups begin and end."""
    if not len(group):
        return
    changes = (group[1:] != group[:-1]).nonzero()[:, 0] + 1
    bounds = [0, *changes.tolist()[groups - 1 :: groups], len(group)]
    yield from ((a, b) for a, b in itertools.pairwise(bounds) if b > a)
