"""What every recurrent model shares around its core: reading tokens or numbers, and the answer at each step or at the end.

The core is the RNN, LSTM or GRU of layers/recurrence. Legend: B batch, T time, F features, V vocabulary, H hidden.
"""

from typing import Any, ClassVar

from torch import Tensor, nn

from samoyed.settings import Count, Share


class RecurrentLanguageModel(nn.Module):
    """tokens [B, T] -> logits [B, T, V] of the token after each, and the state to carry on with.

    Equations: x_t = E[token_t]; (h_t, state_t) = core(x_t, state_{t-1}); logits_t = W h_t + b.

    Args:
        vocab_size: Number of tokens.
        embedding_size: Numbers that stand for a token.
        hidden_size: Units per layer.
        num_layers: Layers, each reading the one below.
        dropout: Probability with which a number of the embedding, of a layer's answer, or of the last hidden state is left
            out of a training step.
    """

    state_axis: ClassVar[int] = 1  # where the batch is in the state
    core: ClassVar[Any]  # recurrence.RNN, LSTM or GRU

    def __init__(
        self,
        *,
        vocab_size: int,
        embedding_size: Count = 64,
        hidden_size: Count = 256,
        num_layers: Count = 1,
        dropout: Share = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        between = dropout if num_layers > 1 else 0.0
        self.recurrent = self.core(embedding_size, hidden_size, num_layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, vocab_size)

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """tokens int64 [B, T], state as returned before or None -> (logits [B, T, V], state)."""
        hidden, state = self.recurrent(self.dropout(self.embedding(tokens)), state)
        return self.output(self.dropout(hidden)), state


class RecurrentForecaster(nn.Module):
    """past [B, T, F] -> future [B, horizon]: all steps ahead at once, from the last hidden state.

    Equations: (h_t, state_t) = core(x_t, state_{t-1}); y = W h_T + b.

    Args:
        input_size: Features per step.
        horizon: Steps ahead.
        hidden_size: Units per layer.
        num_layers: Layers, each reading the one below.
        dropout: Probability with which a number between layers, or of the last hidden state, is left out of a training step.
    """

    core: ClassVar[Any]  # recurrence.RNN, LSTM or GRU

    def __init__(
        self, *, input_size: int, horizon: int, hidden_size: Count = 64, num_layers: Count = 1, dropout: Share = 0.0
    ) -> None:
        super().__init__()
        between = dropout if num_layers > 1 else 0.0
        self.recurrent = self.core(input_size, hidden_size, num_layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, horizon)

    def forward(self, past: Tensor) -> Tensor:
        """past [B, T, F] -> future [B, horizon]."""
        hidden, _ = self.recurrent(past)
        future: Tensor = self.output(self.dropout(hidden[:, -1]))
        return future
