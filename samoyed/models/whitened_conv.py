"""A small ConvNet for small pictures that learns fast, after the speed records on CIFAR-10 (Jordan 2024; Page 2018).

Jordan's is "94% on CIFAR-10 in 3.29 seconds on one GPU", the program airbench.

Equations: the first layer is fixed before training. With X the patches of k x k pixels of training pictures and X^T X / n =
E diag(l) E^T, it maps a patch x to [W x + b, -W x - b], W = diag(l + e)^(-1/2) E^T: maps that are uncorrelated, of variance 1, and a
rectifier loses nothing of the pair. b alone is learned. Three stages follow, each y = f(N(K2 * f(N(P(K1 * x))))) with 3x3 kernels K,
2x2 maximum pooling P, batch normalisation N without a scale and f = GELU(x) = x Phi(x) (Hendrycks 2016). Kernels begin as the identity in
their first maps (Zagoruyko 2017) and as torch draws them in the others. Logits are linear, without a bias, in the largest value of
each last map, divided by 9.

Departures: `width` 0.5 halves the published maps (64, 256, 256), for a third of the work, since two cores are not a GPU; maps are halved
only while they measure 4 or more; the bias of the first layer is learned throughout; the patches are of up to 5,000 pictures.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from samoyed.layers.convolution import LEAST, halve
from samoyed.settings import Count, Positive

_MAPS = (64, 256, 256)
_MOST_PATCHES = 2**20


class WhitenedConv(nn.Module):
    """images [B, C, H, W] -> logits [B, num_classes].

    Args:
        image_shape: Channels, height, width of a picture, at least 4 x 4.
        num_classes: Number of classes.
        width: Factor on the numbers of maps, 64, 256 and 256.
        patch: Side of the patches that the first layer whitens.
    """

    defaults: ClassVar[dict[str, Any]] = {
        "epochs": 24,
        "batch_size": 128,
        "optimizer": "sgd",
        "learning_rate": 0.2,
        "momentum": 0.85,
        "weight_decay": 0.0015,
        "schedule": "linear",
        "warmup": 0.2,
        "label_smoothing": 0.2,
    }

    def __init__(
        self, *, image_shape: tuple[int, int, int], num_classes: int, width: Positive = 0.5, patch: Count = 2
    ) -> None:
        super().__init__()
        channels, *sides = image_shape
        if min(sides) < max(LEAST, patch):
            raise ValueError(f"pictures of at least {max(LEAST, patch)} x {max(LEAST, patch)} are needed")
        self.whiten = nn.Conv2d(channels, 2 * channels * patch**2, patch)
        self.whiten.weight.requires_grad_(False)
        nn.init.zeros_(self.whiten.bias)  # type: ignore[arg-type]
        left = (sides[0] - patch + 1, sides[1] - patch + 1)
        maps, stages = self.whiten.out_channels, list[nn.Module]()
        for wanted in _MAPS:
            after = max(1, round(width * wanted))
            stride, _ = halve(left)
            left = (left[0] // stride, left[1] // stride)
            stages.append(_Stage(maps, after, stride))
            maps = after
        self.stages = nn.Sequential(*stages)
        self.output = nn.Linear(maps, num_classes, bias=False)

    def begin(self, images: Tensor) -> None:
        """Sets the first layer from training pictures [N, C, H, W], normalised."""
        kernel = self.whiten.kernel_size[0]
        per_picture = (images.shape[2] - kernel + 1) * (images.shape[3] - kernel + 1)
        some = images[: max(1, _MOST_PATCHES // per_picture)].float()
        patches = functional.unfold(some, kernel).transpose(1, 2).flatten(0, 1).double()  # [n, C k k]
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        rows = (vectors / (values + 5e-4).sqrt()).T.flip(0).view(-1, *self.whiten.weight.shape[1:])
        with torch.no_grad():
            self.whiten.weight.copy_(torch.cat([rows, -rows]))

    def forward(self, images: Tensor) -> Tensor:
        """images [B, C, H, W] -> logits [B, num_classes]."""
        maps = self.stages(functional.gelu(self.whiten(images)))
        logits: Tensor = self.output(maps.amax((2, 3)))
        return logits / 9


class _Stage(nn.Module):
    """x [B, inputs, H, W] -> [B, outputs, H / stride, W / stride]."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first, self.second = _kernel(inputs, outputs), _kernel(outputs, outputs)
        self.pool = nn.MaxPool2d(2) if stride == 2 else nn.Identity()
        self.norms = nn.ModuleList([_norm(outputs), _norm(outputs)])

    def forward(self, x: Tensor) -> Tensor:
        """x [B, inputs, H, W] -> [B, outputs, H / stride, W / stride]."""
        x = functional.gelu(self.norms[0](self.pool(self.first(x))))
        return functional.gelu(self.norms[1](self.second(x)))


def _kernel(inputs: int, outputs: int) -> nn.Conv2d:
    made = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    nn.init.dirac_(made.weight[:inputs].data)
    return made


def _norm(maps: int) -> nn.BatchNorm2d:
    made = nn.BatchNorm2d(maps, momentum=0.4)
    made.weight.requires_grad_(False)
    return made
