"""AlexNet: five convolutions, three full layers, rectifiers, dropout (Krizhevsky, Sutskever & Hinton 2012).

Equations: y = max(0, W * x + b) five times, the maximum of 3x3 patches at stride 2 after the first, second and fifth; then
h = dropout(max(0, W h + b)) twice; logits = W h + b. With columns=2, the paper's two halves that meet only at the third and
the full layers, y is divided by (2 + 1e-4 sum of y^2 over 5 neighbouring maps)^0.75 after the first two convolutions, and the
net has 60,965,224 parameters for 224 x 224 and 1000 classes; with columns=1, the form of Krizhevsky 2014, 61,100,840.

Departures: below a side of 128 the first kernel is 3x3 at every pixel instead of 11x11 at every fourth, patches are pooled
only while a map measures 4 or more, widths are halved, the full layers have 512 units, and weights are drawn as He 2015. From
128 up they are drawn as the paper's, N(0, 0.01^2) with biases of 1 in the second, fourth, fifth and hidden full layers.
"""

from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from samoyed.layers.convolution import draw_he, large, shrink
from samoyed.settings import Count, Positive, Share

_MAPS = {1: (64, 192, 384, 256, 256), 2: (96, 256, 384, 384, 256)}


class AlexNet(nn.Module):
    """images [B, C, H, W] -> logits [B, num_classes].

    Args:
        image_shape: Channels, height, width of a picture, at least 4 x 4.
        num_classes: Number of classes.
        columns: 2 for the paper's halves with response normalisation, 1 for one column without.
        stem: The first layer: large is the paper's, small 3x3 at every pixel; auto takes large from a side of 128 up.
        width: Factor on the numbers of maps; none for 1 after the large stem, 0.5 after the small.
        hidden_size: Units of each of the two hidden full layers; none for 4096 after the large stem, 512 after the small.
        dropout: Probability with which an input of the hidden full layers is left out of a training step.
    """

    defaults: ClassVar[dict[str, Any]] = {"learning_rate": 0.0005}  # nothing is normalised over the batch

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        columns: Literal[1, 2] = 1,
        stem: Literal["auto", "large", "small"] = "auto",
        width: Positive | None = None,
        hidden_size: Count | None = None,
        dropout: Share = 0.5,
    ) -> None:
        super().__init__()
        channels, height, right = image_shape
        full = large(image_shape, stem)
        factor = width or (1.0 if full else 0.5)
        maps = tuple(columns * max(1, round(factor * number / columns)) for number in _MAPS[columns])
        sides = (height, right)
        layers: list[nn.Module] = []
        for i, (inputs, outputs) in enumerate(zip((channels, *maps), maps, strict=False)):
            kernel, stride, padding = (
                ((11, 4, 2) if full else (3, 1, 1)) if i == 0 else (5, 1, 2) if i == 1 else (3, 1, 1)
            )
            groups = columns if i in (1, 3, 4) else 1
            layers += [nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups), nn.ReLU(inplace=True)]
            sides = _after(sides, kernel, stride, padding)
            if columns == 2 and i < 2:
                layers.append(nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2))  # torch divides alpha by 5
            if i in (0, 1, 4):
                pool, sides = (nn.MaxPool2d(3, 2), _after(sides, 3, 2, 0)) if full else shrink(sides)
                layers.append(pool)
        if min(sides) < 1:
            raise ValueError("AlexNet's large stem needs pictures of at least 63 x 63")
        self.features = nn.Sequential(*layers)
        hidden = hidden_size or (4096 if full else 512)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(maps[-1] * sides[0] * sides[1], hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
        )
        self.output = nn.Linear(hidden, num_classes)
        if full:
            self._draw_as_paper()
        else:
            draw_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """images [B, C, H, W] -> logits [B, num_classes]."""
        logits: Tensor = self.output(self.classifier(self.features(images)))
        return logits

    def _draw_as_paper(self) -> None:
        layers = [m for m in self.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        for i, layer in enumerate(layers):
            nn.init.normal_(layer.weight, 0, 0.01)
            assert layer.bias is not None
            nn.init.constant_(layer.bias, 1.0 if i in (1, 3, 4, 5, 6) else 0.0)


def _after(sides: tuple[int, int], kernel: int, stride: int, padding: int) -> tuple[int, int]:
    high, wide = ((side + 2 * padding - kernel) // stride + 1 for side in sides)
    return high, wide
