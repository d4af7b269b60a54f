"""VGG: stacks of 3x3 convolutions between five poolings, then three full layers (Simonyan & Zisserman 2014).

Equations: y = max(0, W * x + b) with 3x3 kernels, in five groups of 64, 128, 256, 512, 512 maps, the maximum of 2x2 patches
after each; h = dropout(max(0, W h + b)) twice; logits = W h + b. Two 3x3 kernels see 5x5 pixels and three 7x7, with fewer
weights and more rectifiers. For 224 x 224 and 1000 classes, without batch normalisation: 132,863,336 parameters at depth 11,
133,047,848 at 13, 138,357,544 at 16, 143,667,240 at 19.

Departures: batch normalisation after each convolution by default (Ioffe & Szegedy 2015; the paper trained the deep nets from
the shallow one's weights, since they did not begin to learn alone); weights are drawn as He 2015, whose derivation is for
rectifiers; below a side of 128 widths are halved, the full layers have 512 units, and maps are pooled only while they measure 4
or more.
"""

from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from samoyed.layers.convolution import draw_he, large, shrink
from samoyed.settings import Count, Positive, Share

_LAYERS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_MAPS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """images [B, C, H, W] -> logits [B, num_classes].

    Args:
        image_shape: Channels, height, width of a picture, at least 4 x 4.
        num_classes: Number of classes.
        depth: Layers with weights.
        batch_norm: Whether each map is normalised over the batch.
        width: Factor on the numbers of maps; none for 1 from a side of 128 up, 0.5 below.
        hidden_size: Units of each of the two hidden full layers; none for 4096 from a side of 128 up, 512 below.
        dropout: Probability with which a unit of the hidden full layers is left out of a training step.
    """

    defaults: ClassVar[dict[str, Any]] = {"learning_rate": 0.001}

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        depth: Literal[11, 13, 16, 19] = 11,
        batch_norm: bool = True,
        width: Positive | None = None,
        hidden_size: Count | None = None,
        dropout: Share = 0.5,
    ) -> None:
        super().__init__()
        channels, height, right = image_shape
        full = large(image_shape)
        hidden, factor = hidden_size or (4096 if full else 512), width or (1.0 if full else 0.5)
        sides = (height, right)
        layers: list[nn.Module] = []
        for count, number in zip(_LAYERS[depth], _MAPS, strict=True):
            maps = max(1, round(factor * number))
            for _ in range(count):
                norm = [nn.BatchNorm2d(maps)] if batch_norm else []
                layers += [nn.Conv2d(channels, maps, 3, padding=1), *norm, nn.ReLU(inplace=True)]
                channels = maps
            pool, sides = shrink(sides, 2)
            layers.append(pool)
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * sides[0] * sides[1], hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
        )
        self.output = nn.Linear(hidden, num_classes)
        draw_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """images [B, C, H, W] -> logits [B, num_classes]."""
        logits: Tensor = self.output(self.classifier(self.features(images)))
        return logits
