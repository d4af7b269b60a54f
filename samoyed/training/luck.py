"""Bad luck while training: losses that run away, and memory that runs out."""

import math
import statistics
from collections.abc import Callable, Iterable
from typing import Any

import torch

from samoyed.errors import TrainingError

MOST_ROLLBACKS = 3
_WINDOW = 20  # steps that are looked at together


class Spikes:
    """Watches the loss for a divergence, which no finite gradient shows.

    The loss has run away when its median over 20 steps is above both ten times its lowest mean over 20 steps so far and one and a
    half times the mean of the first 20. A median, since what diverges is far off on every batch; a network that knows
    nearly everything has losses near 0 but for a batch here and there with a hard example, and a few of these lift a mean more
    than tenfold. They would do so again after any rollback. Its state is a list of numbers, so that it can be saved.
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
        window = self.recent[-_WINDOW:]
        mean = math.fsum(window) / _WINDOW
        del self.recent[: -_WINDOW + 1]
        if math.isinf(self.first):
            self.first = mean
        self.lowest = min(self.lowest, mean)
        if mean > self._bound():
            self._refuse(window)

    def passed(self) -> None:
        """After an epoch, to whose end nothing must go back that has run away only just: its last three losses tell. Raises
        TrainingError."""
        window = self.recent[1 - _WINDOW :]
        if not math.isinf(self.first) and math.fsum(window) / len(window) > self._bound():
            self._refuse(window[-3:], min)

    def _bound(self) -> float:
        return max(10 * abs(self.lowest), self.first + 0.5 * abs(self.first))

    def _refuse(self, losses: list[float], typical: Callable[[list[float]], float] = statistics.median) -> None:
        if (found := typical(losses)) > self._bound():
            raise TrainingError(
                f"the loss has run away, from {self.lowest:.4g} to {found:.4g}",
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
