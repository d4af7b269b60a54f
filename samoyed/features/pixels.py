"""The size and scale of pictures. Legend: B batch, H height, W width, C channels."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray
from PIL import Image as Pillow
from pydantic import model_validator
from torch import Tensor

from samoyed import crew, spool
from samoyed.stored import Stored

_LARGEST_AS_IS = 64
_VALUES_AT_ONCE = 2**23


class PixelsState(Stored):
    """What `Pixels.state` holds."""

    channels: Literal[1, 3]
    height: Annotated[int, Ge(1), Le(2**16)]
    width: Annotated[int, Ge(1), Le(2**16)]
    mean: list[float]
    deviation: list[Annotated[float, Gt(0)]]

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        if not len(self.mean) == len(self.deviation) == self.channels:
            raise ValueError("a mean and a deviation for each channel")
        return self


class Pixels:
    """Brings pictures to one size and number of channels, and their channels to mean 0 and deviation 1."""

    def __init__(self, channels: int, height: int, width: int, mean: list[float], deviation: list[float]) -> None:
        self.channels, self.height, self.width = channels, height, width
        self.mean, self.deviation = mean, deviation

    @classmethod
    def learn(cls, pictures: Sequence[NDArray[np.uint8]], image_size: int | None) -> "Pixels":
        """From the training pictures [H, W, C].

        Grey if all are. The size is `image_size` squared if given; their own where all agree on one of at most 64 by 64; else
        64 by 64, or the median of the shorter sides where that is smaller.
        """
        shapes = Counter(p.shape[:2] for p in pictures)
        common = next(iter(shapes)) if len(shapes) == 1 else None
        if image_size is not None:
            height = width = image_size
        elif common is not None and max(common) <= _LARGEST_AS_IS:
            height, width = common
        else:
            height = width = min(_LARGEST_AS_IS, int(np.median([min(p.shape[:2]) for p in pictures])))
        made = cls(max(p.shape[2] for p in pictures), height, width, [0.0], [1.0])
        first, end = crew.share(len(pictures))
        counts = np.zeros((made.channels, 256), np.int64)  # how often each channel has each value: sums of it are exact
        some = max(1, _VALUES_AT_ONCE // (made.channels * height * width))
        for start in range(first, end, some):
            part = pictures[start : min(start + some, end)]
            rows = spool.empty((len(part), made.channels, height, width))
            made._fill(rows, part)
            counts += [np.bincount(rows[:, c].reshape(-1), minlength=256) for c in range(made.channels)]
        counts = crew.summed(counts)
        values, count = np.arange(256), counts[0].sum()
        mean = counts @ values / (255 * count)
        made.mean = mean.tolist()
        made.deviation = np.sqrt(np.maximum(counts @ values**2 / (255**2 * count) - mean**2, 1e-6)).tolist()
        return made

    def stack(self, pictures: Iterable[NDArray[np.uint8]]) -> Tensor:
        """Pictures [H, W, C] of any size -> uint8 [B, C, H, W]: the shorter side scaled to fit, the centre kept.

        Where they do not fit in memory they lie in a file. Raises UsageError where the disk has no room for them either.
        """
        listed = list(pictures)
        shape = (len(listed), self.channels, self.height, self.width)
        return torch.from_numpy(crew.filled(shape, lambda rows, start: self._fill(rows, listed[start:])))

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 [B, C, H, W] -> float32, mean 0 and deviation 1 per channel over the training split."""
        mean = torch.tensor(self.mean, device=images.device).mul_(255).view(-1, 1, 1)
        scale = torch.tensor(self.deviation, device=images.device).mul_(255).reciprocal_().view(-1, 1, 1)
        return images.float().sub_(mean).mul_(scale)

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return dict(vars(self))

    def _fill(self, rows: NDArray[np.uint8], pictures: Iterable[NDArray[np.uint8]]) -> None:
        """Brings as many pictures as there are rows [B, C, H, W] into them."""
        for place, picture in zip(rows, pictures, strict=False):
            place[...] = self._fit(picture).transpose(2, 0, 1)

    def _fit(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width, channels = pixels.shape
        if channels != self.channels:
            pixels = np.repeat(pixels, 3, axis=2) if self.channels == 3 else _grey(pixels)
        if (height, width) == (self.height, self.width):
            return pixels
        factor = max(self.height / height, self.width / width)
        # only the part that is kept is resized: a picture of 1 x 4,000 would else become 1,000 times as large
        across, down = min(width, self.width / factor), min(height, self.height / factor)
        left, top = (width - across) / 2, (height - down) / 2
        picture = Pillow.fromarray(pixels if self.channels == 3 else pixels[:, :, 0])
        box = (left, top, left + across, top + down)
        scaled = np.asarray(picture.resize((self.width, self.height), Pillow.Resampling.BILINEAR, box=box))
        return scaled if self.channels == 3 else scaled[:, :, None]


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Pillow.fromarray(pixels).convert("L"))[:, :, None]
