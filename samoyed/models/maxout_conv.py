"""Convolutional maxout net: each unit takes the largest of several maps, then of a patch (Goodfellow et al. 2013).

Equations: y = max over patches of max_j (W_j * x + b_j), three times; logits = W max_j (W_j h + b_j) + b. There is no other
nonlinearity: the maximum of linear pieces learns it.

Departures: 3x3 patches at stride 2 for the paper's 4x4 and 2x2, only while a map measures 4 or more; dropout after pooling;
norms of the weights are not limited, weight decay stands instead; weights have variance 1 / inputs, which keeps the size of
what the larger of two pieces passes on.
"""

import math
from typing import Any, ClassVar

from torch import Tensor, nn

from samoyed.layers.convolution import LEAST, shrink
from samoyed.layers.maxout import MaxOverMaps
from samoyed.settings import Count, Share


class MaxoutConv(nn.Module):
    """images [B, C, H, W] -> logits [B, num_classes].

    Args:
        image_shape: Channels, height, width of a picture, at least 4 x 4.
        num_classes: Number of classes.
        maps: Maps of each convolution, after the largest of each group is taken.
        pieces: Maps, or units, of which the largest is kept.
        hidden_size: Units of the full layer.
        dropout: Probability with which an input of a layer after the first is left out of a training step.
    """

    defaults: ClassVar[dict[str, Any]] = {"learning_rate": 0.001}

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        maps: tuple[Count, ...] = (32, 64, 64),
        pieces: Count = 2,
        hidden_size: Count = 128,
        dropout: Share = 0.2,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        if min(height, width) < LEAST:
            raise ValueError(f"pictures of at least {LEAST} x {LEAST} are needed")
        sides = (height, width)
        layers: list[nn.Module] = []
        for i, outputs in enumerate(maps):
            kernel = 5 if i < 2 else 3
            pool, sides = shrink(sides)
            conv = nn.Conv2d(channels, outputs * pieces, kernel, padding=kernel // 2)
            layers += [conv, MaxOverMaps(pieces), pool, nn.Dropout(dropout)]
            channels = outputs
        self.features = nn.Sequential(*layers)
        self.full = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * math.prod(sides), hidden_size * pieces),
            MaxOverMaps(pieces),
            nn.Dropout(dropout),
        )
        self.output = nn.Linear(hidden_size, num_classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):  # the larger of two standard normals has mean square 1
                nn.init.normal_(layer.weight, 0, layer.weight[0].numel() ** -0.5)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """images [B, C, H, W] -> logits [B, num_classes]."""
        logits: Tensor = self.output(self.full(self.features(images)))
        return logits
