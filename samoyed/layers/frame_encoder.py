"""What networks share that look at a video, or the slices of a volume, one picture at a time.

Legend: B batch, C channels, D frames or slices, H height, W width, S size of the code.
"""

import itertools

from torch import Tensor, nn


class FrameEncoder(nn.Module):
    """blocks [B, C, D, H, W] -> codes [B, D, S]: the same small ConvNet on each picture, which keeps where things are.

    Equations: h^0 = x; h^n = pool(ReLU(normalise(W^n * h^{n-1}))), kernels of 3 x 3, maxima over 2 x 2; code = ReLU(V h^N + b).
    """

    def __init__(self, block_shape: tuple[int, int, int, int], channels: tuple[int, ...], size: int) -> None:
        super().__init__()
        below, _, height, width = block_shape
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise((below, *channels)):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            if min(height, width) > 1:
                layers.append(nn.MaxPool2d(2))
                height, width = height // 2, width // 2
        self.maps = nn.Sequential(*layers)
        self.code = nn.Linear((*channels, below)[len(channels) - 1] * height * width, size)

    def forward(self, blocks: Tensor) -> Tensor:
        """blocks [B, C, D, H, W] -> codes [B, D, S]."""
        pictures = blocks.transpose(1, 2)
        codes: Tensor = self.code(self.maps(pictures.flatten(0, 1)).flatten(1)).relu()
        return codes.view(*pictures.shape[:2], -1)
