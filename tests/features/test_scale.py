"""Scaled values come back exactly, and logarithms are taken only where there are any."""

import json

import numpy as np
import pytest
import torch

from samoyed.errors import DataError
from samoyed.features.scale import Scale

GROWING = np.stack([np.linspace(100, 900, 50), np.linspace(-5, 5, 50), np.full(50, 7.0)], axis=1)


@pytest.mark.parametrize("transform", ["auto", "log", "none"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_backward_is_the_inverse(transform: str, dtype: torch.dtype) -> None:
    scale = Scale.learn(GROWING, transform)
    values = torch.tensor(GROWING, dtype=dtype)
    scaled = scale.forward(values)
    assert scaled.dtype == dtype
    for feature in range(3):
        found = scale.backward(scaled[:, feature], feature)
        np.testing.assert_allclose(
            found, GROWING[:, feature], rtol=1e-13 if dtype == torch.float64 else 1e-5, atol=1e-5
        )


def test_double_precision_is_kept() -> None:
    values = 1e9 + np.random.default_rng(0).normal(size=(100, 1))
    scaled = Scale.learn(values, "none").forward(torch.tensor(values))
    expected = (values - values.mean()) / values.std()
    np.testing.assert_allclose(scaled, expected, atol=1e-6)


def test_the_training_part_gets_mean_0_and_deviation_1() -> None:
    scaled = Scale.learn(GROWING, "auto").forward(torch.tensor(GROWING))
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled[:, :2].std(0, correction=0), 1, atol=1e-12)
    np.testing.assert_allclose(scaled[:, 2], 0, atol=1e-12)  # a constant is left as it is


def test_auto_takes_the_logarithm_of_positive_series_that_grow() -> None:
    assert Scale.learn(GROWING, "auto").log == [True, False, False]
    assert Scale.learn(GROWING, "log").log == [True, False, True]
    assert Scale.learn(GROWING, "none").log == [False, False, False]
    np.testing.assert_allclose(Scale.learn(GROWING, "log").mean[0], np.log(GROWING[:, 0]).mean())


def test_a_logarithm_that_is_wanted_and_is_not_there() -> None:
    with pytest.raises(
        DataError, match="the series holds -5, and only numbers above 0 have a logarithm; set transform=none"
    ):
        Scale.learn(GROWING[:, 1:], "log")


def test_values_a_logarithm_cannot_take_are_not_numbers() -> None:
    scaled = Scale.learn(GROWING[:, :1], "log").forward(torch.tensor([[1.0], [0.0], [-1.0]]))
    assert scaled[:, 0].isfinite().tolist() == [True, False, False]


def test_the_state_is_json_and_gives_the_same() -> None:
    scale = Scale.learn(GROWING, "auto")
    again = Scale(**json.loads(json.dumps(scale.state())))
    values = torch.tensor(GROWING)
    assert torch.equal(scale.forward(values), again.forward(values))
