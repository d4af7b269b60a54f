"""What a training tells and leaves: epochs, the weights, and how it ended."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from torch import Tensor

from samoyed.training.checkpoint import Snapshot
from samoyed.training.evaluation import Result

Weights = dict[str, Tensor]


class Epoch(NamedTuple):
    """What one pass gave; a line of metrics.jsonl."""

    epoch: int
    step: int
    seconds: float
    step_ms: float
    per_second: float
    learning_rate: float
    loss: float
    gradient_norm: float
    valid: dict[str, Result]
    best: bool


class Watcher(Protocol):
    """Is told how training goes, keeps its snapshots, and may ask it to stop."""

    def stepped(self, epoch: int, done: int, of: int, loss: float) -> None:
        """After a step: `done` of `of` in this epoch."""

    def passed(self, epoch: Epoch, left: float) -> None:
        """After an epoch; `left` seconds are expected to remain."""

    def stopping(self) -> bool:
        """Whether to stop before the next step."""
        ...

    def due(self, epoch: bool = False) -> bool:
        """Whether it is time for a snapshot, after a step or at the end of an epoch."""
        ...

    def save(self, snapshot: Snapshot) -> None:
        """Keeps a snapshot from which training can go on."""

    def warn(self, text: str) -> None:
        """Says what went wrong and what was done about it."""


class Silent:
    """A watcher that keeps nothing but the warnings, and never wants anything."""

    def __init__(self) -> None:
        self.warned: list[str] = []

    def stepped(self, epoch: int, done: int, of: int, loss: float) -> None:
        """Nothing."""

    def passed(self, epoch: Epoch, left: float) -> None:
        """Nothing."""

    def stopping(self) -> bool:
        """Never."""
        return False

    def due(self, epoch: bool = False) -> bool:
        """Never."""
        return False

    def save(self, snapshot: Snapshot) -> None:
        """Nothing."""

    def warn(self, text: str) -> None:
        """Remembers it."""
        self.warned.append(text)


@dataclass
class Trained:
    """What training leaves: the best and the last weights, every epoch, and why it ended."""

    best: Weights
    last: Weights
    epochs: list[Epoch] = field(default_factory=list)
    ended: Literal["finished", "early", "stopped", "failed"] = "finished"
    why: str = ""

    def kept(self) -> str:
        """Which epoch's weights are kept, and why training went no further, where that is not plain: empty where they are the last's."""
        best, last = (
            max((e.epoch for e in some), default=0) for some in ([e for e in self.epochs if e.best], self.epochs)
        )
        if best == last:
            return ""
        without = (
            f"none of the {last - best} after it was better" if last - best > 1 else "the one after it was not better"
        )
        return f"those of epoch {best}, the best on validation; {without}{', so it ended' if self.ended == 'early' else ''}"
