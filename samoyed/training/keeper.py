"""What stands between a training and its run directory: the metrics' lines, the checkpoints, the events; people hear of it."""

import json
import time
from pathlib import Path

from samoyed.errors import RunError
from samoyed.files import write_text
from samoyed.reporting.progress import Reporter
from samoyed.reporting.tensorboard import Events
from samoyed.training import checkpoint
from samoyed.training.checkpoint import Snapshot
from samoyed.training.progress import Epoch

_METRICS = "metrics.jsonl"


class Keeper:
    """A training's watcher. `every` is the time between checkpoints in seconds; `identity` goes into each of them, so that
    training cannot go on with other data or settings than it began with."""

    def __init__(
        self, folder: Path, reporter: Reporter, every: float, identity: dict[str, str], events: Events | None
    ) -> None:
        self.folder, self.reporter, self.every, self.identity, self.events = folder, reporter, every, identity, events
        self._saved = time.monotonic()

    def begin(self, epochs: list[Epoch]) -> None:
        """Writes the lines of what was done before: none, or the epochs of the checkpoint that is gone on from."""
        write_text(self.folder / _METRICS, "".join(_line(epoch) for epoch in epochs))

    def stepped(self, epoch: int, done: int, of: int, loss: float) -> None:
        """Moves the bar."""
        self.reporter.stepped(epoch, done, of, loss)

    def passed(self, epoch: Epoch, left: float) -> None:
        """Adds the epoch's line."""
        with (self.folder / _METRICS).open("a", encoding="utf-8") as log:
            log.write(_line(epoch))
        if self.events is not None:
            self.events.epoch(epoch)
        self.reporter.passed(epoch, left)

    def stopping(self) -> bool:
        """Whether somebody asked training to end."""
        return self.reporter.stopping()

    def due(self, epoch: bool = False) -> bool:
        """Within an epoch after `every`, at the end of one after a tenth of it."""
        return time.monotonic() - self._saved >= (self.every / 10 if epoch else self.every)

    def save(self, snapshot: Snapshot) -> None:
        """Writes a checkpoint. Where that fails, as on a full disk, the last good one stays and training goes on."""
        snapshot.facts |= self.identity
        try:
            checkpoint.write(self.folder, snapshot)
        except RunError as error:
            self.warn(f"{error}; training goes on, and the checkpoint of before is kept")
        self._saved = time.monotonic()

    def warn(self, text: str) -> None:
        """Says it on standard error."""
        self.reporter.warn(text)


def _line(epoch: Epoch) -> str:
    plain = epoch._asdict() | {"valid": {name: result.value for name, result in epoch.valid.items()}}
    return json.dumps(plain) + "\n"
