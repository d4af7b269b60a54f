"""The loss around a network's weights, along two random directions (Li, Xu, Taylor, Studer & Goldstein 2018).

A direction is drawn like the weights, and each of its filters, or rows, scaled to the norm of the network's own: a step of 1 then
changes every filter by its own size, whatever the scale of the layer. Biases and the gains of norms stay as they are, as in the paper.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn


def direction(parameters: Sequence[nn.Parameter], generator: torch.Generator) -> list[Tensor]:
    """A random direction, normalised by filters: a tensor for each parameter, 0 for those of one axis."""
    found = []
    for p in parameters:
        if p.dim() <= 1:
            found.append(torch.zeros_like(p))
            continue
        drawn = torch.randn(p.shape, generator=generator).to(p).flatten(1)
        own = p.detach().flatten(1).norm(dim=1, keepdim=True)
        length = drawn.norm(dim=1, keepdim=True)
        found.append((drawn * (own / length.clamp(min=1e-30))).view_as(p))
    return found


def surface(
    loss: Callable[[], float],
    parameters: Sequence[nn.Parameter],
    directions: Sequence[list[Tensor]],
    places: Sequence[float],
) -> Iterator[tuple[int, int, float]]:
    """The loss at each pair of `places` along the two directions, as (row, column, loss): columns along the first. The weights are
    those of before once it is exhausted or closed."""
    held = [p.detach().clone() for p in parameters]
    try:
        for row, b in enumerate(places):
            for column, a in enumerate(places):
                with torch.no_grad():
                    for p, before, d, e in zip(parameters, held, *directions, strict=True):
                        p.copy_(before + a * d + b * e)
                    yield row, column, loss()
    finally:
        with torch.no_grad():
            for p, before in zip(parameters, held, strict=True):
                p.copy_(before)
