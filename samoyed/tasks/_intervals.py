"""Intervals around forecasts, from the errors of the validation split. Legend: N windows, H steps ahead.

Split-conformal (Papadopoulos 2002; Lei 2018, section 5.2, for errors divided by their size): with s_h the root mean squared
error h steps ahead, r the scores |e_nh| / s_h of all N H validation errors in order and k = ceil((N H + 1) c), at most N H, the
interval of coverage c is y_h +- r_k s_h. One rank for all steps ahead serves splits of few windows, where a rank for each step
runs out of windows. Neighbouring windows overlap and a series may change: c is then an aim, not a promise, so that the coverage
on the test split is measured and reported.
"""

import math

import torch
from torch import Tensor


def half_widths(errors: Tensor, coverage: float) -> Tensor:
    """errors [N, H] -> the half widths [H] of intervals around forecasts, in the errors' unit."""
    size = errors.square().mean(0).sqrt()
    scores = (errors.abs() / size.clamp(min=torch.finfo(size.dtype).tiny)).flatten().sort().values
    rank = min(len(scores), math.ceil((len(scores) + 1) * coverage))
    return scores[max(rank, 1) - 1] * size
