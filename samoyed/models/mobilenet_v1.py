"""MobileNet: a convolution split in two, one kernel per map, then 1x1 across maps (Howard et al. 2017).

Equations: d = max(0, norm(k * x)), one 3x3 kernel per map; y = max(0, norm(W d)), 1x1; thirteen such pairs after one ordinary
convolution, then logits linear in the mean of the last maps. A pair costs 1 / outputs + 1 / 9 of an ordinary 3x3 convolution.
4,231,976 parameters for 224 x 224 and 1000 classes; `width` is the paper's alpha.

Departures: below a side of 128 the first convolution visits every pixel, and widths are halved; where a picture is too small
to be halved as often, the first halvings are left out; weights drawn as He 2015, of which the paper says nothing.
"""

from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from samoyed.layers.convolution import conv_norm, divisible, draw_he, halve, halvings, large
from samoyed.settings import Positive, Share

_MAPS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
_HALVING = (1, 3, 5, 11)


class MobileNetV1(nn.Module):
    """images [B, C, H, W] -> logits [B, num_classes].

    Args:
        image_shape: Channels, height, width of a picture, at least 4 x 4.
        num_classes: Number of classes.
        width: Factor on the numbers of maps, rounded to multiples of 8; none for 1 after the large stem, 0.5 after the small.
        dropout: Probability with which an input of the last layer is left out of a training step.
        stem: The first layer: large visits every other pixel, small every pixel; auto takes large from a side of 128 up.
    """

    defaults: ClassVar[dict[str, Any]] = {
        "learning_rate": 0.01
    }  # with less, it learns the pictures and not the classes

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        width: Positive | None = None,
        dropout: Share = 0.001,
        stem: Literal["auto", "large", "small"] = "auto",
    ) -> None:
        super().__init__()
        channels, height, right = image_shape
        full = large(image_shape, stem)
        width = width or (1.0 if full else 0.5)
        stride, sides = halve((height, right)) if full else (1, (height, right))
        strides = halvings(sides, 4)
        maps = divisible(32 * width)
        layers: list[nn.Module] = [conv_norm(channels, maps, 3, stride)]
        for i, number in enumerate(_MAPS):
            stride = next(strides) if i in _HALVING else 1
            outputs = divisible(number * width)
            layers += [conv_norm(maps, maps, 3, stride, groups=maps), conv_norm(maps, outputs, 1)]
            maps = outputs
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(maps, num_classes)
        draw_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """images [B, C, H, W] -> logits [B, num_classes]."""
        logits: Tensor = self.output(self.dropout(self.features(images).mean((2, 3))))
        return logits
