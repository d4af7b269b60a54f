"""Clips of classes: a folder per class with a folder of frames, a GIF or a video file per clip, or a table of path and label."""

from collections.abc import Iterator
from pathlib import Path

from samoyed.examples import Clip
from samoyed.sources import Source
from samoyed.sources._clips import ANIMATED, VIDEO, clips_in, decode
from samoyed.sources._labelled_files import Kind, by_folder, by_table, is_by_folder, is_by_table
from samoyed.sources._pictures import Unreadable

_KIND = Kind(
    "Clip", "clips", "clips/wave/1.gif, clips/jump/7/001.png", lambda path: clips_in(path, (*ANIMATED, *VIDEO))
)
_PATHS = ("clip", "video")


class Clips(Source):
    """Reads folders of pictures, GIF, animated WebP and PNG, and video files by PyAV: at most `frames` of each, evenly spread. What
    is missing, damaged or a single picture is skipped and listed."""

    yields = "Clip"
    reads = (
        "a folder that holds one folder of clips per class, a clip being a folder of frames, a GIF or a video file "
        "(clips/wave/1.gif, clips/jump/7/001.png), or a CSV or TSV with the columns path and label"
    )
    holds = "clips"

    def __init__(self, path: Path, *, frames: int, longest_side: int) -> None:
        super().__init__(path)
        self.frames, self.longest_side = frames, longest_side
        self.found = by_folder(path, _KIND) if path.is_dir() else by_table(path, _KIND, _PATHS)
        self.notes += self.found.notes

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return is_by_folder(path, _KIND) or is_by_table(path, _PATHS)

    def __len__(self) -> int:
        return len(self.found.files) + len(self.found.missing)

    def examples(self) -> Iterator[Clip]:
        for where, why in self.found.missing:
            self.skip(where, why)
        for file, label in self.found.files:
            try:
                yield Clip(decode(file, self.frames, self.longest_side), label, str(file))
            except Unreadable as error:
                self.skip(str(file), str(error))
