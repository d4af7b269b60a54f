"""MobileNetV3: inverted residuals found by search, with maps weighed by their means (Howard et al. 2019).

Equations: blocks as in layers/inverted_residual.py, f(z) = max(0, z) or the hard swish z min(max(0, z + 3), 6) / 6; then 1x1
to the last maps, their mean, a full layer with hard swish, and the logits. For 224 x 224 and 1000 classes 5,483,032
parameters (large) and 2,542,856 (small).

Departures: below a side of 128 the first convolution visits every pixel, and widths are halved; where a picture is too small
to be halved as often, the first halvings are left out; weights drawn as He 2015, of which the paper says nothing; norms add
1e-5 to the variance, not 1e-3.
"""

from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from samoyed.layers.convolution import conv_norm, divisible, draw_he, halve, halvings, large
from samoyed.layers.inverted_residual import InvertedResidual
from samoyed.settings import Positive, Share

# kernel, hidden maps, maps, weighed by means, hard swish, stride
_LARGE = (
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1),
    (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2),
    (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1),
    (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2),
    (5, 960, 160, True, True, 1),
    (5, 960, 160, True, True, 1),
)
_SMALL = (
    (3, 16, 16, True, False, 2),
    (3, 72, 24, False, False, 2),
    (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2),
    (5, 240, 40, True, True, 1),
    (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1),
    (5, 144, 48, True, True, 1),
    (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1),
    (5, 576, 96, True, True, 1),
)


class MobileNetV3(nn.Module):
    """images [B, C, H, W] -> logits [B, num_classes].

    Args:
        image_shape: Channels, height, width of a picture, at least 4 x 4.
        num_classes: Number of classes.
        size: Which of the paper's two nets.
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
        size: Literal["small", "large"] = "small",
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
        maps = divisible(16 * width)
        layers: list[nn.Module] = [conv_norm(channels, maps, 3, stride, activation=nn.Hardswish)]
        for kernel, hidden, number, excite, swish, step in _LARGE if size == "large" else _SMALL:
            stride = next(strides) if step == 2 else 1
            outputs = divisible(number * width)
            layers.append(
                InvertedResidual(
                    inputs=maps,
                    hidden=divisible(hidden * width),
                    outputs=outputs,
                    kernel=kernel,
                    stride=stride,
                    excite=excite,
                    activation=nn.Hardswish if swish else nn.ReLU,
                )
            )
            maps = outputs
        last, hidden = 6 * maps, 1280 if size == "large" else 1024
        self.features = nn.Sequential(*layers, conv_norm(maps, last, 1, activation=nn.Hardswish))
        self.full = nn.Sequential(nn.Linear(last, hidden), nn.Hardswish(inplace=True), nn.Dropout(dropout))
        self.output = nn.Linear(hidden, num_classes)
        draw_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """images [B, C, H, W] -> logits [B, num_classes]."""
        logits: Tensor = self.output(self.full(self.features(images).mean((2, 3))))
        return logits
