"""Recordings of classes: a folder per class (sounds/dog/1.wav), or a table with the columns path and label."""

from collections.abc import Iterator
from pathlib import Path

from samoyed.examples import Recording
from samoyed.sources import Source
from samoyed.sources._audio import SUFFIXES, Unreadable, decode
from samoyed.sources._labelled_files import Kind, by_folder, by_table, is_by_folder, is_by_table, with_suffixes

_KIND = Kind("Recording", "recordings", "sounds/dog/1.wav, sounds/bell/7.flac", with_suffixes(SUFFIXES))
_PATHS = ("audio", "wav", "recording", "sound")


class Recordings(Source):
    """Reads WAV, FLAC, OGG and MP3. What is missing, damaged, silent or too long is skipped and listed. Labels are text exactly
    as written: "NA" and "007" too."""

    yields = "Recording"
    reads = "a folder that holds one folder of recordings per class (sounds/dog/1.wav), or a CSV or TSV with the columns path and label"
    holds = "recordings"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.found = by_folder(path, _KIND) if path.is_dir() else by_table(path, _KIND, _PATHS)
        self.notes += self.found.notes

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return is_by_folder(path, _KIND) or is_by_table(path, _PATHS)

    def __len__(self) -> int:
        return len(self.found.files) + len(self.found.missing)

    def examples(self) -> Iterator[Recording]:
        for where, why in self.found.missing:
            self.skip(where, why)
        for file, label in self.found.files:
            try:
                samples, rate = decode(file)
            except Unreadable as error:
                self.skip(str(file), str(error))
                continue
            yield Recording(samples, rate, label, str(file))
