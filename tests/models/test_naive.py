"""The naive forecasts against loops."""

import pytest
import torch

from samoyed.models.naive import Naive
from samoyed.models.seasonal_naive import SeasonalNaive


@pytest.mark.parametrize("horizon", [1, 3, 20])
def test_naive_repeats_the_last_value(horizon: int) -> None:
    past = torch.randn(4, 6, 2)
    future = Naive(horizon=horizon)(past)
    assert future.shape == (4, horizon)
    for row in range(4):
        for k in range(horizon):
            assert future[row, k] == past[row, 5, 0]


@pytest.mark.parametrize("horizon", [1, 3, 12, 20])
@pytest.mark.parametrize("season", [1, 2, 5, 9, 50])
def test_seasonal_naive_repeats_the_last_season(season: int, horizon: int) -> None:
    past = torch.randn(4, 9, 2)
    future = SeasonalNaive(horizon=horizon, season=season)(past)
    assert future.shape == (4, horizon)
    for row in range(4):
        known = past[row, :, 0].tolist()
        for k in range(horizon):  # y_{t+k} = y_{t+k-s}, of which the last may themselves be forecasts
            known.append(known[len(known) - min(season, 9)])
            assert future[row, k].item() == known[-1]


def test_neither_has_anything_to_learn() -> None:
    for model in (Naive(horizon=3), SeasonalNaive(horizon=3, season=2)):
        assert not list(model.parameters())
        assert not model.state_dict()
        past, future = torch.randn(5, 4, 1), torch.randn(5, 3)
        before = model(past)
        model.fit(past, future)
        assert torch.equal(model(past), before)
