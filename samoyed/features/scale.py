"""The scale of a series, learned from its training part. Legend: F features."""

from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Gt
from numpy.typing import NDArray
from torch import Tensor

from samoyed.errors import DataError
from samoyed.stored import Stored


class ScaleState(Stored):
    """What `Scale.state` holds: one of each per feature."""

    log: list[bool]
    mean: list[float]
    deviation: list[Annotated[float, Gt(0)]]


class Scale:
    """y = (g(x) - mean) / deviation per feature, where g is the identity or, for positive series that grow, the logarithm.

    Constant features get deviation 1.
    """

    def __init__(self, log: list[bool], mean: list[float], deviation: list[float]) -> None:
        self.log, self.mean, self.deviation = log, mean, deviation

    @classmethod
    def learn(cls, values: NDArray[np.float64], transform: str) -> "Scale":
        """From `values` [T, F]; `transform` is log, none, or auto: log where all are positive and the largest is at least
        three times the smallest. Raises DataError where the logarithm of the first feature is wanted and there is none."""
        if transform == "log" and values[:, 0].min() <= 0:
            raise DataError(
                f"the series holds {values[:, 0].min():g}, and only numbers above 0 have a logarithm",
                remedy="set transform=none, or leave it out",
            )
        positive = values.min(axis=0) > 0
        wide = positive & (values.max(axis=0) >= 3 * np.maximum(values.min(axis=0), 1e-300))
        log = {"auto": wide, "log": positive, "none": np.zeros_like(wide)}[transform]
        shown = np.where(log, np.log(np.where(log, values, 1.0)), values)
        deviation = shown.std(axis=0)
        return cls(log.tolist(), shown.mean(axis=0).tolist(), np.where(deviation > 1e-12, deviation, 1.0).tolist())

    def forward(self, values: Tensor) -> Tensor:
        """[..., F] in the data's units -> scaled. Values that a logarithm cannot take become NaN."""
        log = torch.tensor(self.log, device=values.device)
        shown = torch.where(log, torch.where(log, values, 1.0).log(), values)
        return (shown - _like(self.mean, values)) / _like(self.deviation, values)

    def backward(self, scaled: Tensor, feature: int = 0) -> Tensor:
        """Scaled values of one feature, of any shape -> the data's units."""
        shown = scaled * self.deviation[feature] + self.mean[feature]
        return shown.exp() if self.log[feature] else shown

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {"log": self.log, "mean": self.mean, "deviation": self.deviation}


def _like(numbers: list[float], values: Tensor) -> Tensor:
    """Numbers in the type and on the device of `values`, rounded once."""
    return torch.tensor(numbers, dtype=torch.float64).to(values)
