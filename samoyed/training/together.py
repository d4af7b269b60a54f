"""A watcher that every process of a training asks, and that says the same to all of them."""

from collections.abc import Callable

from samoyed.training.checkpoint import Snapshot
from samoyed.training.progress import Epoch, Watcher
from samoyed.training.world import World


class Together:
    """Once per step the processes meet: in one small exchange losses and counts are added up, anybody's wish to stop becomes
    everybody's, and all take over the first process's clock and its word whether a checkpoint is due. The first alone is told
    how training goes. Alone, the watcher is asked directly.
    """

    def __init__(self, watcher: Watcher, world: World, clock: Callable[[], float]) -> None:
        self.watcher, self.world, self.clock = watcher, world, clock
        self._stop, self._due, self._due_at_end, self._seconds = False, False, False, 0.0

    def meet(self, loss: float = 0.0, count: float = 0.0) -> tuple[float, float]:
        """The sums of both over the processes; what is asked below is settled until the next meeting."""
        if self.world.size == 1:
            return loss, count
        first, watcher = self.world.first, self.watcher
        mine = (
            watcher.stopping(), first and watcher.due(), first and watcher.due(epoch=True), self.clock() if first else 0.0
        )  # fmt: skip
        loss, count, stop, due, due_at_end, self._seconds = self.world.sum(loss, count, *map(float, mine))
        self._stop, self._due, self._due_at_end = stop > 0, due > 0, due_at_end > 0
        return loss, count

    def seconds(self) -> float:
        """Of training until now, or until the last meeting."""
        return self.clock() if self.world.size == 1 else self._seconds

    def stopping(self) -> bool:
        """Whether anybody asked training to end."""
        return self.watcher.stopping() if self.world.size == 1 else self._stop

    def due(self, epoch: bool = False) -> bool:
        """Whether it is time for a checkpoint, by the first's clock."""
        if self.world.size == 1:
            return self.watcher.due(epoch)
        return self._due_at_end if epoch else self._due

    def stepped(self, epoch: int, done: int, of: int, loss: float) -> None:
        """Tells the first's watcher."""
        if self.world.first:
            self.watcher.stepped(epoch, done, of, loss)

    def passed(self, epoch: Epoch, left: float) -> None:
        """Tells the first's watcher."""
        if self.world.first:
            self.watcher.passed(epoch, left)

    def save(self, snapshot: Snapshot) -> None:
        """The first saves, and the others wait as long as that takes."""
        if self.world.first:
            self.watcher.save(snapshot)
        self.world.wait()

    def warn(self, text: str) -> None:
        """Tells the first's watcher."""
        if self.world.first:
            self.watcher.warn(text)
