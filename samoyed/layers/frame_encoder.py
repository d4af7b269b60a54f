"""What networks share that look at a video, or the slices of a volume, one picture at a time.

Legend: B batch, C channels, D frames or slices, T frames of which some are padding, H height, W width, S size of the code.
"""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from samoyed.layers.texts import mask_of


class FrameEncoder(nn.Module):
    """blocks [B, C, D, H, W] -> codes [B, D, S]: the same small ConvNet on each picture, which keeps where things are.

    Equations: h^0 = x; h^n = pool(ReLU(normalise(W^n * h^{n-1}))), kernels of 3 x 3, maxima over 2 x 2; code = ReLU(V h^N + b).
    """

    def __init__(self, block_shape: tuple[int, int, int, int], channels: tuple[int, ...], size: int) -> None:
        super().__init__()
        below, _, height, width = block_shape
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise((below, *channels)):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            if min(height, width) > 1:
                layers.append(nn.MaxPool2d(2))
                height, width = height // 2, width // 2
        self.maps = nn.Sequential(*layers)
        self.code = nn.Linear((*channels, below)[len(channels) - 1] * height * width, size)

    def forward(self, blocks: Tensor) -> Tensor:
        """blocks [B, C, D, H, W] -> codes [B, D, S]."""
        pictures = blocks.transpose(1, 2)
        return self.of(pictures.flatten(0, 1)).view(*pictures.shape[:2], -1)

    def of(self, pictures: Tensor) -> Tensor:
        """pictures [N, C, H, W] -> codes [N, S]."""
        codes: Tensor = self.code(self.maps(pictures).flatten(1)).relu()
        return codes

    def of_frames(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """frames [B, T, C, H, W], lengths int64 [B] -> codes [B, T, S], 0 beyond the lengths, where nothing is looked at."""
        return each(self.of, frames, mask_of(lengths, frames.shape[1]))


def each(of: Callable[[Tensor], Tensor], frames: Tensor, mask: Tensor) -> Tensor:
    """`of` [N, ...] -> [N, *] for every frame of [B, T, ...] that is no padding: [B, T, *], 0 elsewhere, where nothing is looked at.

    In a graph for other runtimes padding is computed too, since the number of frames that are none is not known there; with
    statistics that are not of the batch, the numbers are the same.
    """
    if torch.compiler.is_exporting():
        made = of(frames.flatten(0, 1))
        whole = made.reshape(*mask.shape, *made.shape[1:])
        return whole * mask.view(*mask.shape, *[1] * (whole.ndim - 2))
    some = of(frames[mask])
    found = some.new_zeros(*mask.shape, *some.shape[1:])
    found[mask] = some
    return found


def neighbours(frames: Tensor, lengths: Tensor, before: int, after: int) -> Tensor:
    """frames [B, T, C, H, W] -> [B, T, (before + 1 + after) C, H, W], each with those around it as further channels; where there is none,
    the first or the last of the clip stands for it."""
    steps = torch.arange(-before, after + 1, device=frames.device)
    at = torch.arange(frames.shape[1], device=frames.device)[:, None] + steps  # [T, S]
    last = (lengths.to(frames.device) - 1)[:, None, None]
    places = torch.minimum(at.clamp(min=0)[None], last)
    rows = torch.arange(frames.shape[0], device=frames.device)[:, None, None]
    return frames[rows, places].flatten(2, 3)
