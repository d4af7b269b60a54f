"""What fine-tuning must not undo: weights that were left out stay 0, weights that share a level go on sharing it.

The gradient of a level is the sum of its weights' gradients (Han, Mao & Dally 2015, section 3.3). Each weight of the level is given
it, so that an optimiser that treats numbers one by one moves all of them alike; after a step they are set to their mean, which
takes away what rounding left, and gives models that take their steps by themselves the same rule.
"""

from typing import Any

import torch
from torch import Tensor


class Kept:
    """Holds parameters to what was decided about them. `masks` are True where a weight stays; `levels` the number of the level
    of each weight, 0 standing for one that is left out."""

    def __init__(
        self, parameters: dict[str, Tensor], masks: dict[str, Tensor], levels: dict[str, Tensor] | None = None
    ) -> None:
        self.parameters, self.masks, self.levels = parameters, masks, levels or {}
        self.counts = {name: torch.bincount(numbers.flatten()) for name, numbers in self.levels.items()}

    def attach(self, optimizer: torch.optim.Optimizer) -> None:
        """Has every step of the optimiser keep to it."""
        optimizer.register_step_pre_hook(self._gather)
        optimizer.register_step_post_hook(lambda *given: self.restore())

    def restore(self) -> None:
        """Brings the parameters back to what was decided, from wherever a step took them."""
        with torch.no_grad():
            for name, mask in self.masks.items():
                self.parameters[name].mul_(mask)
            for name, numbers in self.levels.items():
                parameter = self.parameters[name]
                means = self._summed(name, parameter) / self.counts[name].clamp(min=1)
                means[0] = 0
                parameter.copy_(means.to(parameter.dtype)[numbers])

    def _gather(self, *given: Any) -> None:
        for name, numbers in self.levels.items():
            gradient = self.parameters[name].grad
            if gradient is not None:
                gradient.copy_(self._summed(name, gradient).to(gradient.dtype)[numbers])

    def _summed(self, name: str, value: Tensor) -> Tensor:
        """The sum of the numbers at each level, in float64: [K]."""
        zeros = torch.zeros(len(self.counts[name]), dtype=torch.float64, device=value.device)
        return zeros.index_add_(0, self.levels[name].flatten(), value.detach().double().flatten())
