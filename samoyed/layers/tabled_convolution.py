"""A convolution whose maps see only those maps below that a table names (LeCun, Bottou, Bengio & Haffner 1998, table I).

Equation: y[o] = b[o] + sum_{c in table[o]} w[o, c] * x[c], * a cross-correlation. Only the kernels of connected pairs are weights;
the rest of the full kernel is zero, and is computed along. Legend: B batch, C channels, H height, W width.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class TabledConv2d(nn.Module):
    """x [B, C, H, W] -> [B, len(table), H', W'], H' = H + 2 padding - kernel + 1.

    Args:
        inputs: C.
        table: For each map that goes out, the maps below that it sees.
        kernel: Side of the kernels.
        padding: Zeros around the map.
    """

    places: Tensor

    def __init__(self, *, inputs: int, table: Sequence[Sequence[int]], kernel: int, padding: int = 0) -> None:
        super().__init__()
        self.shape, self.padding = (len(table), inputs, kernel, kernel), padding
        places = [o * inputs + c for o, seen in enumerate(table) for c in seen]
        self.register_buffer("places", torch.tensor(places), persistent=False)
        self.weight = nn.Parameter(torch.empty(len(places), kernel * kernel))  # a row for each connected pair
        self.bias = nn.Parameter(torch.empty(len(table)))
        bounds = [
            1 / math.sqrt(len(seen) * kernel * kernel) for seen in table
        ]  # as torch draws an ordinary convolution
        spread = torch.tensor([bound for bound, seen in zip(bounds, table, strict=True) for _ in seen])
        with torch.no_grad():
            self.weight.uniform_(-1, 1).mul_(spread[:, None])
            self.bias.uniform_(-1, 1).mul_(torch.tensor(bounds))

    def kernels(self) -> Tensor:
        """The full kernel [len(table), C, kernel, kernel], zero where the table connects nothing."""
        outputs, inputs, high, wide = self.shape
        whole = self.weight.new_zeros(outputs * inputs, high * wide)
        return whole.index_copy(0, self.places, self.weight).view(self.shape)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, H, W] -> [B, len(table), H', W']."""
        return functional.conv2d(x, self.kernels(), self.bias, padding=self.padding)

    def extra_repr(self) -> str:
        """Its sizes, as printing shows them."""
        outputs, inputs, kernel, _ = self.shape
        return f"{inputs}, {outputs}, kernel={kernel}, padding={self.padding}, connected={len(self.weight)}"
