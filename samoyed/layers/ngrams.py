"""Smoothed n-grams as tensors: distributions over the next token, and the probability of a text without them.

layers/kneser_ney counts and smooths; here its tree is asked, at all places of a batch at once. Legend: B batch, T time, M n-grams,
V vocabulary, n the order.
"""

from typing import Any

import torch
from torch import Tensor, nn

from samoyed.layers.kneser_ney import Counts, Tree

_MOST = 64  # the longest order that a stored model may claim


class Ngrams(nn.Module):
    """tokens [B, T] -> logits [B, T, V] of the token after each, from the last n - 1 tokens.

    `order` is the most tokens that an n-gram has, n; None chooses it. Until `fit` every token is as likely as any other. Raises
    ValueError for an order above 64.
    """

    keys: Tensor
    probs: Tensor
    backoffs: Tensor
    likeliest: Tensor
    longest: Tensor

    def __init__(self, vocab_size: int, order: int | None = None) -> None:
        super().__init__()
        if order is not None and order > _MOST:
            raise ValueError(f"order is at most {_MOST}")
        self.vocab_size, self.order = vocab_size, order
        self.register_buffer("keys", torch.arange(vocab_size + 1))  # [M]
        self.register_buffer("probs", torch.full((vocab_size + 1,), 1 / vocab_size))  # [M]
        self.register_buffer("backoffs", torch.ones(vocab_size + 2))  # [M + 1]
        self.register_buffer("likeliest", torch.zeros(vocab_size + 2, dtype=torch.int32))  # [M + 1]
        self.register_buffer("longest", torch.tensor(1))

    def fit(self, tokens: Tensor) -> None:
        """tokens int64 [N]: the training text."""
        order = self.order or self._best_order(tokens)
        self.keep(Counts(tokens, self.vocab_size).smoothed(order), order)

    def _best_order(self, tokens: Tensor) -> int:
        cut = max(1, len(tokens) - max(1, len(tokens) // 10))
        counts, held = Counts(tokens[:cut], self.vocab_size), tokens[None, cut - 1 :]
        least, order = float("inf"), 1
        while order < _MOST:
            self.keep(counts.smoothed(order + 1), order + 1)
            loss = -float(self.score(held[:, :-1], held[:, 1:])[0].double().sum())
            if loss >= least:
                break
            least, order = loss, order + 1
        return order

    def keep(self, tree: Tree, order: int) -> None:
        """Takes the n-grams of a tree of this order."""
        device = self.keys.device
        self.keys, self.probs = tree.keys.to(device), tree.probs.float().to(device)
        self.backoffs, self.likeliest = tree.backoffs.float().to(device), tree.likeliest.int().to(device)
        self.longest = torch.tensor(order, device=device)

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """tokens int64 [B, T], state [B, n - 1] or None -> (logits [B, T, V], which are log-probabilities, and the state: the
        last n - 1 tokens). Without a state the text begins here."""
        contexts, state = self._contexts(tokens, state)
        after = self._weights(contexts, tokens.numel())
        probs = after[0][:, None] * self.probs[: self.vocab_size]
        for nodes, weight in zip(contexts, after[1:], strict=True):
            rows, places = self._children(nodes)
            probs[rows, self.keys[places] % (self.vocab_size + 1)] = self.probs[places] * weight[rows]
        return probs.log().view(*tokens.shape, self.vocab_size), state

    def score(self, tokens: Tensor, targets: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """tokens, targets int64 [B, T], state as in `forward` -> (log-probability of each target [B, T], the likeliest token
        at each place int64 [B, T], state), without the distribution over all tokens."""
        contexts, state = self._contexts(tokens, state)
        wanted = targets.flatten()
        found, best = self.probs[wanted], self.likeliest[0].expand(len(wanted))
        for nodes in contexts:
            met = nodes > 0
            child = self._find(nodes, wanted)
            seen = met & (child > 0)
            shorter = torch.where(met, self.backoffs[nodes], 1.0) * found
            found = torch.where(seen, self.probs[(child - 1).clamp(min=0)], shorter)
            best = torch.where(met, self.likeliest[nodes], best)
        return found.log().view(tokens.shape), best.long().view(tokens.shape), state

    def _contexts(self, tokens: Tensor, state: Tensor | None) -> tuple[list[Tensor], Tensor]:
        """The nodes [B T] of the last 1, 2, ... n - 1 tokens at each place, 0 where the tree has none; and the next state."""
        seen = int(self.longest) - 1
        if state is None:
            state = tokens.new_full((len(tokens), seen), -1)
            state[:, seen - 1 :] = self.vocab_size  # the text begins
        stream = torch.cat([state, tokens], dim=1)
        nodes, found = torch.zeros_like(stream), []
        for length in range(1, seen + 1):
            last = stream[:, length - 1 :]
            before = nodes if length == 1 else nodes[:, :-1]
            nodes = self._find(before.flatten(), last.flatten(), anywhere=length == 1).view(last.shape)
            found.append(nodes[:, nodes.shape[1] - tokens.shape[1] :].flatten())
        return found, stream[:, stream.shape[1] - seen :]

    def _find(self, nodes: Tensor, tokens: Tensor, anywhere: bool = False) -> Tensor:
        """The child of each node by a token, or 0: of a node that is 0 only `anywhere`, and of a token -1 never."""
        wanted = nodes * (self.vocab_size + 1) + tokens
        places = torch.searchsorted(self.keys, wanted).clamp(max=len(self.keys) - 1)
        there = (self.keys[places] == wanted) & (tokens >= 0)
        return torch.where(there if anywhere else there & (nodes > 0), places + 1, 0)

    def _children(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """(row, place) of every child of every node [R] above the root."""
        low = torch.searchsorted(self.keys, nodes * (self.vocab_size + 1))
        high = torch.searchsorted(self.keys, (nodes + 1) * (self.vocab_size + 1))
        many = torch.where(nodes > 0, high - low, 0)
        rows = torch.arange(len(nodes), device=nodes.device).repeat_interleave(many)
        begins = many.cumsum(0) - many
        return rows, torch.arange(len(rows), device=nodes.device) + (low - begins)[rows]

    def _weights(self, contexts: list[Tensor], places: int) -> list[Tensor]:
        """For each order the product of g over all longer contexts [B T], the longest order's being 1."""
        product = torch.ones(places, device=self.keys.device)
        found = [product]
        for nodes in reversed(contexts):
            product = product * torch.where(nodes > 0, self.backoffs[nodes], 1.0)
            found.append(product)
        return found[::-1]

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in (
            "keys",
            "probs",
            "backoffs",
            "likeliest",
        ):  # how many n-grams there are is known only after fitting
            if prefix + name in state:
                setattr(self, name, torch.empty_like(state[prefix + name]))
        super()._load_from_state_dict(state, prefix, *rest)
        sizes = len(self.keys), len(self.keys), len(self.keys) + 1, len(self.keys) + 1
        if tuple(len(t) for t in (self.keys, self.probs, self.backoffs, self.likeliest)) != sizes:
            raise ValueError("the n-grams do not fit together")
        lowest, highest = (int(v) for v in torch.aminmax(self.likeliest))
        if not (1 <= int(self.longest) <= _MOST and lowest >= 0 and highest < self.vocab_size < len(self.keys)):
            raise ValueError("the n-grams are of another vocabulary")
