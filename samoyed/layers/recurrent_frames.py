"""What every recurrent model of whole recordings shares around its core, the RNN, LSTM or GRU of layers/recurrence.

Legend: B batch, T time, F numbers per frame, D directions, H hidden, K classes.
"""

from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from samoyed.layers.pooling import TimePooling
from samoyed.settings import Count, Share


class RecurrentFrameClassifier(nn.Module):
    """frames [B, T, F] -> logits [B, K] of the whole sequence's class.

    Equations: h_t = [forward core over x_1..x_t; backward core over x_T..x_t]; s = h pooled over time; logits = W s + b.

    Args:
        frame_size: Numbers per frame.
        num_classes: Number of classes.
        hidden_size: Units per layer and direction.
        num_layers: Layers, each reading the one below.
        bidirectional: Whether a second network reads from the end.
        pooling: How all moments become one: statistics (mean and deviation), attention, mean, or max.
        dropout: Probability with which a number between layers, or of what was pooled, is left out of a training step.
    """

    core: ClassVar[Any]  # recurrence.RNN, LSTM or GRU

    def __init__(
        self,
        *,
        frame_size: int,
        num_classes: int,
        hidden_size: Count = 96,
        num_layers: Count = 2,
        bidirectional: bool = True,
        pooling: Literal["statistics", "attention", "mean", "max"] = "statistics",
        dropout: Share = 0.3,
    ) -> None:
        super().__init__()
        between = dropout if num_layers > 1 else 0.0
        self.recurrent = self.core(
            frame_size, hidden_size, num_layers, batch_first=True, dropout=between, bidirectional=bidirectional
        )
        self.pooling = TimePooling(hidden_size * (2 if bidirectional else 1), pooling)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(self.pooling.size, num_classes)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """frames [B, T, F], lengths int64 [B] -> logits [B, K]."""
        hidden, _ = self.recurrent(frames, lengths=lengths)
        logits: Tensor = self.output(self.dropout(self.pooling(hidden, lengths)))
        return logits
