"""Bad luck while training: losses that run away, and memory that runs out."""

import math
from collections.abc import Iterable
from typing import Any

import torch

from samoyed.errors import TrainingError

MOST_ROLLBACKS = 3
_WINDOW = 20  # steps that are averaged


class Spikes:
    """Watches the loss for a divergence, which no finite gradient shows.

    The loss has spiked when its mean over 20 steps is above both ten times the lowest such mean so far and the mean of the first
    20 steps, when nothing was learned yet. Its state is a list of numbers, so that it can be saved.
    """

    def __init__(self, state: Iterable[float] = ()) -> None:
        self.first, self.lowest = math.inf, math.inf
        self.recent: list[float] = []
        kept = list(state)
        if len(kept) > _WINDOW:
            self.first, self.lowest, *self.recent = kept
        else:
            self.recent = kept

    def see(self, loss: float) -> None:
        """After a step. Raises TrainingError where the loss has spiked."""
        self.recent.append(loss)
        if len(self.recent) < _WINDOW:
            return
        mean = math.fsum(self.recent[-_WINDOW:]) / _WINDOW
        del self.recent[: -_WINDOW + 1]
        if math.isinf(self.first):
            self.first = mean
        self.lowest = min(self.lowest, mean)
        if mean > max(10 * abs(self.lowest), self.first + 0.5 * abs(self.first)):
            raise TrainingError(
                f"the loss has run away, from {self.lowest:.4g} to {mean:.4g}",
                remedy="try a smaller learning_rate, or clip_norm=1",
            )

    def state(self) -> list[float]:
        """As JSON, which has no infinity: the losses alone until the first mean is known."""
        return self.recent[:] if math.isinf(self.first) else [self.first, self.lowest, *self.recent]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch failed for want of memory, on a GPU or on the CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("not enough memory" in text or "can't allocate memory" in text)


class Memory:
    """How the random generators and carried state stood before a step, so that it can be tried again in smaller pieces."""

    def __init__(self, task: Any) -> None:
        self.task, self.carried = task, task.carried
        self.cpu = torch.get_rng_state()
        self.cuda = torch.cuda.get_rng_state(task.device) if task.device.type == "cuda" else None

    def again(self) -> None:
        """Back to how it was."""
        self.task.carried = self.carried
        torch.set_rng_state(self.cpu)
        if self.cuda is not None:
            torch.cuda.empty_cache()
            torch.cuda.set_rng_state(self.cuda, self.task.device)
