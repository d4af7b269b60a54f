"""Frames to phones: a multilayer network classifies each moment from a window of spectra around it (Mohamed, Dahl & Hinton 2009).

Bourlard & Morgan 1994 describe such networks within speech recognition.

x_t = [f_{t-n}; ...; f_t; ...; f_{t+n}]; h^1_t = g(W^1 x_t + b^1); h^k_t = g(W^k h^{k-1}_t + b^k); logits_t = V h^K_t + c; f is 0 beyond a
recording. With n = 5 a window holds 11 frames. W^1 x is a convolution over time, so that all moments are one product.

Departures: g is the rectifier unless the paper's logistic function is asked for; weights begin at random, without the paper's
pretraining layer by layer as a stack of restricted Boltzmann machines; classes are phones, not three states of each.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from samoyed.layers.texts import mask_of
from samoyed.settings import Count, Few, Share


class FrameMLP(nn.Module):
    """frames [B, T, F] -> logits [B, T, P] of the phone at each frame, from the frames around it.

    Args:
        frame_size: Numbers per frame.
        num_phones: Number of phones.
        reach: Frames that are seen on each side, n: 5 are 11 frames in all, 7 are 15.
        hidden_sizes: Units of each hidden layer.
        activation: The nonlinearity of hidden units.
        dropout: Probability with which a hidden unit is left out of a training step.
    """

    def __init__(
        self,
        *,
        frame_size: int,
        num_phones: int,
        reach: Few = 5,
        hidden_sizes: tuple[Count, ...] = (384, 384),
        activation: Literal["relu", "logistic"] = "relu",
        dropout: Share = 0.2,
    ) -> None:
        super().__init__()
        self.first = nn.Conv1d(frame_size, hidden_sizes[0], 2 * reach + 1, padding=reach)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(hidden_sizes, hidden_sizes[1:], strict=False))  # noqa: RUF007
        self.activation = {"relu": torch.relu, "logistic": torch.sigmoid}[activation]
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_sizes[-1], num_phones)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """frames [B, T, F], lengths int64 [B] -> logits [B, T, P]."""
        real = frames * mask_of(lengths, frames.shape[1])[..., None]
        hidden = self.dropout(self.activation(self.first(real.transpose(1, 2)).transpose(1, 2)))
        for layer in self.layers:
            hidden = self.dropout(self.activation(layer(hidden)))
        logits: Tensor = self.output(hidden)
        return logits
