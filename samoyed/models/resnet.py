"""ResNet: layers learn what to add to their input, so that nets of a hundred layers and more descend (He et al. 2015, 2016).

Equations: y = max(0, F(x) + S x), where F is convolution, norm, rectifier, convolution, norm (3x3, 3x3), or from depth 50 of
the large forms a bottleneck (1x1, 3x3, 1x1 to four times the maps). S is the identity; where the maps change, a 1x1
convolution with a norm in the large forms, and in the small ones every other pixel with zeros for the new maps.
With pre_activation (He 2016) norm and rectifier stand before each convolution, y = S x + F(x), and nothing is between blocks;
S reads x after its first norm and rectifier where it is a convolution.

Large forms: 18, 34, 50, 101 and 152 layers of 64 to 512 maps: 11,689,512, 21,797,672, 25,557,032, 44,549,160 and 60,192,808
parameters for 224 x 224 and 1000 classes. Small forms, the paper's for CIFAR-10: 20, 32, 44, 56 and 110 layers of 16, 32 and
64 maps, 0.27 to 1.7 million. The default is 20: seconds per epoch on a small set without a GPU.

Departures: a bottleneck halves its map in the 3x3 convolution, not in the first 1x1, which would skip three of four inputs;
the large forms take 3x3 kernels at every pixel and no pooling as their stem below a side of 128; maps are halved only while
they measure 4 or more.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from samoyed.layers.convolution import conv_norm, draw_he, halve, large

_LARGE = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


class ResNet(nn.Module):
    """images [B, C, H, W] -> logits [B, num_classes].

    Args:
        image_shape: Channels, height, width of a picture, at least 4 x 4.
        num_classes: Number of classes.
        depth: Layers with weights: 20, 32, 44, 56, 110 are the small forms, the others the large.
        pre_activation: Whether norm and rectifier stand before each convolution, which helps beyond a hundred layers.
        stem: The first layer of a large form: large is 7x7 at every other pixel and pooling, small 3x3 at every pixel; auto takes
            large from a side of 128 up.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        depth: Literal[18, 34, 50, 101, 152, 20, 32, 44, 56, 110] = 20,
        pre_activation: bool = False,
        stem: Literal["auto", "large", "small"] = "auto",
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        sides, full = (height, width), large(image_shape, stem)
        counts: tuple[int, ...]
        widths: tuple[int, ...]
        if depth in _LARGE:
            counts, widths, growth = _LARGE[depth], (64, 128, 256, 512), 4 if depth >= 50 else 1
        else:
            counts, widths, growth = ((depth - 2) // 6,) * 3, (16, 32, 64), 1
        maps = widths[0]
        first: list[nn.Module]
        if full and depth in _LARGE:
            stride, sides = halve(sides)
            first = [_stem(channels, maps, 7, stride, pre_activation)]
            stride, sides = halve(sides)
            first.append(nn.MaxPool2d(3, stride, padding=1))
        else:
            first = [_stem(channels, maps, 3, 1, pre_activation)]
        self.stem = nn.Sequential(*first)
        blocks: list[nn.Module] = []
        for stage, (count, inner) in enumerate(zip(counts, widths, strict=True)):
            for i in range(count):
                stride, sides = halve(sides) if i == 0 and stage else (1, sides)
                blocks.append(
                    _Block(maps, inner, growth, stride, pre_activation=pre_activation, project=depth in _LARGE)
                )
                maps = inner * growth
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.Sequential(nn.BatchNorm2d(maps), nn.ReLU(inplace=True)) if pre_activation else nn.Identity()
        self.output = nn.Linear(maps, num_classes)
        draw_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """images [B, C, H, W] -> logits [B, num_classes]."""
        maps = self.norm(self.blocks(self.stem(images)))
        logits: Tensor = self.output(maps.mean((2, 3)))
        return logits


class _Block(nn.Module):
    """x [B, inputs, H, W] -> [B, inner growth, H / stride, W / stride]: two convolutions, or three where growth is above 1."""

    def __init__(
        self, inputs: int, inner: int, growth: int, stride: int, *, pre_activation: bool, project: bool
    ) -> None:
        super().__init__()
        outputs = inner * growth
        shapes = [(inputs, inner, 3, stride), (inner, outputs, 3, 1)]
        if growth > 1:
            shapes = [(inputs, inner, 1, 1), (inner, inner, 3, stride), (inner, outputs, 1, 1)]
        self.pre_activation, self.stride, self.added = pre_activation, stride, outputs - inputs
        changes = stride > 1 or inputs != outputs
        layers: list[nn.Module] = []
        for i, (before, after, kernel, step) in enumerate(shapes):
            if pre_activation:
                norm = [nn.BatchNorm2d(before), nn.ReLU(inplace=True)] if i else []
                layers += [*norm, nn.Conv2d(before, after, kernel, step, padding=kernel // 2, bias=False)]
            else:
                last = i == len(shapes) - 1
                layers.append(conv_norm(before, after, kernel, step, activation=None if last else nn.ReLU))
        self.first = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU()) if pre_activation else nn.Identity()
        self.body = nn.Sequential(*layers)
        self.shortcut: nn.Module | None = None
        if changes and project:
            plain = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = plain if pre_activation else conv_norm(inputs, outputs, 1, stride, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, inputs, H, W] -> [B, outputs, H / stride, W / stride]."""
        activated = self.first(x)
        if self.shortcut is not None:
            kept = self.shortcut(activated)
        elif self.stride > 1 or self.added:
            kept = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added))
        else:
            kept = x
        total: Tensor = self.body(activated) + kept
        return total if self.pre_activation else total.relu_()


def _stem(channels: int, maps: int, kernel: int, stride: int, pre_activation: bool) -> nn.Module:
    if pre_activation:  # the first block brings the norm and the rectifier
        return nn.Conv2d(channels, maps, kernel, stride, padding=kernel // 2, bias=False)
    return conv_norm(channels, maps, kernel, stride)
