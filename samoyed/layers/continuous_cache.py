"""A continuous cache: what followed hidden states like this one, not long ago (Grave, Joulin & Usunier 2017).

p_cache(w | h_t) = sum_{i < t} 1[w = x_{i+1}] exp(theta h_t h_i) / sum_{i < t} exp(theta h_t h_i), over the last `size` pairs of a
hidden state and the token after it; p(w) = (1 - share) p_model(w) + share p_cache(w). Nothing of it is learned by gradients.
Without any pair p_cache is p_model. Legend: B batch, T time, H hidden, C pairs remembered, V vocabulary.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

_MOST_NUMBERS = 2**26  # of a distribution over tokens that are held at once


class Memory(NamedTuple):
    """The pairs: hidden [C, B, H] and following int64 [C, B], the token after each."""

    hidden: Tensor
    following: Tensor


def empty(hidden: Tensor) -> Memory:
    """No pairs, for hidden states [B, T, H]."""
    return Memory(
        hidden.new_zeros(0, len(hidden), hidden.shape[2]),
        torch.zeros(0, len(hidden), dtype=torch.int64, device=hidden.device),
    )


def extended(memory: Memory, hidden: Tensor, following: Tensor) -> Memory:
    """The pairs before and those of this chunk: hidden [B, T, H], following [B, T]."""
    return Memory(
        torch.cat([memory.hidden, hidden.transpose(0, 1)]), torch.cat([memory.following, following.transpose(0, 1)])
    )


def cut(memory: Memory, size: int) -> Memory:
    """The last `size` pairs."""
    return Memory(*(part[max(0, len(part) - size) :] for part in memory))


def weights(memory: Memory, hidden: Tensor, theta: float, size: int) -> Tensor:
    """memory that ends with the pairs of this chunk, hidden [B, T, H] -> the weight of every pair at every place [B, T, C],
    0 for those that are not before it or more than `size` back; each row sums to 1, or to 0 where there is no pair."""
    steps, many = hidden.shape[1], len(memory.hidden)
    place = torch.arange(many - steps, many, device=hidden.device)[:, None]
    pair = torch.arange(many, device=hidden.device)
    seen = (pair < place) & (pair >= place - size)
    likeness = theta * torch.einsum("bth,cbh->btc", hidden, memory.hidden)
    return likeness.masked_fill(~seen, -torch.inf).softmax(-1).nan_to_num(0.0)


def mixed(probs: Tensor, memory: Memory, weight: Tensor, share: float) -> Tensor:
    """probs [B, T, V] of the model, weight [B, T, C] -> probs [B, T, V] with the cache's share."""
    share_here = share * weight.sum(-1, keepdim=True)  # nothing where there is no pair
    following = memory.following.transpose(0, 1)[:, None].expand_as(weight)
    return ((1 - share_here) * probs).scatter_add(-1, following, share * weight)


class Cached(nn.Module):
    """A recurrent language model that remembers the last `size` tokens when it is measured.

    The model gives `hidden(tokens, state) -> (h [B, T, H], state)` and `read_out(h) -> logits [B, T, V]`.
    """

    def __init__(self, model: Any, size: int, share: float, theta: float) -> None:
        super().__init__()
        self.model, self.size, self.share, self.theta = model, size, share, theta

    def score(self, tokens: Tensor, targets: Tensor, state: Any = None) -> tuple[Tensor, Tensor, Any]:
        """tokens, targets int64 [B, T], state as returned before or None -> (log-probability of each target [B, T], the likeliest
        token at each place int64 [B, T], state)."""
        hidden, memory, state = self._follow(tokens, targets, state)
        weight = weights(memory, hidden, self.theta, self.size)
        found, best = [], []
        for part in self._parts(tokens):
            mine = self.model.read_out(hidden[:, part]).float().softmax(-1)
            probs = mixed(mine, memory, weight[:, part], self.share)
            found.append(probs.gather(-1, targets[:, part, None])[..., 0].log())
            best.append(probs.argmax(-1))
        return torch.cat(found, 1), torch.cat(best, 1), (state, cut(memory, self.size))

    def chances(self, tokens: Tensor, targets: Tensor, state: Any) -> tuple[Tensor, Tensor, Any]:
        """As `score`, but p_model and p_cache of each target [B, T] by themselves, from which the share can be chosen."""
        hidden, memory, state = self._follow(tokens, targets, state)
        weight = weights(memory, hidden, self.theta, self.size)
        same = memory.following.transpose(0, 1)[:, None] == targets[..., None]
        found = []
        for part in self._parts(tokens):
            mine = self.model.read_out(hidden[:, part]).float().softmax(-1)
            found.append(mine.gather(-1, targets[:, part, None])[..., 0])
        plain = torch.cat(found, 1)
        remembered = torch.where(weight.sum(-1) > 0, (weight * same).sum(-1), plain)
        return plain, remembered, (state, cut(memory, self.size))

    def _parts(self, tokens: Tensor) -> Iterator[slice]:
        """The steps of tokens [B, T], as many at a time as leave room for distributions over the vocabulary."""
        steps = max(1, _MOST_NUMBERS // (len(tokens) * self.model.embedding.num_embeddings))
        return (slice(begin, begin + steps) for begin in range(0, tokens.shape[1], steps))

    def _follow(self, tokens: Tensor, targets: Tensor, state: Any) -> tuple[Tensor, Memory, Any]:
        before, memory = (None, None) if state is None else state
        hidden, after = self.model.hidden(tokens, before)
        hidden = hidden.float()
        memory = empty(hidden) if memory is None else Memory(*memory)
        return hidden, extended(memory, hidden, targets), after
