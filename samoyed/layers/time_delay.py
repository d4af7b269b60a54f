"""What time-delay networks share: layers that see three moments each, over wider and wider stretches of time.

Legend: B batch, T time, F numbers per frame, H hidden.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from samoyed.layers.texts import mask_of


class TimeDelayReader(nn.Module):
    """frames [B, T, F] -> hidden [B, T, H]: h^n_t = normalise(ReLU(sum over k of W^n_k h^{n-1}_{t + k d_n} + b^n)), k = -1, 0, 1,
    with zeros outside a sequence."""

    def __init__(self, frame_size: int, hidden_size: int, dilations: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        sizes = [frame_size, *[hidden_size] * len(dilations)]
        self.layers = nn.ModuleList(
            nn.Conv1d(size, hidden_size, 3, padding=dilation, dilation=dilation)
            for size, dilation in zip(sizes, dilations, strict=False)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_size) for _ in dilations)
        self.dropout = nn.Dropout(dropout)
        self.size = sizes[-1]

    def read(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """frames [B, T, F], lengths int64 [B] -> hidden [B, T, H], 0 beyond the lengths."""
        mask = mask_of(lengths, frames.shape[1])[..., None]
        hidden = frames * mask
        for layer, norm in zip(self.layers, self.norms, strict=True):
            wide = functional.relu(layer(hidden.transpose(1, 2))).transpose(1, 2)
            hidden = self.dropout(norm(wide)) * mask
        return torch.as_tensor(hidden)
