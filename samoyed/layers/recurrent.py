"""What every recurrent model shares around its core: reading tokens or numbers, and the answer at each step or at the end.

The core is the RNN, LSTM or GRU of layers/recurrence. Legend: B batch, T time, F features, V vocabulary, H hidden.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional


class VariationalDropout(nn.Module):
    """x [B, T, C] -> [B, T, C] with the same numbers left out at every step of a sequence (Gal & Ghahramani 2016)."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """x [B, T, C] -> [B, T, C]."""
        if not (self.training and self.share):
            return x
        return x * functional.dropout(x.new_ones(len(x), 1, x.shape[2]), self.share)


class RecurrentLanguageModel(nn.Module):
    """tokens [B, T] -> logits [B, T, V] of the token after each, and the state to carry on with.

    Equations: x_t = E[token_t]; (h_t, state_t) = core(x_t, state_{t-1}); logits_t = W h_t + b, or if tied E P h_t + b, P being
    left out where hidden_size is embedding_size.
    """

    state_axis: ClassVar[int] = 1  # where the batch is in the state

    def __init__(
        self,
        core: Callable[..., nn.Module],
        vocab_size: int,
        embedding_size: int,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        tied: bool,
        variational: bool,
        weight_dropout: float,
        **cell: Any,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        given = cell | {"variational": variational, "weight_dropout": weight_dropout}
        between = dropout if num_layers > 1 else 0.0
        self.recurrent = core(embedding_size, hidden_size, num_layers, batch_first=True, dropout=between, **given)
        self.dropout = VariationalDropout(dropout) if variational else nn.Dropout(dropout)
        if not tied:
            self.output = nn.Linear(hidden_size, vocab_size)
            return
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)  # as in Merity 2018: larger ones make the first logits large
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        same = hidden_size == embedding_size
        self.projection = nn.Identity() if same else nn.Linear(hidden_size, embedding_size, bias=False)

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """tokens int64 [B, T], state as returned before or None -> (logits [B, T, V], state)."""
        hidden, state = self.hidden(tokens, state)
        return self.read_out(hidden), state

    def hidden(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """tokens int64 [B, T], state as in `forward` -> (h of the last layer [B, T, H], state)."""
        hidden, state = self.recurrent(self.dropout(self.embedding(tokens)), state)
        return hidden, state

    def read_out(self, hidden: Tensor) -> Tensor:
        """h [B, T, H] -> logits [B, T, V]."""
        hidden = self.dropout(hidden)
        if hasattr(self, "bias"):
            return functional.linear(self.projection(hidden), self.embedding.weight, self.bias)
        logits: Tensor = self.output(hidden)
        return logits


class RecurrentForecaster(nn.Module):
    """past [B, T, F] -> future [B, horizon]: all steps ahead at once, from the last hidden state; or from every step's.

    Equations: (h_t, state_t) = core(x_t, state_{t-1}); y_t = W h_t + b, of which the last is the forecast.
    """

    state_axis: ClassVar[int] = 1  # where the batch is in the state

    def __init__(
        self,
        core: Callable[..., nn.Module],
        input_size: int,
        horizon: int,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        **cell: Any,
    ) -> None:
        super().__init__()
        between = dropout if num_layers > 1 else 0.0
        self.recurrent = core(input_size, hidden_size, num_layers, batch_first=True, dropout=between, **cell)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, horizon)

    def forward(self, past: Tensor, state: Any = None, every: bool = False) -> Any:
        """past [B, T, F] -> future [B, horizon]; for `every` step, from a `state` as returned before or None -> (futures
        [B, T, horizon], state)."""
        hidden, state = self.recurrent(past, state)
        if every:
            return self.output(self.dropout(hidden)), state
        return self.output(self.dropout(hidden[:, -1]))
