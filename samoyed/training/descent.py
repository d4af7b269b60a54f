"""One optimiser step: backward, check, clip, step. Nothing that is not finite reaches the weights."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from samoyed.errors import TrainingError
from samoyed.objectives import Mean

_REMEDY = "try a smaller learning_rate, or clip_norm=1"


class Descent:
    """Turns objectives into optimiser steps, one for every `accumulate` of them. Called with the objective's sum and count.

    `steps` counts the optimiser's steps; `parts` says in how many pieces each batch comes. Raises TrainingError where the loss or a gradient is not finite, before the step.
    """

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, clip: float | None = None, accumulate: int = 1
    ) -> None:
        self.optimizer, self.clip, self.accumulate = optimizer, clip, accumulate
        self.named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self.steps, self.parts = 0, 1
        self._pieces, self._waiting, self._count = (
            0,
            0,
            0.0,
        )  # since the last step: pieces of a batch, batches, their count
        self._norms, self._normed = 0.0, 0

    def __call__(self, mean: Mean) -> None:
        loss, count = float(mean.total.detach()), float(mean.count)
        if not math.isfinite(loss):
            raise TrainingError(f"the loss is {loss}", remedy=_REMEDY)
        if self.accumulate == self.parts == 1:
            (mean.total / count).backward()  # type: ignore[no-untyped-call]
            self._step()
            return
        mean.total.backward()  # type: ignore[no-untyped-call]
        self._pieces, self._count = self._pieces + 1, self._count + count
        if self._pieces == self.parts:
            self._pieces, self._waiting = 0, self._waiting + 1
        if self._waiting == self.accumulate:
            self.flush()

    @property
    def idle(self) -> bool:
        """Whether no gradient waits for its step, so that the state is whole."""
        return self._waiting == 0

    def flush(self) -> None:
        """Steps on what has been accumulated, so that a last group may be smaller."""
        if self._waiting:
            gradients = [p.grad for _, p in self.named if p.grad is not None]
            torch._foreach_div_(gradients, self._count)
            self._waiting, self._count = 0, 0.0
            self._step()

    def forget(self) -> None:
        """Drops gradients that wait for their step."""
        self._pieces, self._waiting, self._count = 0, 0, 0.0
        self.optimizer.zero_grad()

    def mean_norm(self) -> float:
        """The gradient's mean norm, before clipping, since it was last asked."""
        mean = self._norms / max(1, self._normed)
        self._norms, self._normed = 0.0, 0
        return mean

    def state(self) -> dict[str, float]:
        """The counters, as JSON."""
        return {"steps": self.steps, "norms": self._norms, "normed": self._normed}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`; gradients that waited are forgotten."""
        self.steps, self._norms, self._normed = int(state["steps"]), float(state["norms"]), int(state["normed"])
        self.forget()

    def _step(self) -> None:
        gradients: list[Tensor] = [p.grad for _, p in self.named if p.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(gradients, foreach=True))
        if not math.isfinite(norm):
            bad = next(
                (n for n, p in self.named if p.grad is not None and not bool(p.grad.isfinite().all())), "all of them"
            )
            self.optimizer.zero_grad()
            raise TrainingError(f"the gradient of {bad} is not finite", remedy=_REMEDY)
        if self.clip is not None and norm > self.clip:
            torch._foreach_mul_(gradients, self.clip / (norm + 1e-6))
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.steps += 1
        self._norms, self._normed = self._norms + norm, self._normed + 1
