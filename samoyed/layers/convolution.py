"""What the convolutional models share: which stem suits a picture, when to halve a map, convolution with its norm, weights.

Papers draw their nets for 224 x 224. Two rules carry them to any picture of at least 4 x 4. The stem is the paper's from a
side of 128 up, and below that a 3x3 kernel at every pixel, without pooling. A map is halved, by a stride or by pooling, only
while its shorter side is at least 4, so that no map falls below 2 x 2 and batch normalisation has values to average even over
one picture. Legend: B batch, C channels, H height, W width.
"""

from collections.abc import Iterator
from typing import Literal

from torch import nn

LARGE = 128
LEAST = 4
Sides = tuple[int, int]


def large(image_shape: tuple[int, int, int], stem: Literal["auto", "large", "small"] = "auto") -> bool:
    """Whether the paper's stem is used. Raises ValueError for a picture below 4 x 4.

    >>> large((3, 224, 224)), large((3, 32, 32)), large((3, 32, 32), "large")
    (True, False, True)
    """
    side = min(image_shape[1:])
    if side < LEAST:
        raise ValueError(f"pictures of at least {LEAST} x {LEAST} are needed")
    return side >= LARGE if stem == "auto" else stem == "large"


def halve(sides: Sides) -> tuple[int, Sides]:
    """The stride, 2 unless a side is below 4, and the sides of the map after it.

    >>> halve((28, 7)), halve((2, 3))
    ((2, (14, 4)), (1, (2, 3)))
    """
    stride = 2 if min(sides) >= LEAST else 1
    return stride, (-(-sides[0] // stride), -(-sides[1] // stride))


def halvings(sides: Sides, wanted: int) -> Iterator[int]:
    """The strides of `wanted` layers that would each halve: where a map has no room for all, the last ones do.

    >>> list(halvings((8, 8), 4)), list(halvings((112, 112), 4))
    ([1, 1, 2, 2], [2, 2, 2, 2])
    """
    fitting = 0
    while fitting < wanted and min(sides) >= LEAST:
        fitting, sides = fitting + 1, halve(sides)[1]
    yield from (1,) * (wanted - fitting) + (2,) * fitting


def shrink(sides: Sides, kernel: int = 3) -> tuple[nn.Module, Sides]:
    """Max pooling of stride 2 that counts a part of a patch as one, or nothing where a side is below 4; and the sides after it."""
    stride, after = halve(sides)
    if stride == 1:
        return nn.Identity(), after
    # kernel 3 is centred on every other pixel; kernel 2 tiles the map
    return nn.MaxPool2d(kernel, 2, padding=1 if kernel == 3 else 0, ceil_mode=kernel == 2), after


def conv_norm(
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int = 1,
    *,
    groups: int = 1,
    activation: type[nn.Module] | None = nn.ReLU,
) -> nn.Sequential:
    """Convolution without bias, padded to keep the sides, batch normalisation, activation: [B, inputs, H, W] -> [B, outputs, ...]."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    follows = [] if activation is None else [activation(inplace=True)]
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), *follows)


def draw_he(model: nn.Module) -> None:
    """Kernels from a normal distribution of variance 2 / (outputs x kernel), full layers 2 / inputs, He et al. 2015; biases 0.

    With groups, which Glorot's and He's derivations do not know, the outputs are those that see one input. The layer called
    output, which no rectifier follows, stays as torch draws it.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and name != "output":
            nn.init.normal_(module.weight, 0, (2 / module.in_features) ** 0.5)
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.Conv2d):
            fan = module.out_channels // module.groups * module.kernel_size[0] * module.kernel_size[1]
            nn.init.normal_(module.weight, 0, (2 / fan) ** 0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def divisible(channels: float, by: int = 8) -> int:
    """The nearest multiple of `by`, at least `by` and no more than a tenth below, as MobileNets round their widths.

    >>> divisible(32 * 0.35), divisible(100), divisible(3)
    (16, 104, 8)
    """
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * channels else rounded
