"""Time-delay network: the same units at every moment, over wider and wider stretches of time (Waibel et al. 1989).

h^0 = x; h^n_t = normalise(ReLU(sum over k of W^n_k h^{n-1}_{t + k d_n} + b^n)), k = -1, 0, 1, d_n the n-th of `dilations`
(Peddinti, Povey & Khudanpur 2015); logits_t = W h^N_t + b. What lies outside a sequence is 0.
Departures: ReLU and layer normalisation in place of the logistic function; an answer for each frame, to be trained by
connectionist temporal classification, in place of one for the whole.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from samoyed.settings import Count, Share


class TDNN(nn.Module):
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
        super().__init__()
        sizes = [frame_size, *[hidden_size] * len(dilations)]
        self.layers = nn.ModuleList(
            nn.Conv1d(size, hidden_size, 3, padding=dilation, dilation=dilation)
            for size, dilation in zip(sizes, dilations, strict=False)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_size) for _ in dilations)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(sizes[-1], num_symbols)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """frames [B, T, F], lengths int64 [B] -> (logits [B, T, V], lengths [B])."""
        mask = (torch.arange(frames.shape[1], device=frames.device) < lengths[:, None])[..., None]
        hidden = frames * mask
        for layer, norm in zip(self.layers, self.norms, strict=True):
            wide = functional.relu(layer(hidden.transpose(1, 2))).transpose(1, 2)
            hidden = self.dropout(norm(wide)) * mask
        logits: Tensor = self.output(hidden)
        return logits, lengths
