"""Time-delay network: the same units at every moment, over wider and wider stretches of time (Waibel et al. 1989).

h^0 = x; h^n_t = normalise(ReLU(sum over k of W^n_k h^{n-1}_{t + k d_n} + b^n)), k = -1, 0, 1, d_n the n-th of `dilations`
(Peddinti, Povey & Khudanpur 2015); logits_t = W h^N_t + b of a symbol or a phone at each frame, or logits = W pool(h^N) + b for the
whole. What lies outside a sequence is 0.
Departures: ReLU and layer normalisation in place of the logistic function; for recognition, an answer for each frame, to be
trained by connectionist temporal classification; for classes, mean and deviation over time (Snyder et al. 2018) where Waibel sums
squares of a unit per class.
"""

from typing import Literal

from torch import Tensor, nn

from samoyed.layers.pooling import TimePooling
from samoyed.layers.time_delay import TimeDelayReader
from samoyed.settings import Count, Share


class TDNN(TimeDelayReader):
    """frames [B, T, F] -> logits [B, T, V] of a symbol, or the blank (index 0), at each frame.

    Args:
        frame_size: Numbers per frame.
        num_symbols: Symbols, the blank among them.
        hidden_size: Units of a layer.
        dilations: Steps of time between the three moments that each layer sees.
        dropout: Probability with which a unit is left out of a training step.
    """

    def __init__(
        self,
        *,
        frame_size: int,
        num_symbols: int,
        hidden_size: Count = 192,
        dilations: tuple[Count, ...] = (1, 1, 2, 4, 8),
        dropout: Share = 0.1,
    ) -> None:
        super().__init__(frame_size, hidden_size, dilations, dropout)
        self.output = nn.Linear(self.size, num_symbols)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """frames [B, T, F], lengths int64 [B] -> (logits [B, T, V], lengths [B])."""
        logits: Tensor = self.output(self.read(frames, lengths))
        return logits, lengths


class TDNNFrames(TimeDelayReader):
    """frames [B, T, F] -> logits [B, T, P] of the phone at each frame.

    Args:
        frame_size: Numbers per frame.
        num_phones: Number of phones.
        hidden_size: Units of a layer.
        dilations: Steps of time between the three moments that each layer sees.
        dropout: Probability with which a unit is left out of a training step.
    """

    def __init__(
        self,
        *,
        frame_size: int,
        num_phones: int,
        hidden_size: Count = 192,
        dilations: tuple[Count, ...] = (1, 1, 2, 4),
        dropout: Share = 0.1,
    ) -> None:
        super().__init__(frame_size, hidden_size, dilations, dropout)
        self.output = nn.Linear(self.size, num_phones)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """frames [B, T, F], lengths int64 [B] -> logits [B, T, P]."""
        logits: Tensor = self.output(self.read(frames, lengths))
        return logits


class TDNNClassifier(TimeDelayReader):
    """frames [B, T, F] -> logits [B, K] of the whole sequence's class.

    Args:
        frame_size: Numbers per frame.
        num_classes: Number of classes.
        hidden_size: Units of a layer.
        dilations: Steps of time between the three moments that each layer sees.
        pooling: How all moments become one: statistics (mean and deviation), attention, mean, or max.
        dropout: Probability with which a unit is left out of a training step.
    """

    def __init__(
        self,
        *,
        frame_size: int,
        num_classes: int,
        hidden_size: Count = 128,
        dilations: tuple[Count, ...] = (1, 1, 2, 4),
        pooling: Literal["statistics", "attention", "mean", "max"] = "statistics",
        dropout: Share = 0.2,
    ) -> None:
        super().__init__(frame_size, hidden_size, dilations, dropout)
        self.pooling = TimePooling(self.size, pooling)
        self.output = nn.Linear(self.pooling.size, num_classes)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """frames [B, T, F], lengths int64 [B] -> logits [B, K]."""
        logits: Tensor = self.output(self.dropout(self.pooling(self.read(frames, lengths), lengths)))
        return logits
