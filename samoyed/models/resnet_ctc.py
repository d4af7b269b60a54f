"""Residual 2-D ConvNet over the spectrogram (Xiong et al. 2016), trained by connectionist temporal classification (Zhang et al. 2016).

The blocks are those of He et al. 2016.

x [time, band] is what is heard; h^0 = conv(x), a stride of the stacked frames in time and of 2 in bands; then blocks
    h^{n+1} = S h^n + conv3x3(ReLU(N(conv3x3(ReLU(N(h^n))))))
where N brings each moment, over its maps and bands, to mean 0 and deviation 1, with a gain and a bias per map; the first block of
each stage doubles the maps and halves the bands, S being a 1 x 1 convolution there and the identity elsewhere;
    g_t = dropout(ReLU(V ReLU(N(h^N))_t + c)); p(symbol or blank at t) = softmax(W g_t + b).
What lies outside a recording is 0 in every layer, so that neither company nor padding changes an answer.

Departures: Xiong's residual network is one of several whose states of phones are combined in a hybrid system; here it writes letters.
Batch normalisation would see padding and company: each moment is normalised by itself. Time is reduced by the stem alone.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from samoyed.layers.texts import mask_of
from samoyed.settings import Count, Share


class ResNetCTC(nn.Module):
    """frames [B, T, C M], C stacked spectra of M bands -> logits [B, T, V] of a symbol, or the blank (index 0), at each step.

    Args:
        frame_size: Numbers per step: stacked frames times bands.
        num_bands: Bands of a spectrum.
        num_symbols: Symbols, the blank among them.
        width: Maps of the first stage; each later one has twice as many.
        depths: Residual blocks of each stage.
        hidden_size: Units that read the last maps at each step.
        dropout: Probability with which one of these units is left out of a training step.
    """

    def __init__(
        self,
        *,
        frame_size: int,
        num_bands: int,
        num_symbols: int,
        width: Count = 24,
        depths: tuple[Count, ...] = (2, 2, 2),
        hidden_size: Count = 192,
        dropout: Share = 0.2,
    ) -> None:
        super().__init__()
        if frame_size % num_bands:
            raise ValueError(f"frames of {frame_size} numbers are no spectra of {num_bands} bands")
        stack = frame_size // num_bands
        self.bands = num_bands
        self.stem = nn.Conv2d(1, width, (stack + 4, 5), (stack, 2), padding=2)
        maps, bands = width, -(-num_bands // 2)
        blocks: list[nn.Module] = []
        for number, depth in enumerate(depths):
            for i in range(depth):
                grows = number > 0 and i == 0
                blocks.append(_Block(maps, 2 * maps if grows else maps, 2 if grows else 1))
                maps, bands = (2 * maps, -(-bands // 2)) if grows else (maps, bands)
        self.blocks = nn.ModuleList(blocks)
        self.norm = _Norm(maps)
        self.hidden = nn.Linear(maps * bands, hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, num_symbols)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """frames [B, T, C M], lengths int64 [B] -> (logits [B, T, V], lengths [B])."""
        real = mask_of(lengths, frames.shape[1])
        spectra = (frames * real[..., None]).view(len(frames), 1, -1, self.bands)
        mask = real[:, None, :, None].to(frames.dtype)
        hidden = self.stem(spectra) * mask
        for block in self.blocks:
            hidden = block(hidden, mask)
        read = functional.relu(self.norm(hidden)).transpose(1, 2).flatten(2)
        logits: Tensor = self.output(self.dropout(functional.relu(self.hidden(read))))
        return logits, torch.as_tensor(lengths)


class _Block(nn.Module):
    """h + conv(ReLU(N(conv(ReLU(N(h)))))), with maps [B, C, T, F] that are 0 where the mask [B, 1, T, 1] is."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList((_Norm(before), _Norm(after)))
        self.first = nn.Conv2d(before, after, 3, (1, stride), padding=1, bias=False)
        self.second = nn.Conv2d(after, after, 3, padding=1)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]
        self.short = None if before == after else nn.Conv2d(before, after, 1, (1, stride), bias=False)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        inner = self.first(functional.relu(self.norms[0](hidden)) * mask)
        inner = self.second(functional.relu(self.norms[1](inner)) * mask)
        found: Tensor = ((hidden if self.short is None else self.short(hidden)) + inner) * mask
        return found


class _Norm(nn.Module):
    """Each moment of [B, C, T, F] over its maps and bands: mean 0 and deviation 1, then a gain and a bias per map."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(maps)), nn.Parameter(torch.zeros(maps))

    def forward(self, hidden: Tensor) -> Tensor:
        variance, mean = torch.var_mean(hidden, (1, 3), correction=0, keepdim=True)
        scaled = (hidden - mean) * torch.rsqrt(variance + 1e-5)
        return scaled * self.weight[:, None, None] + self.bias[:, None, None]
