"""Which weights are left out: the smallest, as every layer can bear it (Han, Pool, Tran & Dally 2015).

Han tunes a threshold for every layer by hand. Here one threshold stands over all layers for the layer-adaptive magnitude of Lee,
Park, Mo, Ahn & Shin (2021): the weights u of a layer sorted by size, score(u_i) = u_i^2 / sum_{j >= i} u_j^2, the share of what
would be left of the layer. The largest weight of a layer scores 1, so that no layer is lost.
"""

import math

import torch
from torch import Tensor


def scores(weight: Tensor) -> Tensor:
    """The layer-adaptive magnitude of each weight, in the weight's shape.

    >>> scores(torch.tensor([[3.0, 0.0], [-4.0, 0.0]]))
    tensor([[0.3600, 0.0000],
            [1.0000, 0.0000]])
    """
    ordered, places = weight.detach().double().square().flatten().sort()
    left = ordered.flip(0).cumsum(0).flip(0)
    found = torch.where(left > 0, ordered / left, 0)
    return torch.empty_like(found).scatter_(0, places, found).view(weight.shape).float()


def masks(weights: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """True where a weight stays, `share` of all of them being left out: those with the lowest scores over all layers."""
    found = {name: scores(weight) for name, weight in weights.items()}
    every = torch.cat([score.flatten() for score in found.values()])
    count = min(round(share * len(every)), len(every) - 1)
    if count < 1:
        return {name: weight.detach() != 0 for name, weight in weights.items()}
    bound = every.kthvalue(count).values
    return {name: (score > bound) & (weights[name].detach() != 0) for name, score in found.items()}


def shares(share: float) -> list[float]:
    """What is left out round by round, with training between: much at first and little at last (Zhu & Gupta 2017).

    >>> [round(s, 3) for s in shares(0.9)], shares(0.4)
    ([0.633, 0.867, 0.9], [0.4])
    """
    rounds = 1 if share <= 0.5 else 3
    return [share * (1 - (1 - number / rounds) ** 3) for number in range(1, rounds + 1)] if share else []


def left(weights: dict[str, Tensor]) -> float:
    """The share of weights that are not 0."""
    count = sum(weight.numel() for weight in weights.values())
    return sum(int(weight.count_nonzero()) for weight in weights.values()) / count if count else math.nan
