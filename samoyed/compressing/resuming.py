"""What a compression leaves on the disk while it is at work, so that it can be gone on with after Ctrl-C or a crash.

    RUN/compressing/begun.json             what it was told
    RUN/compressing/rounds/checkpoint/N    the weights, masks and figures after N rounds of training
    RUN/compressing/steps/checkpoint/N     the round at work, between two steps, as every training keeps itself

All of it is removed when the run is sealed. A compression that was gone on with ends as one that was never stopped, bit for bit on the
same machine.
"""

import json
import shutil
import time
from pathlib import Path
from typing import Any

from samoyed.errors import DataError, RunError
from samoyed.files import write_json
from samoyed.training import checkpoint
from samoyed.training.checkpoint import Snapshot

FOLDER = "compressing"
_EVERY = 60.0  # seconds between two snapshots of a round


class Progress:
    """The folder of one compression. `identity` says of which data, run and settings it is."""

    def __init__(self, run: Path, identity: dict[str, str], every: float = _EVERY) -> None:
        self.folder, self.identity, self.every = run / FOLDER, identity, every
        self.number, self._saved = 0, time.monotonic()

    def begin(self, told: dict[str, Any]) -> None:
        """Writes what the compression was told."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "begun.json", told)

    def reached(self) -> tuple[Snapshot | None, list[str]]:
        """The state after the last round that is whole on the disk, and what was damaged. Raises DataError for another's."""
        found, problems = checkpoint.read(self.folder / "rounds")
        if found is not None and found.facts["identity"] != self.identity:
            raise DataError(
                "the data or the run are not those that this compression began with",
                where=self.folder.parent,
                remedy="bring them back, or compress anew",
            )
        return found, problems

    def keep(self, number: int, snapshot: Snapshot) -> None:
        """Writes the state after `number` rounds."""
        snapshot.facts |= {"identity": self.identity, "steps": number}
        checkpoint.write(self.folder / "rounds", snapshot)
        shutil.rmtree(self.folder / "steps", ignore_errors=True)

    def within(self, number: int) -> Snapshot | None:
        """From where the round of this number goes on, if it was begun; what is saved from now on is of this round."""
        self.number = number
        found, _ = checkpoint.read(self.folder / "steps")
        fits = found is not None and found.facts["round"] == number and found.facts["identity"] == self.identity
        return found if fits else None

    def due(self, epoch: bool) -> bool:
        """Whether it is time for a snapshot."""
        return time.monotonic() - self._saved >= (self.every / 10 if epoch else self.every)

    def save(self, snapshot: Snapshot) -> None:
        """Writes a snapshot of the round at work. Raises RunError."""
        snapshot.facts |= {"identity": self.identity, "round": self.number}
        checkpoint.write(self.folder / "steps", snapshot)
        self._saved = time.monotonic()

    def remove(self) -> None:
        """Removes all of it: the run is done."""
        shutil.rmtree(self.folder, ignore_errors=True)


def is_begun(run: Path) -> bool:
    """Whether a run directory holds a compression that has not come to its end."""
    return (run / FOLDER / "begun.json").is_file()


def told(run: Path) -> dict[str, Any]:
    """What the compression in a run directory was told. Raises RunError."""
    try:
        found: dict[str, Any] = json.loads((run / FOLDER / "begun.json").read_text("utf-8"))
        if not isinstance(found["given"], dict) or not isinstance(found["of"], str):
            raise ValueError("it does not say of which run")
        return found
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError("cannot be gone on with: its beginning is damaged", where=run, remedy="compress anew") from error


def latest(parent: Path, wanted: dict[str, Any]) -> Path | None:
    """The newest unfinished compression under `parent` that was told exactly this."""
    if not parent.is_dir():
        return None
    folders = sorted((p for p in parent.iterdir() if is_begun(p)), key=lambda p: p.stat().st_mtime, reverse=True)
    for folder in folders:
        try:
            if told(folder) == wanted:
                return folder
        except RunError:
            continue
    return None
