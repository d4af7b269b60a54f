"""Deep bidirectional LSTM over frames, trained by connectionist temporal classification (Graves & Jaitly 2014).

The network is that of Graves, Mohamed & Hinton 2013.

h^0 = x; h^n_t = [forward LSTM(h^{n-1})_t; backward LSTM(h^{n-1})_t]; p(symbol or blank at t) = softmax(W h^N_t + b).
Computed by layers/recurrence, the loss by layers/ctc. Departures: no peephole connections; each direction has hidden_size units.
"""

import torch
from torch import Tensor, nn

from samoyed.layers import recurrence
from samoyed.settings import Count, Share


class BiLSTMCTC(nn.Module):
    """frames [B, T, F] -> logits [B, T, V] of a symbol, or the blank (index 0), at each frame.

    Args:
        frame_size: Numbers per frame.
        num_symbols: Symbols, the blank among them.
        hidden_size: Units of a layer in each direction.
        num_layers: Layers, each reading both directions of the one below.
        dropout: Probability with which a number between layers is left out of a training step.
    """

    def __init__(
        self,
        *,
        frame_size: int,
        num_symbols: int,
        hidden_size: Count = 128,
        num_layers: Count = 2,
        dropout: Share = 0.2,
    ) -> None:
        super().__init__()
        between = dropout if num_layers > 1 else 0.0
        self.recurrent = recurrence.LSTM(
            frame_size, hidden_size, num_layers, batch_first=True, dropout=between, bidirectional=True, forget_bias=1.0
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(2 * hidden_size, num_symbols)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """frames [B, T, F], lengths int64 [B] -> (logits [B, T, V], lengths [B])."""
        hidden, _ = self.recurrent(frames, lengths=lengths.cpu())
        logits: Tensor = self.output(self.dropout(hidden))
        return logits, torch.as_tensor(lengths)
