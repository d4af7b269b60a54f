"""MobileNetV2: inverted residuals between narrow, linear layers (Sandler, Howard, Zhu, Zhmoginov & Chen 2018).

Equations: y = x + P(D(E x)): E widens six times by 1x1, D looks at each map alone with a 3x3 kernel, P narrows by 1x1 without
activation; f(z) = min(max(0, z), 6) after E and D (layers/inverted_residual.py). Logits are linear in the mean of 1280 last
maps. 3,504,872 parameters for 224 x 224 and 1000 classes.

Departures: below a side of 128 the first convolution visits every pixel, and widths are halved; where a picture is too small
to be halved as often, the first halvings are left out; weights drawn as He 2015, of which the paper says nothing.
"""

from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from samoyed.layers.convolution import conv_norm, divisible, draw_he, halve, halvings, large
from samoyed.layers.inverted_residual import InvertedResidual
from samoyed.settings import Positive, Share

# widening, maps, blocks, stride of the first
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class MobileNetV2(nn.Module):
    """images [B, C, H, W] -> logits [B, num_classes].

    Args:
        image_shape: Channels, height, width of a picture, at least 4 x 4.
        num_classes: Number of classes.
        width: Factor on the numbers of maps, rounded to multiples of 8 (the last 1280 never shrink); none for 1 after the large stem,
            0.5 after the small.
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
        dropout: Share = 0.2,
        stem: Literal["auto", "large", "small"] = "auto",
    ) -> None:
        super().__init__()
        channels, height, right = image_shape
        full = large(image_shape, stem)
        width = width or (1.0 if full else 0.5)
        stride, sides = halve((height, right)) if full else (1, (height, right))
        strides = halvings(sides, 4)
        maps, last = divisible(32 * width), divisible(1280 * max(1.0, width))
        layers: list[nn.Module] = [conv_norm(channels, maps, 3, stride, activation=nn.ReLU6)]
        for widening, number, blocks, first in _STAGES:
            outputs = divisible(number * width)
            for i in range(blocks):
                stride = next(strides) if i == 0 and first == 2 else 1
                layers.append(
                    InvertedResidual(
                        inputs=maps,
                        hidden=maps * widening,
                        outputs=outputs,
                        kernel=3,
                        stride=stride,
                        excite=False,
                        activation=nn.ReLU6,
                    )
                )
                maps = outputs
        self.features = nn.Sequential(*layers, conv_norm(maps, last, 1, activation=nn.ReLU6))
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(last, num_classes)
        draw_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """images [B, C, H, W] -> logits [B, num_classes]."""
        logits: Tensor = self.output(self.dropout(self.features(images).mean((2, 3))))
        return logits
