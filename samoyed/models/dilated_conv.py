"""Dilated ConvNet for series: causal convolutions whose taps stand 1, 2, 4, ... steps apart, in residual blocks (Bai 2018).

Block i = 0, 1, ... with d = 2^i maps h [B, C, T] to relu(s(h) + g(h)), g two times over: (W * h)_t = sum_{j<k} W_j h_{t - j d} + b,
zeros before the first step, then a rectifier and dropout; s is the identity, or a 1x1 convolution where the numbers of maps
differ. With activation=gated each rectifier inside g is tanh(W * h) logistic(V * h) (WaveNet, van den Oord 2016). A number h_T
sees the last 1 + 2 (k - 1) (2^L - 1) steps through L blocks. y = W h_T + b. Weights are written g v / |v| for each map
(Salimans & Kingma 2016) if weight_norm is set.

A forecast needs h_T alone, so that block i is needed only at every 2^i-th step back from T: there its convolutions are plain ones
over every 2^i-th number, and a forecast costs as much as two blocks over the past, not L. `hidden` gives all steps.

Departures: the paper's dropout leaves out whole maps; weights are drawn as He 2015, not N(0, 0.01^2); the number of blocks is what
the past needs; weight normalisation is left out unless asked for.
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm as normalised

from samoyed.settings import Count, Share


class DilatedConvForecaster(nn.Module):
    """past [B, T, F] -> future [B, horizon]: all steps ahead at once, from what causal dilated convolutions say of the last step.

    Args:
        input_size: Features per step.
        input_shape: Steps of the past, and features.
        horizon: Steps ahead.
        hidden_size: Maps of each block.
        kernel_size: Taps of each convolution.
        num_layers: Residual blocks, of two convolutions each; by default as many as see the whole past.
        activation: What follows each convolution: relu, or the gates of WaveNet.
        weight_norm: Whether each map's weights are a length times a direction.
        dropout: Probability with which a number of a convolution's answer is left out of a training step.
    """

    def __init__(
        self,
        *,
        input_size: int,
        input_shape: tuple[int, ...],
        horizon: int,
        hidden_size: Count = 32,
        kernel_size: Count = 3,
        num_layers: Count | None = None,
        activation: Literal["relu", "gated"] = "relu",
        weight_norm: bool = False,
        dropout: Share = 0.1,
    ) -> None:
        super().__init__()
        if kernel_size < 2:
            raise ValueError("kernel_size must be at least 2: one tap sees one step")
        if num_layers is None:
            num_layers = next(n for n in range(1, 64) if receptive_field(kernel_size, n) >= input_shape[0])
        sizes = [input_size] + [hidden_size] * num_layers
        self.blocks = nn.ModuleList(
            _Block(below, hidden_size, kernel_size, activation == "gated", weight_norm, dropout) for below in sizes[:-1]
        )
        self.output = nn.Linear(hidden_size, horizon)

    def forward(self, past: Tensor) -> Tensor:
        """past [B, T, F] -> future [B, horizon]."""
        h = past.transpose(1, 2)
        for block in self.blocks:
            h = block(h, 1)
            h = h[:, :, (h.shape[2] - 1) % 2 :: 2]  # the next block asks for every second step, counted from the last
        future: Tensor = self.output(h[:, :, -1])
        return future

    def hidden(self, past: Tensor) -> Tensor:
        """past [B, T, F] -> h of the last block at every step [B, T, hidden_size], each from that step and those before it."""
        h = past.transpose(1, 2)
        for i, block in enumerate(self.blocks):
            h = block(h, 2**i)
        return h.transpose(1, 2)


def receptive_field(kernel_size: int, num_layers: int) -> int:
    """How many steps the last block's answer sees, its own included.

    >>> receptive_field(3, 4)
    61
    """
    return 1 + 2 * (kernel_size - 1) * ((1 << num_layers) - 1)


class _Block(nn.Module):
    """h [B, C, T] -> [B, H, T]: two causal convolutions, and what goes past them."""

    def __init__(self, size: int, hidden: int, kernel: int, gated: bool, weight_norm: bool, dropout: float) -> None:
        super().__init__()
        self.gated, self.kernel = gated, kernel
        maps = 2 * hidden if gated else hidden
        self.convolutions = nn.ModuleList([nn.Conv1d(size, maps, kernel), nn.Conv1d(hidden, maps, kernel)])
        for convolution in self.convolutions:
            nn.init.kaiming_normal_(convolution.get_parameter("weight"), nonlinearity="linear" if gated else "relu")
            nn.init.zeros_(convolution.get_parameter("bias"))
            if weight_norm:
                normalised(convolution)
        self.past = nn.Conv1d(size, hidden, 1) if size != hidden else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor, dilation: int) -> Tensor:
        """h [B, C, T] -> [B, H, T], the taps `dilation` steps apart."""
        y = h
        for convolution in self.convolutions:
            weight: Any = convolution.weight
            bias: Any = convolution.bias
            y = functional.pad(y, (dilation * (self.kernel - 1), 0))
            y = functional.conv1d(y, weight, bias, dilation=dilation)
            if self.gated:
                value, gate = y.chunk(2, 1)
                y = torch.tanh(value) * torch.sigmoid(gate)
            else:
                y = y.relu()
            y = self.dropout(y)
        return functional.relu(self.past(h) + y)
