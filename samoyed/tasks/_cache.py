"""The continuous cache of a run: how much of it is mixed in, chosen on the validation split."""

from collections.abc import Callable, Iterator
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import nn

from samoyed.layers.continuous_cache import Cached
from samoyed.stored import Stored
from samoyed.tasks._tokens import Tokens

_THETAS, _SHARES = (0.0, 0.03, 0.1, 0.3, 1.0), tuple(k / 20 for k in range(11))


class Cache(Stored):
    """How much of a continuous cache is mixed in, and how sharply it looks for states like the present one."""

    share: Annotated[float, Ge(0), Le(1)]
    theta: Annotated[float, Ge(0)]

    @classmethod
    def chosen(cls, model: nn.Module, size: int, valid: Callable[[], Iterator[Tokens]]) -> "Cache":
        """The share and theta of least loss over the batches that `valid` gives anew at each call."""
        losses: dict[tuple[float, float], float] = {}
        for theta in _THETAS:
            cached, state, totals = Cached(model, size, 0.0, theta), None, torch.zeros(len(_SHARES)).double()
            for batch in valid():
                state = None if bool(batch.fresh[0]) else state
                plain, remembered, state = cached.chances(batch.tokens[:, :-1], batch.tokens[:, 1:], state)
                if bool(batch.scored[0]):
                    mixed = [((1 - share) * plain + share * remembered).log().double().sum() for share in _SHARES]
                    totals -= torch.stack(mixed).cpu()
            losses |= {(share, theta): float(total) for share, total in zip(_SHARES, totals, strict=True)}
        share, theta = min(losses, key=lambda pair: losses[pair])
        return cls(share=share, theta=theta)
