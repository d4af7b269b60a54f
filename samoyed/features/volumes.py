"""The size and scale of volumes. Legend: N volumes, D slices, H height, W width."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Self

import numpy as np
import torch
from annotated_types import Ge, Le
from numpy.typing import NDArray
from pydantic import model_validator
from torch import Tensor
from torch.nn import functional

from samoyed.stored import Stored

_LARGEST_AS_IS, _LARGEST = 48, 32
_LOOKED_AT = 4096  # voxels of each volume that the range is learned from
_TAILS = 0.001, 0.999


class VoxelsState(Stored):
    """What `Voxels.state` holds."""

    depth: Annotated[int, Ge(1), Le(2**12)]
    height: Annotated[int, Ge(1), Le(2**12)]
    width: Annotated[int, Ge(1), Le(2**12)]
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError("a range of values that is not empty")
        return self


class Voxels:
    """Brings volumes to one size, and their values to 256 levels between `low` and `high`."""

    def __init__(self, depth: int, height: int, width: int, low: float, high: float) -> None:
        self.depth, self.height, self.width, self.low, self.high = depth, height, width, low, high

    @classmethod
    def learn(cls, volumes: Sequence[NDArray[np.float32]], side: int | None) -> "Voxels":
        """From the training volumes [D, H, W].

        The size is a cube of `side` if given; their own where all agree on one of at most 48 to a side; else a cube of 32, or of
        the median of the shortest sides where that is less. The range holds all but a thousandth of the values at either end.
        """
        shapes = Counter(v.shape for v in volumes)
        common = next(iter(shapes)) if len(shapes) == 1 else None
        if side is not None:
            shape = (side,) * 3
        elif common is not None and max(common) <= _LARGEST_AS_IS:
            shape = common
        else:
            shape = (min(_LARGEST, int(np.median([min(v.shape) for v in volumes]))),) * 3
        some = np.concatenate([v.reshape(-1)[:: max(1, v.size // _LOOKED_AT)] for v in volumes]).astype(np.float64)
        low, high = (float(bound) for bound in np.quantile(some, _TAILS))
        if not low < high:
            low, high = float(some.min()), float(some.max())
        return cls(*shape, low, high if low < high else low + 1.0)

    def stack(self, volumes: Sequence[NDArray[np.float32]]) -> Tensor:
        """Volumes [D, H, W] of any size -> uint8 [N, D, H, W], by trilinear interpolation."""
        shape = (self.depth, self.height, self.width)
        found = torch.empty((len(volumes), *shape), dtype=torch.uint8)
        for place, values in zip(found, volumes, strict=True):
            whole = torch.from_numpy(np.ascontiguousarray(values, np.float32))[None, None]
            if tuple(values.shape) != shape:
                whole = functional.interpolate(whole, shape, mode="trilinear", align_corners=False)
            place.copy_(((whole[0, 0] - self.low) * (255 / (self.high - self.low))).clamp_(0, 255).round_())
        return found

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return dict(vars(self))
