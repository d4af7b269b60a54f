"""LeNet-5: convolution, pooling, convolution, pooling, two full layers, the output (LeCun, Bottou, Bengio & Haffner 1998).

Equations: C1 = f(6 maps, 5x5), S2 = pool 2x2, C3 = f(16 maps, 5x5), S4 = pool 2x2, C5 = f(120), F6 = f(84), output W F6 + b.
With 28x28 input that is padded by 2, maps measure 28, 14, 10, 5, and the net has 61,706 parameters.

Departures: every map of C3 sees all six of S2 (the paper's table connects some); pooling has no weights of its own; f is a
rectifier and pooling takes the maximum by default, both published since (activation=tanh pooling=average is nearer to the
paper); the output is linear under softmax, not Euclidean radial basis functions; `width` multiplies the numbers of maps.
Where S2 is smaller than 12, C3 is padded as well, so that nets for 8x8 pictures keep something to pool.
"""

from typing import Literal

from torch import Tensor, nn

from samoyed.models.mlp import ACTIVATIONS
from samoyed.settings import Positive, Share


class LeNet(nn.Module):
    """images [B, C, H, W] -> logits [B, num_classes].

    Args:
        image_shape: Channels, height, width of a picture, at least 4 x 4.
        num_classes: Number of classes.
        activation: What follows each layer.
        pooling: What is kept of each 2 x 2 patch.
        dropout: Probability with which a unit of the two full layers is left out of a training step.
        width: Factor on the numbers of maps, 6 and 16, and of full units, 120 and 84.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        activation: Literal["relu", "tanh"] = "relu",
        pooling: Literal["max", "average"] = "max",
        dropout: Share = 0.0,
        width: Positive = 1.0,
    ) -> None:
        super().__init__()
        channels, height, right = image_shape
        if min(height, right) < 4:
            raise ValueError("LeNet needs pictures of at least 4 x 4, since it halves them twice")
        c1, c3, c5, f6 = (max(1, round(width * maps)) for maps in (6, 16, 120, 84))
        nonlinear = ACTIVATIONS[activation]
        pool = nn.MaxPool2d if pooling == "max" else nn.AvgPool2d
        padding = 2 if min(height, right) // 2 < 12 else 0
        sides = [(side // 2 - 4 + 2 * padding) // 2 for side in (height, right)]
        self.features = nn.Sequential(
            nn.Conv2d(channels, c1, 5, padding=2),
            nonlinear(),
            pool(2),
            nn.Conv2d(c1, c3, 5, padding=padding),
            nonlinear(),
            pool(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(c3 * sides[0] * sides[1], c5),
            nonlinear(),
            nn.Dropout(dropout),
            nn.Linear(c5, f6),
            nonlinear(),
            nn.Dropout(dropout),
        )
        self.output = nn.Linear(f6, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """images [B, C, H, W] -> logits [B, num_classes]."""
        logits: Tensor = self.output(self.classifier(self.features(images)))
        return logits
