"""The seasonal naive forecast: y_{t+k} = x_{t+k-s}, the value one season s before; later seasons repeat the last one."""

import torch
from torch import Tensor, nn


class SeasonalNaive(nn.Module):
    """past [B, T, F] -> future [B, horizon]: the last season of the first feature, repeated. There is nothing to learn.

    Args:
        horizon: Steps ahead.
        season: Steps after which the series repeats; a past that is shorter is repeated whole.
    """

    def __init__(self, *, horizon: int, season: int) -> None:
        super().__init__()
        self.horizon, self.season = horizon, season

    def fit(self, past: Tensor, future: Tensor) -> None:
        """Learns nothing."""

    def forward(self, past: Tensor) -> Tensor:
        """past [B, T, F] -> future [B, horizon]."""
        length = past.shape[1]
        season = min(self.season, length)
        ahead = torch.arange(self.horizon, device=past.device)
        return past[:, length - season + ahead % season, 0]
