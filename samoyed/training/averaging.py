"""The mean of the weights that a descent passes through (Polyak & Juditsky 1992): averaged SGD, for whatever optimiser there is.

After step t of those that count, m_t = m_{t-1} + (w_t - m_{t-1}) / t, which is the mean of w_1 to w_t. Training goes on from w; what
is validated, kept and measured is m. The mean is part of the optimiser's state, so that it is saved, resumed and sharded as that is.
"""

from typing import Any

import torch
from torch import Tensor, nn

from samoyed.errors import UsageError
from samoyed.training.progress import Weights
from samoyed.training.sharding import local
from samoyed.training.state import weights_of
from samoyed.training.world import World

_MEAN, _COUNT = "mean", "counted"


class Average:
    """The mean over the steps that an optimiser takes while `on`. As a context, the parameters are their means, if there are any.

    Raises UsageError for a network with batch normalisation, whose statistics belong to the last weights, not to their mean.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, share: float) -> None:
        self.optimizer, self.share, self.on = optimizer, share, False
        if share and any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in model.modules()):
            raise UsageError(
                "average cannot be used with batch normalisation, whose statistics are not those of averaged weights",
                remedy="leave average out, or choose a model without batch normalisation",
            )
        if share > 0:
            optimizer.register_step_post_hook(self._count)

    def begin(self, progress: float) -> None:
        """Says how much of the budget is spent before a step, 0 to 1."""
        self.on = progress >= 1 - self.share

    def weights(self, model: nn.Module, world: World) -> Weights:
        """The model's state, its parameters being their means, apart from it."""
        with self:
            return weights_of(model, world)

    def __enter__(self) -> None:
        self._exchange()

    def __exit__(self, *_: object) -> None:
        self._exchange()

    def _count(self, *_: Any) -> None:
        if not self.on:
            return
        for p in (p for group in self.optimizer.param_groups for p in group["params"]):
            state = self.optimizer.state[p]
            if _MEAN not in state:
                state[_MEAN], state[_COUNT] = p.detach().clone(), torch.ones(())
                continue
            state[_COUNT] += 1
            local(state[_MEAN]).lerp_(local(p.detach()), 1 / float(state[_COUNT]))

    @torch.no_grad()
    def _exchange(self) -> None:
        for p in (p for group in self.optimizer.param_groups for p in group["params"]):
            mean: Tensor | None = self.optimizer.state.get(p, {}).get(_MEAN)
            if mean is not None:
                held = local(p).clone()
                local(p).copy_(local(mean))
                local(mean).copy_(held)
