"""What is done to training pictures, so that a network sees each of them in many forms: batched, on the pictures' device.

Every draw comes from a generator that the caller seeds from (seed, epoch, position), so that a training that is gone on with sees the
same pictures as one that never stopped, and so do several processes. Legend: B batch, C channels, H height, W width, K classes.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

KINDS = {
    "crop": "shifted by up to an eighth of the side, the border mirrored",
    "flip": "every other epoch in the mirror",
    "random_flip": "in the mirror by chance",
    "affine": "turned, sheared and scaled a little",
    "elastic": "bent as rubber",
    "colour": "brightness, contrast and saturation changed",
    "cutout": "a square hidden",
    "mixup": "blended with another, labels too",
}
SETS = {"none": (), "light": ("crop", "flip"), "strong": ("crop", "flip", "affine", "colour", "cutout")}
MIRRORS = ("flip", "random_flip")
_TURN, _SHEAR, _SCALE = 15.0, 0.15, 0.1  # degrees, share of the side, share of the size
_BENT, _SMOOTH = 0.05, 1 / 7  # deviation of the displacement, and width of its smoothing, as shares of the side
_LIGHT = 0.3
_BLEND = 0.2


def chosen(wanted: Sequence[str], channels: int, classes: Sequence[str]) -> tuple[str, ...]:
    """The kinds that the words stand for, each once, in the order of `KINDS`.

    auto is light for colour pictures and nothing for grey ones. In auto, light and strong, pictures are not mirrored where every
    class is named by a number or a single letter: digits and letters have a hand.

    >>> chosen(["auto"], 3, ["cat", "dog"]), chosen(["auto"], 1, ["cat", "dog"]), chosen(["light", "colour"], 3, ["6", "9"])
    (('crop', 'flip'), (), ('crop', 'colour'))
    """
    signs = all(len(name) == 1 or name.isdecimal() for name in classes)
    found: set[str] = set()
    for word in wanted:
        named = SETS.get("light" if channels == 3 else "none", ()) if word == "auto" else SETS.get(word, (word,))
        found |= {kind for kind in named if word not in ("auto", "light", "strong") or kind not in MIRRORS or not signs}
    return tuple(kind for kind in KINDS if kind in found)


class Augmentation:
    """Deforms batches of training pictures. `strength` multiplies every amplitude; `fill` [C], 0 to 255, is what hides a square."""

    def __init__(self, kinds: Sequence[str], strength: float = 1.0, fill: Sequence[float] = (127.0,)) -> None:
        self.kinds, self.strength, self.fill = tuple(kinds), strength, tuple(fill)

    def deform(self, images: Tensor, generator: torch.Generator, mirrored: Tensor | None = None) -> Tensor:
        """uint8 [B, C, H, W] -> the same shape and type, on the same device. `mirrored` bool [B] says which are to be flipped
        where `flip` is asked for; by chance where it is not given."""
        if {"affine", "elastic"} & set(self.kinds):
            images = self._warp(images, generator)
        if {"crop", *MIRRORS} & set(self.kinds):
            images = self._shift(images, generator, mirrored)
        if "colour" in self.kinds:
            images = self._tint(images, generator)
        if "cutout" in self.kinds:
            images = self._hide(images, generator)
        return images

    def mix(self, images: Tensor, targets: Tensor, classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Mixup (Zhang 2018): x = a x_i + (1 - a) x_j, y = a y_i + (1 - a) y_j, a from Beta(0.2, 0.2), j a permutation.

        uint8 [B, C, H, W], int64 [B] or float32 [B, K] -> uint8 [B, C, H, W], float32 [B, K].
        """
        share = np.random.default_rng(generator.initial_seed()).beta(_BLEND, _BLEND, len(images))
        first = torch.from_numpy(np.maximum(share, 1 - share)).float().to(images.device)[:, None]
        other = torch.randperm(len(images), generator=generator).to(images.device)
        if not targets.is_floating_point():
            targets = functional.one_hot(targets, classes).float()
        factor, values = first[:, :, None, None], images.float()
        return _rounded(factor * values + (1 - factor) * values[other]), first * targets + (1 - first) * targets[other]

    def _shift(self, images: Tensor, generator: torch.Generator, mirrored: Tensor | None) -> Tensor:
        """Moved by whole pixels, the border mirrored without its edge, and flipped left to right: values are copied, not mixed."""
        size, (height, width), device = len(images), images.shape[2:], images.device
        rows, columns = (torch.arange(n).expand(size, n) for n in (height, width))
        if "crop" in self.kinds:
            rows, columns = (
                _mirrored(along + _whole(size, self.strength * n / 8, generator), n)
                for along, n in ((rows, height), (columns, width))
            )
        if "random_flip" in self.kinds or ("flip" in self.kinds and mirrored is None):
            mirrored = torch.rand(size, generator=generator) < 0.5
        if mirrored is not None and set(MIRRORS) & set(self.kinds):
            columns = torch.where(mirrored.cpu()[:, None], columns.flip(1), columns)
        places = (rows[:, :, None] * width + columns[:, None, :]).flatten(1).to(device)  # [B, H W]
        channels = images.shape[1]
        return images.flatten(2).gather(2, places[:, None].expand(-1, channels, -1)).view_as(images)

    def _warp(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """x'(p) = x(A p + d(p)), bilinear, the border mirrored: A turns, shears and scales; d is smooth noise (Simard 2003)."""
        size, (height, width) = len(images), images.shape[2:]
        matrix = torch.eye(2).expand(size, 2, 2)
        if "affine" in self.kinds:
            turn, shear, across, down = (2 * torch.rand(4, size, generator=generator) - 1) * self.strength
            angle = turn * math.radians(_TURN)
            rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1).view(-1, 2, 2)
            ones = torch.ones(size)
            sheared = torch.stack([1 + across * _SCALE, shear * _SHEAR, 0 * ones, 1 + down * _SCALE], -1).view(-1, 2, 2)
            matrix = rotation @ sheared
        grid = _grid(matrix, height, width)
        if "elastic" in self.kinds:
            noise = 2 * torch.rand(size, 2, height, width, generator=generator) - 1
            bent = _smoothing(height) @ noise @ _smoothing(width).T / 3**-0.5  # of deviation 1 away from the border
            scale = 2 * self.strength * _BENT * min(height, width) / torch.tensor([width, height])
            grid = grid + bent.permute(0, 2, 3, 1) * scale
        return _rounded(_sampled(images, grid))

    def _tint(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Brightness times a, contrast about the picture's mean times b, saturation about grey times c; 1 +- 0.3 each."""
        factors = 1 + (2 * torch.rand(3, len(images), 1, 1, 1, generator=generator) - 1) * min(
            1.0, _LIGHT * self.strength
        )
        light, contrast, saturation = factors.to(images.device)
        values = images.float() * light
        mean = values.mean((1, 2, 3), keepdim=True)
        values = mean + contrast * (values - mean)
        if images.shape[1] == 3:
            weights = torch.tensor([0.299, 0.587, 0.114], device=images.device).view(3, 1, 1)  # ITU-R BT.601
            grey = (values * weights).sum(1, keepdim=True)
            values = grey + saturation * (values - grey)
        return _rounded(values)

    def _hide(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """A square of half the shorter side, centred anywhere, takes the mean colour (DeVries 2017)."""
        size, (height, width) = len(images), images.shape[2:]
        half = self.strength * min(height, width) / 4
        down, right = (torch.rand(size, 1, generator=generator) * n for n in (height, width))
        rows = (torch.arange(height) + 0.5 - down).abs() < half  # [B, H]
        columns = (torch.arange(width) + 0.5 - right).abs() < half
        hidden = (rows[:, None, :, None] & columns[:, None, None, :]).to(images.device)
        fill = _rounded(torch.tensor(self.fill, device=images.device)).view(1, -1, 1, 1)
        return torch.where(hidden, fill, images)


def views(images: Tensor, how: str) -> list[Tensor]:
    """The pictures [B, C, H, W] as they are, in the mirror, and each of both moved by a pixel, its border repeated."""
    found = [images] if how == "one" else [images, images.flip(3)]
    if how == "shifted":
        height, width = images.shape[2:]
        padded = [functional.pad(view, (1, 1, 1, 1), "replicate") for view in found]
        found += [view[:, :, by : by + height, by : by + width] for view in padded for by in (0, 2)]
    return found


def moved(images: Tensor, by: int) -> Tensor:
    """[B, C, H, W] moved by whole pixels to the right and down, the border mirrored."""
    rows, columns = (_mirrored(torch.arange(n, device=images.device) - by, n) for n in images.shape[2:])
    return images[:, :, rows][..., columns]


def turned(images: Tensor, degrees: float) -> Tensor:
    """uint8 [B, C, H, W] turned about the centre, bilinear, the border mirrored."""
    angle = torch.tensor(math.radians(degrees))
    matrix = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(1, 2, 2).expand(len(images), 2, 2)
    return _rounded(_sampled(images, _grid(matrix, images.shape[2], images.shape[3])))


def _grid(matrix: Tensor, height: int, width: int) -> Tensor:
    """matrix [B, 2, 2] in pixels about the centre -> where each pixel is taken from [B, H, W, 2], each side counting 2."""
    sides = torch.tensor([width / 2, height / 2])
    matrix = matrix * sides[None, None, :] / sides[None, :, None]
    x, y = ((2 * torch.arange(n) + 1) / n - 1 for n in (width, height))
    points = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], -1)  # [H, W, 2]
    return torch.einsum("bij,hwj->bhwi", matrix, points)


def _sampled(images: Tensor, grid: Tensor) -> Tensor:
    return functional.grid_sample(
        images.float(), grid.to(images.device), padding_mode="reflection", align_corners=False
    )


def _whole(size: int, most: float, generator: torch.Generator) -> Tensor:
    """Whole numbers from -most to most, int64 [B, 1]; most is at least 1."""
    reach = max(1, round(most))
    return torch.randint(-reach, reach + 1, (size, 1), generator=generator)


def _mirrored(places: Tensor, side: int) -> Tensor:
    """Places outside 0 .. side - 1 as their images in a mirror on the outermost pixel."""
    if side == 1:
        return torch.zeros_like(places)
    folded = places.remainder(2 * (side - 1))
    return torch.minimum(folded, 2 * (side - 1) - folded)


def _smoothing(side: int) -> Tensor:
    """A Gaussian filter as a matrix [side, side]; rows away from the border have the length 1, so that noise keeps its deviation."""
    places = torch.arange(side, dtype=torch.float64)
    width = max(1e-6, side * _SMOOTH)
    filtered = torch.exp(-0.5 * ((places[:, None] - places) / width) ** 2)
    return (filtered / math.sqrt(math.sqrt(math.pi) * width)).float()


def _rounded(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)
