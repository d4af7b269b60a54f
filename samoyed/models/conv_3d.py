"""3-D ConvNet: kernels that reach through time, or through the slices of a volume, as they reach across a picture.

h^0 = x; h^n_{t,i,j} = max over a block of ReLU(normalise(sum over k, l, m of W^n_{k,l,m} h^{n-1}_{t+k, i+l, j+m})), kernels of 3 x 3 x 3; blocks of
1 x 2 x 2 above the first layer, so that time is not merged early, and of 2 x 2 x 2 above the others; logits = W mean(h^N) + b (Ji et
al. 2013; C3D, Tran et al. 2015).
Departures from C3D: batch normalisation; the mean over all places in place of two layers of 4,096 units, so that blocks may have any
size; fewer and narrower layers by default. channels=64,128,256,256,512,512,512,512 has C3D's eight, of which three are pooled where it
pools five times.
"""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from samoyed.layers.frame_encoder import each
from samoyed.layers.texts import mask_of
from samoyed.settings import Count, Share


class Conv3DClassifier(nn.Module):
    """blocks [B, C, D, H, W] -> logits [B, K].

    Args:
        block_shape: Channels, frames or slices, height, width.
        num_classes: Number of classes.
        channels: Maps of each layer; a layer as wide as the one after it is not pooled.
        dropout: Probability with which a mean is left out of a training step.
    """

    def __init__(
        self,
        *,
        block_shape: tuple[int, int, int, int],
        num_classes: int,
        channels: tuple[Count, ...] = (16, 32, 64),
        dropout: Share = 0.3,
    ) -> None:
        super().__init__()
        sizes = (block_shape[0], *channels)
        self.convolutions = nn.ModuleList(
            nn.Conv3d(below, above, 3, padding=1, bias=False) for below, above in zip(sizes, channels, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm3d(size) for size in channels)
        last = len(channels) - 1
        self.pooled = [n < last and channels[n] != channels[n + 1] for n in range(len(channels))]
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(sizes[-1], num_classes)

    def forward(self, blocks: Tensor) -> Tensor:
        """blocks [B, C, D, H, W] -> logits [B, K]."""
        hidden = blocks
        for n, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            hidden = functional.relu(norm(convolution(hidden)))
            if self.pooled[n]:
                hidden = merged(hidden, first=n == 0)
        logits: Tensor = self.output(self.dropout(hidden.mean((2, 3, 4))))
        return logits


class Conv3DTagger(nn.Module):
    """frames [B, T, C, H, W] -> logits [B, T, K] of each tag at each frame: time is never merged, and logits_t = W mean(h^N_t) + b.

    Args:
        frame_shape: Channels, height, width.
        num_tags: Number of tags.
        channels: Maps of each layer; each sees one frame more to either side than the one below.
        dropout: Probability with which a mean is left out of a training step.
    """

    def __init__(
        self,
        *,
        frame_shape: tuple[int, int, int],
        num_tags: int,
        channels: tuple[Count, ...] = (16, 32, 64),
        dropout: Share = 0.3,
    ) -> None:
        super().__init__()
        sizes = (frame_shape[0], *channels)
        self.convolutions = nn.ModuleList(
            nn.Conv3d(below, above, 3, padding=1, bias=False) for below, above in zip(sizes, channels, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(size) for size in channels)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(sizes[-1], num_tags)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """frames [B, T, C, H, W], lengths int64 [B] -> logits [B, T, K]."""
        mask = mask_of(lengths, frames.shape[1])
        hidden = frames * mask[:, :, None, None, None]
        last = len(self.norms) - 1
        for n, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            wide = convolution(hidden.transpose(1, 2)).transpose(1, 2)
            hidden = each(partial(_merged_maps, norm=norm, merge=n < last), wide, mask)
        logits: Tensor = self.output(self.dropout(hidden.mean((3, 4))))
        return logits


def _merged_maps(pictures: Tensor, norm: nn.Module, merge: bool) -> Tensor:
    """ReLU(normalise(x)) of [N, C, H, W], and the largest of each 2 x 2 where they merge; a side of 1 stays as it is."""
    found = functional.relu(norm(pictures))
    return functional.max_pool2d(found, [min(2, side) for side in found.shape[2:]]) if merge else found


def merged(hidden: Tensor, first: bool) -> Tensor:
    """The largest of each 2 x 2 x 2, or of each 1 x 2 x 2 in the `first` layer; a side of 1 stays as it is."""
    depth, height, width = hidden.shape[2:]
    block = (1 if first else min(2, depth), min(2, height), min(2, width))
    return torch.as_tensor(functional.max_pool3d(hidden, block))
