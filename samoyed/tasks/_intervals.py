"""Intervals around forecasts, from the errors of the validation split. Legend: N windows, H steps ahead, K levels.

Split-conformal (Papadopoulos 2002; Lei 2018, section 5.2, for errors divided by their size): with s_h the root mean squared
error h steps ahead, g(y) how much larger or smaller errors are where the forecast is y, r the scores |e_nh| / (s_h g(y_nh)) of all
N H validation errors in order and k = ceil((N H + 1) c), at most N H, the interval of coverage c is y_h +- r_k s_h g(y_h). One rank
for all steps ahead serves splits of few windows, where a rank for each step runs out of windows.

g is the mean of |e| / s_h among forecasts of a level, over its mean: of 16 levels or fewer, each of at least 16 windows, in a straight
line between them and constant beyond; 1 where there are fewer than 32 windows. Many series err more where they are high, and the
years after may be higher than those of the validation split.

Neighbouring windows overlap, g is learned from the same errors, and a series may change: c is then an aim, not a promise, so that the
coverage on the test split is measured and reported.
"""

import math
from typing import Annotated

import torch
from annotated_types import Gt
from torch import Tensor

from samoyed.stored import Stored

_WINDOWS, _LEVELS = 16, 16
_LEAST = 0.1  # of g


class Levels(Stored):
    """g: the forecasts [K], rising, at which it was measured, and its values [K]; without any, 1."""

    forecasts: list[float] = []
    factors: list[Annotated[float, Gt(0)]] = []

    @classmethod
    def learned(cls, forecasts: Tensor, errors: Tensor) -> "Levels":
        """From forecasts and errors [N, H]."""
        count = min(_LEVELS, len(errors) // _WINDOWS)
        size = errors.square().mean(0).sqrt()
        if count < 2 or not bool((size > 0).all()):
            return cls()
        scores = (errors.abs() / size).flatten()
        order = forecasts.flatten().argsort()
        parts = [(forecasts.flatten()[part].mean(), scores[part].mean()) for part in order.tensor_split(count)]
        factors = torch.stack([score for _, score in parts]) / scores.mean()
        return cls(forecasts=[float(level) for level, _ in parts], factors=factors.clamp(min=_LEAST).tolist())

    def of(self, forecasts: Tensor) -> Tensor:
        """g of each forecast."""
        if not self.factors:
            return torch.ones_like(forecasts)
        at, values = (forecasts.new_tensor(part) for part in (self.forecasts, self.factors))
        above = torch.searchsorted(at, forecasts.contiguous()).clamp(1, len(at) - 1)
        low, high = at[above - 1], at[above]
        share = ((forecasts - low) / (high - low).clamp(min=torch.finfo(at.dtype).tiny)).clamp(0, 1)
        return values[above - 1].lerp(values[above], share)


def half_widths(errors: Tensor, coverage: float, relative: Tensor | None = None) -> Tensor:
    """errors [N, H], g of their forecasts [N, H] or None for 1 -> the half widths [H] where g is 1, in the errors' unit."""
    size = errors.square().mean(0).sqrt()
    scores = errors.abs() / size.clamp(min=torch.finfo(size.dtype).tiny)
    scores = (scores if relative is None else scores / relative).flatten().sort().values
    rank = min(len(scores), math.ceil((len(scores) + 1) * coverage))
    return scores[max(rank, 1) - 1] * size
