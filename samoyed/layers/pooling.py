"""Pooling over time: what all moments of a sequence say, as one vector, however long it is.

Legend: B batch, T time, H hidden.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from samoyed.layers.texts import AttentionPooling, mask_of

How = Literal["statistics", "attention", "mean", "max"]
_LEAST = 1e-5  # of a variance, whose root has no slope at 0


class TimePooling(nn.Module):
    """hidden [B, T, H] -> [B, `size`]: mean and standard deviation over time (Snyder et al. 2018), a mean weighed by attention
    (Yang et al. 2016), the mean, or the largest of each unit."""

    def __init__(self, hidden_size: int, how: How) -> None:
        super().__init__()
        self.how = how
        self.size = 2 * hidden_size if how == "statistics" else hidden_size
        self.attend = AttentionPooling(hidden_size) if how == "attention" else None

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """hidden [B, T, H], lengths int64 [B] -> [B, size]; what lies beyond the lengths changes nothing."""
        mask = mask_of(lengths, hidden.shape[1])
        if self.attend is not None:
            found: Tensor = self.attend(hidden, mask)[0]
            return found
        if self.how == "max":
            return hidden.masked_fill(~mask[..., None], -torch.inf).amax(1)
        count = lengths[:, None].to(hidden)
        mean = (hidden * mask[..., None]).sum(1) / count
        if self.how == "mean":
            return mean
        variance = ((hidden - mean[:, None]).square() * mask[..., None]).sum(1) / count
        return torch.cat([mean, variance.clamp(min=_LEAST).sqrt()], 1)
