"""GoogLeNet: nine modules that look at each map with 1x1, 3x3 and 5x5 kernels at once (Szegedy et al. 2014).

Equations: module(x) = [c1(x), c3(c1(x)), c5(c1(x)), c1(pool(x))], maps side by side, c the convolution of that kernel with a
rectifier, the 1x1 before the wide kernels narrowing their input. Logits are linear in the mean of the last maps. In training,
two auxiliary classifiers read the fourth and the seventh module, and the loss is H(main) + 0.3 (H(first) + H(second)).

For 224 x 224 and 1000 classes the paper's form (batch_norm=false) has 6,998,552 parameters, and 13,378,280 with the auxiliary
classifiers. The form that torchvision publishes (wide_kernel=3) has 6,624,904 and 13,004,888.

Departures: batch normalisation after each convolution by default (Ioffe & Szegedy 2015), and no local response normalisation
then; weights drawn as He 2015, of which the paper says nothing; below a side of 128 the stem is 3x3 at every pixel without
pooling, widths are halved, and maps are pooled only while they measure 4 or more.
"""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from samoyed.layers.convolution import Sides, conv_norm, draw_he, halve, large, shrink
from samoyed.settings import NonNegative, Positive, Share

# maps of: 1x1; narrowing, 3x3; narrowing, 5x5; 1x1 after pooling
_MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class Inception(nn.Module):
    """images [B, C, H, W] -> logits [B, num_classes].

    Args:
        image_shape: Channels, height, width of a picture, at least 4 x 4.
        num_classes: Number of classes.
        auxiliary: Weight of the two auxiliary classifiers in the loss; 0 leaves them out.
        batch_norm: Whether each map is normalised over the batch.
        wide_kernel: Side of the widest kernels: 5 as in the paper, or 3.
        width: Factor on the numbers of maps; none for 1 after the large stem, 0.5 after the small.
        dropout: Probability with which an input of the last layer is left out of a training step.
        stem: The first layer: large is 7x7 at every other pixel and pooling, small 3x3 at every pixel; auto takes large from a
            side of 128 up.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        auxiliary: NonNegative = 0.3,
        batch_norm: bool = True,
        wide_kernel: Literal[3, 5] = 5,
        width: Positive | None = None,
        dropout: Share = 0.4,
        stem: Literal["auto", "large", "small"] = "auto",
    ) -> None:
        super().__init__()
        channels, height, right = image_shape
        sides, full = (height, right), large(image_shape, stem)
        factor = width or (1.0 if full else 0.5)
        self.auxiliary = auxiliary

        def scaled(maps: int) -> int:
            return max(1, round(factor * maps))

        def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
            if batch_norm:
                return conv_norm(inputs, outputs, kernel, stride)
            plain = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2)
            return nn.Sequential(plain, nn.ReLU(inplace=True))

        first, second = scaled(64), scaled(192)
        spread = nn.Identity() if batch_norm else nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)
        layers: list[nn.Module] = []
        if full:
            stride, sides = halve(sides)
            pool, sides = shrink(sides)
            layers = [conv(channels, first, 7, stride), pool, spread]
        else:
            layers = [conv(channels, first, 3)]
        layers += [conv(first, first, 1), conv(first, second, 3), spread]
        maps = second
        self.parts, self.heads = nn.ModuleList(), nn.ModuleList()
        for name, numbers in _MODULES.items():
            if name in ("3a", "4a", "5a"):
                pool, sides = shrink(sides)
                layers.append(pool)
            one, narrow3, three, narrow5, five, pooled = map(scaled, numbers)
            branches = [
                conv(maps, one, 1),
                nn.Sequential(conv(maps, narrow3, 1), conv(narrow3, three, 3)),
                nn.Sequential(conv(maps, narrow5, 1), conv(narrow5, five, wide_kernel)),
                nn.Sequential(nn.MaxPool2d(3, 1, padding=1), conv(maps, pooled, 1)),
            ]
            layers.append(_Branches(branches))
            maps = one + three + five + pooled
            if auxiliary and name in ("4a", "4d"):
                self.parts.append(nn.Sequential(*layers))
                self.heads.append(_head(conv, maps, scaled(128), scaled(1024), sides, num_classes))
                layers = []
        self.parts.append(nn.Sequential(*layers))
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(maps, num_classes)
        draw_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """images [B, C, H, W] -> logits [B, num_classes]."""
        maps = images
        for part in self.parts:
            maps = part(maps)
        return self._logits(maps)

    def loss(self, images: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """The main cross-entropy plus the auxiliary ones, summed over the batch: images [B, C, H, W], targets int64 [B]."""
        maps, answers = images, []
        for i, part in enumerate(self.parts):
            maps = part(maps)
            if i < len(self.heads):
                answers.append(self.heads[i](maps))
        weights = (self.auxiliary,) * len(answers) + (1.0,)
        losses = [
            weight
            * functional.cross_entropy(
                logits.to(images.dtype), targets, reduction="sum", label_smoothing=label_smoothing
            )
            for weight, logits in zip(weights, (*answers, self._logits(maps)), strict=True)
        ]
        return torch.stack(losses).sum()

    def _logits(self, maps: Tensor) -> Tensor:
        logits: Tensor = self.output(self.dropout(maps.mean((2, 3))))
        return logits


class _Branches(nn.ModuleList):
    """x [B, C, H, W] -> the branches' maps side by side [B, sum of theirs, H, W]."""

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, H, W] -> [B, maps, H, W]."""
        return torch.cat([branch(x) for branch in self], 1)


def _head(
    conv: Callable[[int, int, int], nn.Sequential], maps: int, narrow: int, hidden: int, sides: Sides, num_classes: int
) -> nn.Sequential:
    """An auxiliary classifier: mean of 5x5 patches at stride 3 (smaller where the map is), 1x1, two full layers."""
    short = min(sides)
    kernel, stride = (5, 3) if short >= 14 else (math.ceil(short / 4),) * 2
    high, wide = ((side - kernel) // stride + 1 for side in sides)
    return nn.Sequential(
        nn.AvgPool2d(kernel, stride),
        conv(maps, narrow, 1),
        nn.Flatten(),
        nn.Linear(narrow * high * wide, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(0.7),
        nn.Linear(hidden, num_classes),
    )
