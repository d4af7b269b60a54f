"""DenseNet: every layer reads the maps of all layers before it in its block (Huang, Liu, van der Maaten & Weinberger 2016).

Equations: x_l = H_l([x_0, ..., x_{l-1}]), where H is norm, rectifier, 1x1 convolution to 4 k maps, norm, rectifier, 3x3
convolution to k maps, and [...] lays maps side by side; between blocks norm, rectifier, 1x1 convolution to half the maps, mean
of 2x2 patches (the paper's DenseNet-BC). k is the growth rate.

Large forms, four blocks: 121, 161 (k = 48), 169 and 201 layers, k = 32: 7,978,856, 28,681,000, 14,149,480 and 20,013,928
parameters for 224 x 224 and 1000 classes. Small forms, three blocks, the paper's for CIFAR-10: 100 layers, k = 12, 769,162
parameters for 10 classes; and 40 layers, k = 12, the default.

Departures: the paper trains 40 layers without bottleneck and compression, which are kept here; the large forms take 3x3
kernels at every pixel and no pooling as their stem below a side of 128; maps are halved only while they measure 4 or more.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from samoyed.layers.convolution import draw_he, halve, large
from samoyed.settings import Count, Share

_LAYERS = {121: (6, 12, 24, 16), 161: (6, 12, 36, 24), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32)}


class DenseNet(nn.Module):
    """images [B, C, H, W] -> logits [B, num_classes].

    Args:
        image_shape: Channels, height, width of a picture, at least 4 x 4.
        num_classes: Number of classes.
        depth: Layers with weights: 40 and 100 are the small forms, the others the large.
        growth: Maps that each layer adds; none for the paper's: 12 in the small forms, 48 at depth 161, else 32.
        dropout: Probability with which a number that a layer adds is left out of a training step.
        stem: The first layer of a large form: large is 7x7 at every other pixel and pooling, small 3x3 at every pixel; auto takes
            large from a side of 128 up.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        depth: Literal[40, 100, 121, 161, 169, 201] = 40,
        growth: Count | None = None,
        dropout: Share = 0.0,
        stem: Literal["auto", "large", "small"] = "auto",
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        sides, full = (height, width), large(image_shape, stem)
        k = growth or (12 if depth not in _LAYERS else 48 if depth == 161 else 32)
        counts = _LAYERS.get(depth) or ((depth - 4) // 6,) * 3
        maps = 2 * k
        layers: list[nn.Module]
        if full and depth in _LAYERS:
            stride, sides = halve(sides)
            layers = [nn.Conv2d(channels, maps, 7, stride, padding=3, bias=False), *_norm(maps)]
            stride, sides = halve(sides)
            layers.append(nn.MaxPool2d(3, stride, padding=1))
        else:
            layers = [nn.Conv2d(channels, maps, 3, padding=1, bias=False)]
            layers += _norm(maps) if depth in _LAYERS else []  # the small forms' first block brings its own
        for i, count in enumerate(counts):
            if i:
                layers += [*_norm(maps), nn.Conv2d(maps, maps // 2, 1, bias=False)]
                maps //= 2
                stride, sides = halve(sides)
                # a last row or column that is odd counts by the pixels it has
                layers.append(
                    nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False) if stride == 2 else nn.Identity()
                )
            layers.append(_DenseBlock(maps, k, count, dropout))
            maps += count * k
        self.features = nn.Sequential(*layers, *_norm(maps))
        self.output = nn.Linear(maps, num_classes)
        draw_he(self)
        nn.init.zeros_(self.output.bias)

    def forward(self, images: Tensor) -> Tensor:
        """images [B, C, H, W] -> logits [B, num_classes]."""
        logits: Tensor = self.output(self.features(images).mean((2, 3)))
        return logits


class _DenseBlock(nn.Module):
    """x [B, inputs, H, W] -> [B, inputs + count k, H, W]."""

    def __init__(self, inputs: int, k: int, count: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                *_norm(inputs + i * k),
                nn.Conv2d(inputs + i * k, 4 * k, 1, bias=False),
                *_norm(4 * k),
                nn.Conv2d(4 * k, k, 3, padding=1, bias=False),
                nn.Dropout(dropout),
            )
            for i in range(count)
        )

    def forward(self, x: Tensor) -> Tensor:
        """x [B, inputs, H, W] -> [B, inputs + count k, H, W]."""
        maps = x
        for layer in self.layers:
            maps = torch.cat([maps, layer(maps)], 1)
        return maps


def _norm(maps: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(maps), nn.ReLU(inplace=True)]
