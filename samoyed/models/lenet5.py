"""LeNet-5 as in 1998: a table of connections, pooling with weights, distances to codes (LeCun, Bottou, Bengio & Haffner 1998).

Equations: C1 = f(6 maps, 5x5), S2 = f(weighted 2x2 sums), C3 = f(16 maps, 5x5, each seeing 3, 4 or all 6 of S2 by the paper's
table I), S4 = f(weighted 2x2 sums), C5 = f(120), F6 = f(84), y_k = |F6 - code_k|^2, f(a) = 1.7159 tanh(2 a / 3). Logits are -y.
The loss of a picture of class d is y_d + log(e^-j + sum_k e^-y_k): j bounds what wrong classes are still pushed away for (the
paper's equation 9). On 28 x 28 pictures, padded by 2, exactly the paper's 60,000 weights.

Departures: codes are fixed signs drawn at random, which the paper names beside its drawings of characters, so that any number of
classes has them; j, which it does not give, is 10; a target that is softened by label_smoothing weighs the distances. Where S2
is smaller than 12, C3 is padded by 2, so that nets for 8x8 pictures keep something to pool. The net is trained like any other
here, not by the paper's diagonal second derivatives.
"""

import random

import torch
from torch import Tensor, nn

from samoyed.layers.scaled_tanh import ScaledTanh
from samoyed.layers.tabled_convolution import TabledConv2d
from samoyed.layers.weighted_pooling import WeightedPool2d
from samoyed.settings import NonNegative

_TABLE = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)


class LeNet5(nn.Module):
    """images [B, C, H, W] -> logits [B, num_classes].

    Args:
        image_shape: Channels, height, width of a picture, at least 4 x 4.
        num_classes: Number of classes.
        rejection: The paper's j, the distance at which a picture is as likely of no class.
    """

    codes: Tensor

    def __init__(self, *, image_shape: tuple[int, int, int], num_classes: int, rejection: NonNegative = 10.0) -> None:
        super().__init__()
        channels, height, width = image_shape
        if min(height, width) < 4:
            raise ValueError("LeNet5 needs pictures of at least 4 x 4, since it halves them twice")
        self.rejection = rejection
        padding = 2 if min(height, width) // 2 < 12 else 0
        sides = [(side // 2 - 4 + 2 * padding) // 2 for side in (height, width)]
        self.features = nn.Sequential(
            *(nn.Conv2d(channels, 6, 5, padding=2), ScaledTanh()),
            *(WeightedPool2d(6), ScaledTanh()),
            *(TabledConv2d(inputs=6, table=_TABLE, kernel=5, padding=padding), ScaledTanh()),
            *(WeightedPool2d(16), ScaledTanh(), nn.Flatten()),
        )
        self.full = nn.Sequential(
            *(nn.Linear(16 * sides[0] * sides[1], 120), ScaledTanh()),
            *(nn.Linear(120, 84), ScaledTanh()),
        )
        draw = random.Random(0)
        signs = [[draw.choice((-1.0, 1.0)) for _ in range(84)] for _ in range(num_classes)]
        self.register_buffer("codes", torch.tensor(signs))

    def forward(self, images: Tensor) -> Tensor:
        """images [B, C, H, W] -> logits [B, num_classes], the negative distances to the classes' codes."""
        h = self.full(self.features(images))
        distances: Tensor = (h[:, None] - self.codes).square().sum(-1)
        return -distances

    def loss(self, images: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """The paper's equation 9, summed over the batch: images [B, C, H, W], targets int64 [B]."""
        logits = self(images).to(images.dtype)
        wanted = nn.functional.one_hot(targets, logits.shape[1]).to(logits.dtype)
        wanted = wanted * (1 - label_smoothing) + label_smoothing / logits.shape[1]
        none = logits.new_full((len(logits), 1), -self.rejection)
        total: Tensor = torch.cat([logits, none], 1).logsumexp(1).sum() - (wanted * logits).sum()
        return total
