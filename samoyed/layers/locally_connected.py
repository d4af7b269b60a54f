"""A locally connected layer: kernels as in a convolution, but a different one at each place (LeCun 1989).

Equation: y[o, p] = sum_{c, q} w[p, o, c, q] x[c, p + q] + b[p, o], p over places, q over the kernel. With the weights of all
places tied it is a convolution. Computed as one batched product over places of unfolded patches.
Legend: B batch, C channels, H height, W width, P places, K numbers in a patch.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class LocallyConnected2d(nn.Module):
    """x [B, C, H, W] -> [B, outputs, H', W'], H' = (H + 2 padding - kernel) // stride + 1.

    Args:
        image_shape: C, H, W: the layer has weights for each place, so it is made for one size.
        outputs: Maps that go out.
        kernel: Side of the patch that each unit sees.
        stride: Pixels from one patch to the next.
        padding: Zeros around the map.
    """

    def __init__(
        self, *, image_shape: tuple[int, int, int], outputs: int, kernel: int, stride: int = 1, padding: int = 0
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.kernel_size, self.stride, self.padding, self.groups = (kernel, kernel), stride, padding, 1
        self.sides = tuple((side + 2 * padding - kernel) // stride + 1 for side in (height, width))
        if min(self.sides) < 1:
            raise ValueError(f"a patch of {kernel} x {kernel} does not fit into {height} x {width}")
        places, size = self.sides[0] * self.sides[1], channels * kernel * kernel
        self.weight = nn.Parameter(torch.empty(places, outputs, size))  # [P, outputs, K]
        self.bias = nn.Parameter(torch.zeros(places, outputs))
        nn.init.uniform_(self.weight, -math.sqrt(3 / size), math.sqrt(3 / size))  # variance 1 / K, LeCun 1998

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, H, W] -> [B, outputs, H', W']."""
        patches = functional.unfold(x, self.kernel_size, padding=self.padding, stride=self.stride)  # [B, K, P]
        y = torch.baddbmm(self.bias[:, :, None], self.weight, patches.permute(2, 1, 0))  # [P, outputs, B]
        return y.permute(2, 1, 0).reshape(len(x), -1, *self.sides)
