"""Volumes of classes: a folder per class with a folder of slices, a TIFF of several pages or a .npy per volume, or a table."""

from collections.abc import Iterator
from pathlib import Path

from samoyed.examples import Volume
from samoyed.sources import Source
from samoyed.sources._clips import clips_in
from samoyed.sources._labelled_files import Kind, by_folder, by_table, is_by_folder, is_by_table
from samoyed.sources._pictures import Unreadable
from samoyed.sources._volumes import SUFFIXES, decode

_KIND = Kind("Volume", "volumes", "scans/ball/1.npy, scans/cone/7/001.png", lambda path: clips_in(path, SUFFIXES))
_PATHS = ("volume", "scan", "stack")


class Volumes(Source):
    """Reads folders of slices, TIFF files of several pages and .npy files. What is missing, damaged or flat is skipped and listed."""

    yields = "Volume"
    reads = (
        "a folder that holds one folder of volumes per class, a volume being a folder of slices, a TIFF of several pages or a "
        ".npy file (scans/ball/1.npy, scans/cone/7/001.png), or a CSV or TSV with the columns path and label"
    )
    holds = "volumes"

    def __init__(self, path: Path, *, longest_side: int) -> None:
        super().__init__(path)
        self.longest_side = longest_side
        self.found = by_folder(path, _KIND) if path.is_dir() else by_table(path, _KIND, _PATHS)
        self.notes += self.found.notes

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return is_by_folder(path, _KIND) or is_by_table(path, _PATHS)

    def __len__(self) -> int:
        return len(self.found.files) + len(self.found.missing)

    def examples(self) -> Iterator[Volume]:
        for where, why in self.found.missing:
            self.skip(where, why)
        for file, label in self.found.files:
            try:
                yield Volume(decode(file, self.longest_side), label, str(file))
            except Unreadable as error:
                self.skip(str(file), str(error))
