"""Recordings with the time of each label beside them: TIMIT's .phn, or lines of begin, end and label in seconds."""

import math
from collections.abc import Iterator
from pathlib import Path

from samoyed.errors import DataError
from samoyed.examples import LabelledRecording
from samoyed.sources import Source
from samoyed.sources._audio import SUFFIXES, Unreadable, decode
from samoyed.sources._paths import files_below
from samoyed.sources._reading import read_text

_IN_SAMPLES = ".phn"
_LISTS = (_IN_SAMPLES, ".tsv", ".lab", ".txt")  # .txt as Audacity writes its label tracks
_SLACK = 0.05  # seconds by which the last label may end after the sound: lists are rounded
Interval = tuple[float, float, str]


class LabelledRecordings(Source):
    """Reads WAV (RIFF or TIMIT's NIST), FLAC, OGG and MP3, each with a list of the same name: .phn with begin, end and label in samples,
    as in TIMIT; or .tsv, .lab or .txt with begin, end and label in seconds, parted by tabs or spaces, as Audacity writes them.

    What is damaged, silent or has a list that cannot be, in which labels overlap, end before they begin or lie outside the
    sound, is skipped and listed.
    """

    yields = "LabelledRecording"
    reads = "a folder of recordings with a .phn (in samples, as TIMIT's), or a .tsv, .lab or .txt of begin, end and label in seconds, beside each"
    holds = "recordings"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.pairs = _pairs(path)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_dir() and bool(_pairs(path))

    def __len__(self) -> int:
        return len(self.pairs)

    def examples(self) -> Iterator[LabelledRecording]:
        for file, beside in self.pairs:
            try:
                samples, rate = decode(file)
            except Unreadable as error:
                self.skip(str(file), str(error))
                continue
            try:
                found = intervals(beside, rate, len(samples) / rate)
            except DataError as error:
                self.skip(str(error.where), error.problem)
                continue
            yield LabelledRecording(samples, rate, found, str(file))


def intervals(path: Path, rate: int, seconds: float) -> tuple[Interval, ...]:
    """(begin, end, label) of each line, in seconds. Raises DataError, with the line, for what cannot be in a sound of so many."""
    unit = rate if path.suffix.lower() == _IN_SAMPLES else 1
    found: list[Interval] = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        cells = [c.strip() for c in (line.split("\t") if "\t" in line else line.split(None, 2))]
        if not any(cells) or (not found and [c.lower() for c in cells[:2]] in (["begin", "end"], ["start", "end"])):
            continue
        where = f"{path}:{number}"
        try:
            begin, end = (float(cell) / unit for cell in cells[:2])
            label = " ".join(cells[2].split())
        except (ValueError, IndexError):
            raise DataError(f"{line.strip()[:40]!r} is not begin, end and label", where=where) from None
        if not label or not math.isfinite(begin) or not 0 <= begin < end < math.inf:
            raise DataError(f"{line.strip()[:40]!r} is no stretch of time with a label", where=where)
        if found and begin < found[-1][1] - 1e-6:
            raise DataError(f"it begins at {begin:.3f} s, before the last label ends", where=where)
        if end > seconds + _SLACK:
            raise DataError(f"it ends at {end:.3f} s, and the recording at {seconds:.3f} s", where=where)
        found.append((begin, min(end, seconds), label))
    if not found:
        raise DataError("there is no label in it", where=path)
    return tuple(found)


def _pairs(path: Path) -> list[tuple[Path, Path]]:
    """Each recording below a folder that has a list beside it, in a fixed order."""
    below = files_below(path)
    known = {str(p).lower(): p for p in below}
    found = []
    for file in below:
        stem = str(file.with_suffix("")).lower()
        beside = next((known[stem + s] for s in _LISTS if stem + s in known), None)
        if file.suffix.lower() in SUFFIXES and beside is not None:
            found.append((file, beside))
    return found
