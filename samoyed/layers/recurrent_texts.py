"""What every recurrent model of whole texts shares around its core: a class for the text, or a tag for each of its tokens.

The core is the RNN, LSTM or GRU of layers/recurrence, in both directions. Legend: B batch, T time, H hidden, K classes or tags.
"""

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from samoyed.layers.texts import AttentionPooling, lengths_of, mask_of
from samoyed.settings import Count, Share


class RecurrentReader(nn.Module):
    """tokens [B, T] -> hidden [B, T, D H]: embedding, dropout and the core, over D directions."""

    core: ClassVar[Any]  # recurrence.RNN, LSTM or GRU

    def __init__(
        self,
        vocab_size: int,
        embedding_size: int,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        bidirectional: bool,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        between = dropout if num_layers > 1 else 0.0
        self.recurrent = self.core(
            embedding_size, hidden_size, num_layers, batch_first=True, dropout=between, bidirectional=bidirectional
        )
        self.dropout = nn.Dropout(dropout)
        self.directions = 2 if bidirectional else 1

    def read(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """tokens int64 [B, T], lengths int64 [B] -> (hidden [B, T, D H], the last layer's states at its ends [B, D H])."""
        hidden, state = self.recurrent(self.dropout(self.embedding(tokens)), lengths=lengths)
        ends = state[0] if isinstance(state, tuple) else state
        return hidden, ends[-self.directions :].transpose(0, 1).flatten(1)


class RecurrentTextClassifier(RecurrentReader):
    """tokens [B, T] -> logits [B, K] of the whole text's class.

    Equations: h_t = [forward core over x_1..x_t; backward core over x_T..x_t]; s = the states pooled; logits = W s + b. Pooling
    is a mean weighed by attention, u_t = tanh(V h_t + c), a = softmax(u_t . v); the largest of each unit; the mean; or the two
    last states.

    Args:
        vocab_size: Number of tokens.
        num_classes: Number of classes.
        embedding_size: Numbers that stand for a token.
        hidden_size: Units per layer and direction.
        num_layers: Layers, each reading the one below.
        bidirectional: Whether a second network reads from the end.
        pooling: How the states of all tokens become one: attention, max, mean, or last.
        dropout: Probability with which a number of the embedding, of a layer's answer, or of the pooled state is left out of a
            training step.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        num_classes: int,
        embedding_size: Count = 64,
        hidden_size: Count = 128,
        num_layers: Count = 1,
        bidirectional: bool = True,
        pooling: Literal["attention", "max", "mean", "last"] = "attention",
        dropout: Share = 0.3,
    ) -> None:
        super().__init__(vocab_size, embedding_size, hidden_size, num_layers, dropout, bidirectional)
        size = hidden_size * self.directions
        self.pooling = pooling
        self.attend = AttentionPooling(size) if pooling == "attention" else None
        self.output = nn.Linear(size, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """tokens int64 [B, T], lengths int64 [B] or None for T -> logits [B, K]."""
        logits: Tensor = self.output(self.dropout(self._pooled(tokens, lengths)[0]))
        return logits

    def attention(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor | None:
        """The weight of each token [B, T]; None where pooling has no attention."""
        return self._pooled(tokens, lengths)[1]

    def _pooled(self, tokens: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        lengths = lengths_of(tokens, lengths)
        hidden, ends = self.read(tokens, lengths)
        mask = mask_of(lengths, tokens.shape[1])
        if self.attend is not None:
            pooled, weights = self.attend(hidden, mask)
            return pooled, weights
        if self.pooling == "max":
            return hidden.masked_fill(~mask[..., None], -torch.inf).amax(1), None
        if self.pooling == "mean":
            return hidden.sum(1) / lengths[:, None], None  # beyond its length a sequence's states are 0
        return ends, None


class RecurrentTagger(RecurrentReader):
    """tokens [B, T] -> logits [B, T, K] of each token's tag.

    Equations: h_t = [forward core over x_1..x_t; backward core over x_T..x_t]; logits_t = W h_t + b (Schuster & Paliwal 1997).

    Args:
        vocab_size: Number of tokens.
        num_tags: Number of tags.
        embedding_size: Numbers that stand for a token.
        hidden_size: Units per layer and direction.
        num_layers: Layers, each reading the one below.
        bidirectional: Whether a second network reads from the end, so that a tag depends on what follows too.
        dropout: Probability with which a number of the embedding, of a layer's answer, or of the last states is left out of a
            training step.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        num_tags: int,
        embedding_size: Count = 64,
        hidden_size: Count = 128,
        num_layers: Count = 1,
        bidirectional: bool = True,
        dropout: Share = 0.3,
    ) -> None:
        super().__init__(vocab_size, embedding_size, hidden_size, num_layers, dropout, bidirectional)
        self.output = nn.Linear(hidden_size * self.directions, num_tags)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """tokens int64 [B, T], lengths int64 [B] or None for T -> logits [B, T, K]."""
        hidden, _ = self.read(tokens, lengths_of(tokens, lengths))
        logits: Tensor = self.output(self.dropout(hidden))
        return logits
