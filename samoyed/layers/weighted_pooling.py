"""Pooling with weights of its own: the sum of each 2x2 patch, times a factor, plus a bias, both of its map (LeCun 1998).

Equation: y[c, p] = a[c] sum_{q in patch p} x[c, q] + b[c]. It begins as the mean, a = 1/4 and b = 0. Legend: B batch, C channels,
H height, W width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class WeightedPool2d(nn.Module):
    """x [B, C, H, W] -> [B, C, H // 2, W // 2].

    Args:
        maps: C.
    """

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((maps,), 0.25))
        self.bias = nn.Parameter(torch.zeros(maps))

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, H, W] -> [B, C, H // 2, W // 2]."""
        sums = 4 * functional.avg_pool2d(x, 2)
        return sums * self.weight[:, None, None] + self.bias[:, None, None]
