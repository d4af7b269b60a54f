"""The naive forecast: tomorrow is as today, y_{t+k} = x_t for every k. What any forecaster has to beat."""

from torch import Tensor, nn


class Naive(nn.Module):
    """past [B, T, F] -> future [B, horizon]: the last value of the first feature. There is nothing to learn.

    Args:
        horizon: Steps ahead.
    """

    def __init__(self, *, horizon: int) -> None:
        super().__init__()
        self.horizon = horizon

    def fit(self, past: Tensor, future: Tensor) -> None:
        """Learns nothing."""

    def forward(self, past: Tensor) -> Tensor:
        """past [B, T, F] -> future [B, horizon]."""
        return past[:, -1:, 0].expand(-1, self.horizon)
