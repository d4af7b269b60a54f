"""One optimiser step: backward, check, clip, step. Nothing that is not finite reaches the weights."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from samoyed.errors import TrainingError, UsageError
from samoyed.objectives import Mean
from samoyed.training.gradients import Gradients
from samoyed.training.sharding import Shards, is_sharded, local
from samoyed.training.world import ALONE, World

_REMEDY = "try a smaller learning_rate, or clip_norm=1"


class Descent:
    """Turns objectives into optimiser steps, one for every `accumulate` of them. Called with the objective's sum and count.

    `steps` counts the optimiser's steps; `parts` says in how many pieces each batch comes. In a world of several processes the
    loss, the count and the gradients of a step are sums over all of them. Raises TrainingError where the loss or a gradient is
    not finite, before the step, and in every process.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        clip: float | None = None,
        accumulate: int = 1,
        world: World = ALONE,
    ) -> None:
        self.optimizer, self.clip, self.accumulate, self.world = optimizer, clip, accumulate, world
        self.named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self.steps, self.parts = 0, 1
        # since the last step: pieces of a batch, batches, their loss and count
        self._pieces, self._waiting, self._loss, self._count = 0, 0, 0.0, 0.0
        self._norms, self._normed = 0.0, 0
        parameters = [p for _, p in self.named]
        kind = Shards if is_sharded(model) else Gradients
        self._shared = None if world.size == 1 else kind(parameters, world)

    def __call__(self, mean: Mean) -> None:
        loss, count = float(mean.total.detach()), float(mean.count)
        if self._shared is None:
            if not math.isfinite(loss):
                raise TrainingError(f"the loss is {loss}", remedy=_REMEDY)
            if self.accumulate == self.parts == 1:
                (mean.total / count).backward()  # type: ignore[no-untyped-call]
                self._step()
                return
        weight = self.world.weight
        self._pieces, self._loss, self._count = (
            self._pieces + 1,
            self._loss + weight * loss,
            self._count + weight * count,
        )
        if self._pieces == self.parts:
            self._pieces, self._waiting = 0, self._waiting + 1
        if self._shared is not None and self._waiting == self.accumulate:
            self._shared.begin(self._loss, self._count)
        (mean.total if weight else 0 * mean.total).backward()  # type: ignore[no-untyped-call]
        if self._waiting == self.accumulate:
            self.flush()

    @property
    def rate(self) -> float:
        """The learning rate of this step, for a model that takes it by itself."""
        return float(self.optimizer.param_groups[0]["lr"])

    def taken(self, mean: Mean) -> None:
        """Counts a step that a model took by itself, in one process. Raises TrainingError where its loss is not finite."""
        if self.world.size > 1:
            raise UsageError("this model learns in one process", remedy="start it without torchrun")
        if not math.isfinite(float(mean.total)):
            raise TrainingError(f"the loss is {float(mean.total)}", remedy=_REMEDY)
        self.steps += 1

    @property
    def idle(self) -> bool:
        """Whether no gradient waits for its step, so that the state is whole."""
        return self._waiting == 0

    def flush(self) -> None:
        """Steps on what has been accumulated, so that a last group may be smaller."""
        if not self._waiting:
            return
        loss, count = self._loss, self._count
        self._waiting, self._loss, self._count = 0, 0.0, 0.0
        if self._shared is None:
            torch._foreach_div_([p.grad for _, p in self.named if p.grad is not None], count)
        else:
            if not self._shared.begun:  # a last group that is smaller
                self._shared.begin(loss, count)
            loss, _ = self._shared.end()
            if not math.isfinite(loss):
                self.optimizer.zero_grad()
                raise TrainingError(f"the loss is {loss}", remedy=_REMEDY)
        self._step()

    def forget(self) -> None:
        """Drops gradients that wait for their step."""
        self._pieces, self._waiting, self._loss, self._count = 0, 0, 0.0, 0.0
        self.optimizer.zero_grad()
        if self._shared is not None:
            self._shared.forget()

    def close(self) -> None:
        """After the last step: the parameters are as they were found, but for their values."""
        if self._shared is not None:
            self._shared.close()

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
        gradients: list[Tensor] = [local(p.grad) for _, p in self.named if p.grad is not None]
        if self._shared is None:
            norm = float(torch.nn.utils.get_total_norm(gradients, foreach=True))
        else:
            norm = self._shared.norm(gradients)
        if not math.isfinite(norm):
            bad = self._not_finite()
            self.optimizer.zero_grad()
            raise TrainingError(f"the gradient of {bad} is not finite", remedy=_REMEDY)
        if self.clip is not None and norm > self.clip:
            torch._foreach_mul_(gradients, self.clip / (norm + 1e-6))
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.steps += 1
        self._norms, self._normed = self._norms + norm, self._normed + 1

    def _not_finite(self) -> str:
        """The first parameter whose gradient is not finite, in any process."""
        bad = [float(p.grad is not None and not bool(local(p.grad).isfinite().all())) for _, p in self.named]
        found = self.world.sum(*bad)
        return next((name for (name, _), count in zip(self.named, found, strict=True) if count), "all of them")
