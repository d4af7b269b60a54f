"""1-D ConvNet over time: convolutions over neighbouring frames, each layer at half the rate of the one below.

h^0 = x; h^n_t = max over u = 2t, 2t + 1 of normalise(ReLU(sum over k of W^n_k h^{n-1}_{u + k} + b^n)), |k| <= (width - 1) / 2; the last layer
is not halved; logits = W pool(h^N) + b (LeCun & Bengio 1995, "Convolutional networks for images, speech, and time series").
What lies outside a sequence is 0 for a convolution, and is not seen by a maximum.
Departures: ReLU, layer normalisation and dropout; the pooling over time of Snyder et al. 2018 (mean and deviation), so that sequences may be of any length.
"""

import itertools
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from samoyed.layers.pooling import TimePooling
from samoyed.layers.texts import mask_of
from samoyed.settings import Count, Share


class Conv1DClassifier(nn.Module):
    """frames [B, T, F] -> logits [B, K] of the whole sequence's class.

    Args:
        frame_size: Numbers per frame.
        num_classes: Number of classes.
        channels: Maps of each layer.
        width: Frames that a filter spans; an odd number, so that maps stay in place.
        pooling: How all moments of the last layer become one: statistics (mean and deviation), attention, mean, or max.
        dropout: Probability with which a number of a layer's answer is left out of a training step.
    """

    def __init__(
        self,
        *,
        frame_size: int,
        num_classes: int,
        channels: tuple[Count, ...] = (96, 128, 160),
        width: Count = 5,
        pooling: Literal["statistics", "attention", "mean", "max"] = "statistics",
        dropout: Share = 0.2,
    ) -> None:
        super().__init__()
        if width % 2 == 0:
            raise ValueError("width must be an odd number")
        self.layers = nn.ModuleList(
            nn.Conv1d(below, above, width, padding=width // 2)
            for below, above in itertools.pairwise((frame_size, *channels))
        )
        self.norms = nn.ModuleList(nn.LayerNorm(size) for size in channels)
        self.dropout = nn.Dropout(dropout)
        self.pooling = TimePooling(channels[-1], pooling)
        self.output = nn.Linear(self.pooling.size, num_classes)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """frames [B, T, F], lengths int64 [B] -> logits [B, K]."""
        mask = mask_of(lengths, frames.shape[1])[..., None]
        hidden = frames * mask
        for place, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True), 1):
            hidden = norm(functional.relu(layer(hidden.transpose(1, 2))).transpose(1, 2))
            if place < len(self.layers):
                hidden, lengths = halved(hidden, lengths)
                mask = mask_of(lengths, hidden.shape[1])[..., None]
            hidden = self.dropout(hidden).masked_fill(~mask, 0.0)
        logits: Tensor = self.output(self.dropout(self.pooling(hidden, lengths)))
        return logits


def halved(hidden: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """hidden [B, T, H] -> (the larger of every two moments [B, ceil(T / 2), H], lengths halved too); what lies beyond a sequence
    loses to anything in it."""
    mask = mask_of(lengths, hidden.shape[1])[..., None]
    kept = functional.pad(hidden.masked_fill(~mask, -torch.inf), (0, 0, 0, 1), value=-torch.inf)
    return torch.maximum(kept[:, : hidden.shape[1] : 2], kept[:, 1::2]), (lengths + 1) // 2
