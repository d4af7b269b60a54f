"""A decoder that says one token after another and looks back, at each, at what was encoded: the half that encoder-decoders of
sentences and of pictures share. The equations stand in models/seq2seq.py.

All that is said of one source is a row of K sequences (the hypotheses of a beam, the captions of a picture), which share its
memory and are held against it in one product.

Legend: B sources, K sequences of each, T tokens, S places of the memory, M its size, H hidden, F what is fed, V vocabulary.
"""

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from samoyed.layers import recurrence
from samoyed.layers.attention import Attention


class Memory(NamedTuple):
    """What was read: values [B, S, M], keys [B, S, H] of attention, mask [B, S], True where there is something."""

    values: Tensor
    keys: Tensor
    mask: Tensor


class AttendedDecoder(nn.Module):
    """The last index of the vocabulary is the boundary symbol: it ends every sequence, and begins what the decoder says.

    A model that inherits has `encode`, which gives the Memory and the first state: tensors [B, 1, L, H] of the cell, and what is
    fed at first [B, 1, F].
    """

    decoder: Any

    def set_up(
        self,
        cell: Literal["lstm", "gru"],
        vocab_size: int,
        attention: Literal["general", "dot", "additive", "none"],
        input_feeding: bool,
        embedding_size: int,
        hidden_size: int,
        memory_size: int,
        num_layers: int,
        tied: bool,
        dropout: float,
    ) -> None:
        """Makes the decoder's parameters. Raises ValueError where there is nothing to feed, or for a dot product of unequal sizes."""
        if input_feeding and attention == "none":
            raise ValueError("input_feeding needs attention")
        core: Any = {"lstm": recurrence.LSTM, "gru": recurrence.GRU}[cell]
        read = embedding_size if tied else hidden_size
        self.boundary = vocab_size - 1
        self.early = attention == "additive"  # attention before the recurrence, from the state of the step before
        self.fed = memory_size if self.early else read if input_feeding else 0
        self.target_embedding = nn.Embedding(vocab_size, embedding_size)
        options = {"batch_first": True, "dropout": dropout if num_layers > 1 else 0.0}
        options |= {"forget_bias": 1.0} if cell == "lstm" else {}
        self.decoder = core(embedding_size + self.fed, hidden_size, num_layers, **options)
        self.attention = None if attention == "none" else Attention(hidden_size, memory_size, attention)
        self.readout = nn.Linear(hidden_size if attention == "none" else memory_size + hidden_size, read)
        self.output = nn.Linear(read, vocab_size)
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.target_embedding.weight, std=embedding_size**-0.5)
        nn.init.zeros_(self.output.bias)
        if tied:
            self.output.weight = self.target_embedding.weight

    def step(self, tokens: Tensor, state: Any, memory: Memory) -> tuple[Tensor, Any, Tensor | None]:
        """One step of K sequences each: tokens int64 [B, K], state [B, K, ...] -> logits [B, K, V], state, weights [B, K, S]."""
        embedded = self.dropout(self.target_embedding(tokens))
        read, state, weights = self._step(embedded, state, memory)
        return self.logits(read), state, weights

    def before(self, targets: Tensor) -> Tensor:
        """What is given before each of the targets [B, K, T]: the boundary, and all but the last."""
        return torch.cat([torch.full_like(targets[..., :1], self.boundary), targets[..., :-1]], -1)

    def mixed(self, before: Tensor, memory: Memory, state: Any, share: float) -> Tensor:
        """The tokens before each [B, K, T], in training with `share` of them replaced by those that the decoder says when the right
        ones are given (Bengio et al. 2015; in one pass over all steps, Duckworth et al. 2019)."""
        if not self.training or not share:
            return before
        with torch.no_grad():
            said = self.logits(self.read_all(before, memory, state)[0]).argmax(-1)
        said = torch.cat([before[..., :1], said[..., :-1]], -1)
        return torch.where(torch.rand(before.shape, device=before.device) < share, said, before)

    def logits(self, read: Tensor) -> Tensor:
        """[..., R] -> [..., V]."""
        logits: Tensor = self.output(self.dropout(read))
        return logits

    def read_all(self, before: Tensor, memory: Memory, state: Any) -> tuple[Tensor, Tensor | None]:
        """The tokens before each [B, K, T], state [B, 1, ...] -> what is read out [B, K, T, R], and the weights [B, K, T, S]."""
        embedded = self.dropout(self.target_embedding(before))
        if self.fed:
            state = tuple(_spread(part, before.shape[1]) for part in state[0]), _spread(state[1], before.shape[1])
            read, weights = [], []
            for word in embedded.unbind(2):
                r, state, w = self._step(word, state, memory)
                read.append(r)
                weights.append(w)
            return torch.stack(read, 2), torch.stack(weights, 2)
        hidden = self.hidden_all(embedded, state)
        if self.attention is None:
            return self.read(hidden, None), None
        context, all_weights = self.attend(hidden.flatten(1, 2), memory)
        return self.read(hidden, context.view(*hidden.shape[:3], -1)), all_weights.view(*hidden.shape[:3], -1)

    def hidden_all(self, embedded: Tensor, state: Any) -> Tensor:
        """embedded [B, K, T, E] -> the states of the top layer [B, K, T, H], in one call of the recurrent kernels."""
        parts = tuple(_spread(part, embedded.shape[1]) for part in state[0])
        hidden, _ = self.decoder(embedded.flatten(0, 1), _inward(parts))
        found: Tensor = hidden.unflatten(0, embedded.shape[:2])
        return found

    def attend(self, queries: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """queries [B, Q, H] -> contexts [B, Q, M], weights [B, Q, S]."""
        assert self.attention is not None
        context, weights = self.attention(queries, memory.values, memory.keys, memory.mask)
        return context, weights

    def read(self, hidden: Tensor, context: Tensor | None) -> Tensor:
        """What is read out of states [..., H] and contexts [..., M]: [..., R]."""
        return torch.tanh(self.readout(hidden if context is None else torch.cat([context, hidden], -1)))

    def _step(self, embedded: Tensor, state: Any, memory: Memory) -> tuple[Tensor, Any, Any]:
        """embedded [B, K, E], state -> read [B, K, R], state, weights [B, K, S]."""
        parts, fed = state
        size = embedded.shape[:2]
        context = weights = None
        if self.early:
            context, weights = self.attend(parts[0][:, :, -1], memory)
            fed = context
        x = torch.cat([embedded, fed], -1) if self.fed else embedded
        hidden, after = self.decoder(x.flatten(0, 1)[:, None], _inward(parts))
        after = after if isinstance(after, tuple) else (after,)
        parts = tuple(part.transpose(0, 1).unflatten(0, size) for part in after)
        hidden = hidden[:, 0].unflatten(0, size)
        if self.attention is not None and not self.early:
            context, weights = self.attend(hidden, memory)
        read = self.read(hidden, context)
        return read, (parts, read if self.fed and not self.early else fed), weights


def _spread(part: Tensor, count: int) -> Tensor:
    """[B, 1, ...] -> [B, K, ...]."""
    return part.expand(-1, count, *part.shape[2:])


def _inward(parts: Any) -> Any:
    """[B, K, L, H] each -> [L, B K, H], as the recurrent layers take it."""
    inward = tuple(part.flatten(0, 1).transpose(0, 1).contiguous() for part in parts)
    return inward if len(inward) > 1 else inward[0]
