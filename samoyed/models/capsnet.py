"""Capsule network: a capsule per class, routed by agreement from many small ones (Sabour, Frosst & Hinton 2017).

Equations: 256 maps of 9x9 kernels with rectifiers; 32 capsules of 8 numbers at each place of a 9x9 convolution of stride 2,
squashed; one capsule v_k of 16 numbers for each class, by three repetitions of routing (layers/capsules.py). The loss of a
picture is sum_k T_k max(0, 0.9 - |v_k|)^2 + 0.5 (1 - T_k) max(0, |v_k| - 0.1)^2, plus a weight times the mean squared error of
the picture as three full layers (512, 1024, pixels) draw it from the capsule of its class alone. T is 1 for the picture's
class, else 0, or softened by label_smoothing. On 28 x 28 with 10 classes: 8,215,568 parameters, 6,804,224 without the drawing.

|v_k| is the probability that class k is there. Given that one class is, its odds |v| / (1 - |v|) = |s|^2 are proportional to
its probability, so the logits are log |s_k|^2.

Departures: pictures come with mean 0 and deviation 1, so the drawing is linear, not logistic, and its weight is 0.037: the
paper's 0.0005 x 784 pixels times the variance 0.095 of its pixels; kernels are 5x5 below a side of 24 and 3x3 below 12; from a
side of 56 up the first convolution takes strides of side / 28.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from samoyed.layers.capsules import RoutedCapsules, squash
from samoyed.layers.convolution import draw_he
from samoyed.settings import Count, NonNegative


class CapsNet(nn.Module):
    """images [B, C, H, W] -> logits [B, num_classes].

    Args:
        image_shape: Channels, height, width of a picture, at least 5 x 5.
        num_classes: Number of classes.
        maps: Maps of the first convolution.
        capsules: Kinds of small capsules.
        capsule_size: Numbers in a small capsule.
        pose_size: Numbers in the capsule of a class.
        iterations: Repetitions of routing.
        reconstruction: Weight of the drawing's mean squared error in the loss; 0 leaves it out.
    """

    defaults: ClassVar[dict[str, Any]] = {"learning_rate": 0.001}  # the paper's, of Adam

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        maps: Count = 256,
        capsules: Count = 32,
        capsule_size: Count = 8,
        pose_size: Count = 16,
        iterations: Count = 3,
        reconstruction: NonNegative = 0.037,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        short = min(height, width)
        if short < 5:
            raise ValueError("CapsNet needs pictures of at least 5 x 5")
        kernel, stride = 9 if short >= 24 else 5 if short >= 12 else 3, max(1, short // 28)
        sides = [((side - kernel) // stride + 1 - kernel) // 2 + 1 for side in (height, width)]
        self.num_classes, self.capsule_size, self.reconstruction = num_classes, capsule_size, reconstruction
        self.image_shape = image_shape
        self.convolution = nn.Conv2d(channels, maps, kernel, stride)
        self.primary = nn.Conv2d(maps, capsules * capsule_size, kernel, 2)
        draw_he(self)
        self.classes = RoutedCapsules(
            inputs=capsules * sides[0] * sides[1],
            input_size=capsule_size,
            outputs=num_classes,
            output_size=pose_size,
            iterations=iterations,
        )
        self.decoder = nn.Sequential(
            nn.Linear(num_classes * pose_size, 512),
            nn.ReLU(),
            nn.Linear(512, 1024),
            nn.ReLU(),
            nn.Linear(1024, channels * height * width),
        ) if reconstruction else None  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """images [B, C, H, W] -> logits [B, num_classes]."""
        return (self.sums(images).square().sum(-1) + 1e-9).log()

    def sums(self, images: Tensor) -> Tensor:
        """images [B, C, H, W] -> the sums s [B, num_classes, pose_size], whose squash are the classes' capsules."""
        maps = self.primary(self.convolution(images).relu())  # [B, capsules x capsule_size, H', W']
        small = maps.unflatten(1, (-1, self.capsule_size)).transpose(1, 2).flatten(2).transpose(1, 2)
        sums: Tensor = self.classes(squash(small))
        return sums

    def draw(self, poses: Tensor, classes: Tensor) -> Tensor:
        """poses [B, num_classes, pose_size], classes int64 [B] -> pictures [B, C, H, W] drawn from those classes' capsules."""
        if self.decoder is None:
            raise ValueError("a net with reconstruction=0 draws nothing")
        chosen = nn.functional.one_hot(classes, self.num_classes).to(poses.dtype)
        pictures: Tensor = self.decoder((poses * chosen[:, :, None]).flatten(1))
        return pictures.view(-1, *self.image_shape)

    def loss(self, images: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """The margin loss and the drawing's error, summed over the batch: images [B, C, H, W], targets int64 [B]."""
        poses = squash(self.sums(images).to(images.dtype))
        lengths = (poses.square().sum(-1) + 1e-12).sqrt()
        wanted = nn.functional.one_hot(targets, self.num_classes).to(lengths.dtype)
        wanted = wanted * (1 - label_smoothing) + label_smoothing / self.num_classes
        present, absent = (0.9 - lengths).relu().square(), (lengths - 0.1).relu().square()
        total = (wanted * present + 0.5 * (1 - wanted) * absent).sum()
        if self.decoder is not None:
            errors = (self.draw(poses, targets) - images).square().mean((1, 2, 3))
            total = torch.add(total, errors.sum(), alpha=self.reconstruction)
        return total
