"""What image captioning hands its models, and what it keeps beside them."""

from typing import Annotated, NamedTuple

import torch
from annotated_types import Ge, Le, MinLen
from torch import Tensor

from samoyed.features.pixels import PixelsState
from samoyed.stored import Stored


class Captioned(NamedTuple):
    """images uint8 [B, C, H, W]; captions int32 [B, K, T], each ended by the boundary symbol and padded with it; lengths int32
    [B, K], the boundary counted, 0 where a picture has fewer captions; references uint8 [B, R], the captions as lines in UTF-8."""

    images: Tensor
    captions: Tensor
    lengths: Tensor
    references: Tensor

    def mask(self) -> Tensor:
        """Which words are real: bool [B, K, T]."""
        return torch.arange(self.captions.shape[2], device=self.captions.device) < self.lengths[..., None]

    def trimmed(self) -> "Captioned":
        """Without columns that are padding in every row."""
        longest = int(self.lengths.max()) if len(self.lengths) else 0
        most = int((self.lengths > 0).sum(1).max()) if len(self.lengths) else 0
        return self._replace(captions=self.captions[:, :most, :longest], lengths=self.lengths[:, :most])


class State(Stored):
    """What was learned from the training split."""

    pixels: PixelsState
    words: Annotated[list[str], MinLen(1)]
    longest: Annotated[int, Ge(1), Le(10_000)]
