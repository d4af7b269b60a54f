"""Weight sharing: every weight of a layer is one of few levels, found by k-means (Han, Mao & Dally 2015, section 3).

The levels start evenly between the smallest and the largest weight, which keeps some for the rare large ones (section 3.2). A
weight that is 0 stays 0 and costs no level.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_ROUNDS = 100


def levels(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """values [N] -> at most `count` levels, increasing: where Lloyd's algorithm comes to rest.

    In one dimension the values nearest to a level are neighbours, so that a round costs a search per level, not per value.
    """
    ordered = np.sort(values.astype(np.float64))
    centres = np.unique(np.linspace(ordered[0], ordered[-1], count))
    sums = np.concatenate([[0.0], ordered.cumsum()])
    for _ in range(_ROUNDS):
        borders = np.searchsorted(ordered, (centres[1:] + centres[:-1]) / 2)
        ends = np.concatenate([[0], borders, [len(ordered)]])
        counts = np.diff(ends)
        means = np.where(counts > 0, np.diff(sums[ends]) / np.maximum(counts, 1), centres)
        if np.array_equal(means, centres):
            break
        centres = means
    return np.unique(centres[counts > 0].astype(np.float32))


def assigned(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """The levels [K] of a layer, the first being 0, and the number of the level of each weight, int64 in the weight's shape.

    There are at most 2^bits besides 0, and no more than a quarter of the weights, whose own list would otherwise outweigh them.
    """
    value = weight.detach().cpu().numpy()
    used = value[value != 0]
    if not len(used):
        return torch.zeros(1, device=weight.device), torch.zeros_like(weight, dtype=torch.int64)
    found = levels(used, max(2, min(2**bits, len(used) // 4)))
    nearest = np.searchsorted((found[1:] + found[:-1]) / 2, value)
    numbers = torch.from_numpy(np.where(value == 0, 0, nearest + 1)).to(weight.device)
    return torch.from_numpy(np.concatenate([[np.float32(0)], found])).to(weight.device), numbers
