"""Clips with tags of their frames: a table with a row for each interval in which a tag is there."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from samoyed.errors import DataError, printable
from samoyed.examples import TaggedClip
from samoyed.sources import Source
from samoyed.sources._clips import ANIMATED, VIDEO, clips_in, timed
from samoyed.sources._labelled_files import PATHS
from samoyed.sources._labels import LABELS, column, near_twins
from samoyed.sources._paths import plural
from samoyed.sources._pictures import Unreadable
from samoyed.sources._tables import SUFFIXES as TABLES
from samoyed.sources._tables import read_table

_CLIPS = ("clip", "video", *PATHS)
_STARTS = ("start", "begin", "from", "onset", "start_time", "start_frame")
_ENDS = ("end", "stop", "to", "offset", "end_time", "end_frame")
_INSIDE = ("tags.tsv", "tags.csv")
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)")


class Interval(NamedTuple):
    """A tag from `start` until just before `end`, and where that is written."""

    start: float
    end: float
    tag: str
    where: str


class TaggedClips(Source):
    """Reads folders of pictures, GIF, animated WebP and PNG, and video files by PyAV: at most `frames` of each, evenly spread. A frame has
    a tag if it begins within one of the tag's intervals. What is missing or damaged, and a clip of which an interval lies beyond its end,
    is skipped and listed."""

    yields = "TaggedClip"
    reads = (
        "a CSV or TSV with the columns clip, start, end and tag, or a folder of clips with such a table in it called tags.tsv; start and "
        "end are seconds or h:mm:ss, of a folder of frames the numbers of frames from 0, and end is the first moment after it"
    )
    holds = "clips"

    def __init__(self, path: Path, *, frames: int, longest_side: int) -> None:
        super().__init__(path)
        self.frames, self.longest_side = frames, longest_side
        table = path if path.is_file() else _table_in(path)
        assert table is not None
        self.clips = intervals(table)
        self.notes += near_twins(one.tag for some in self.clips.values() for one in some)
        if path.is_dir():
            known = {(table.parent / name).resolve() for name in self.clips}
            others = [p for p in clips_in(path, (*ANIMATED, *VIDEO)) if p.resolve() not in known]
            if others:
                here = plural(len(others), "clip")
                self.notes.append(f"{here} that {table.name} does not name left out, such as {others[0].name}")
        self.folder = table.parent

    @classmethod
    def recognises(cls, path: Path) -> bool:
        table = path if path.is_file() and path.suffix.lower() in TABLES else _table_in(path)
        if table is None:
            return False
        try:
            header = read_table(table).header
        except DataError:
            return table.name.lower() in _INSIDE  # its reader says what is wrong
        return table.name.lower() in _INSIDE or None not in _columns(header)

    def __len__(self) -> int:
        return len(self.clips)

    def examples(self) -> Iterator[TaggedClip]:
        for name, some in self.clips.items():
            file = next((f for n in (name, name.strip().replace("\\", "/")) if (f := self.folder / n).exists()), None)
            try:
                if file is None:
                    raise Unreadable("there is no such file")
                clip = timed(file, self.frames, self.longest_side)
            except Unreadable as error:
                self.skip(str(file or self.folder / name), str(error))
                continue
            times, end = clip.times, clip.times[-1]
            beyond = next((one for one in some if one.start >= end), None)
            if beyond is not None:
                self.skip(
                    beyond.where, f"{beyond.tag!r} begins at {beyond.start:g}, and the clip ends at {end:g} {clip.unit}"
                )
                continue
            tags = tuple(tuple(sorted({one.tag for one in some if one.start <= t < one.end})) for t in times[:-1])
            yield TaggedClip(clip.frames, tags, str(file), times, clip.unit)


def intervals(path: Path) -> dict[str, list[Interval]]:
    """The intervals of each clip that a table names; a row that leaves start, end and tag empty names a clip without any.

    Raises DataError for a table without the columns, what is no moment, and an interval that ends before it begins.
    """
    table = read_table(path)
    names = _columns(table.header)
    missing = [what for what, name in zip(("clip", "start", "end", "tag"), names, strict=True) if name is None]
    if missing:
        raise DataError(
            f"has no column for {' and '.join(missing)}; its columns are {table.columns()}",
            where=path,
            remedy="call them clip, start, end and tag",
        )
    found: dict[str, list[Interval]] = {}
    rows = zip(*(table.column(str(name)) for name in names), strict=True)
    for row, (clip, begin, stop, tag) in enumerate(rows):
        where = table.at(row)
        if not clip.strip():
            raise DataError("there is no clip here", where=where, remedy="fill it in, or remove the row")
        some = found.setdefault(clip, [])
        if not (begin.strip() or stop.strip() or tag.strip()):
            continue
        if not tag.strip():
            raise DataError("there is no tag here", where=where, remedy="fill it in, or remove the row")
        start, end = moment(begin, where), moment(stop, where)
        if not start < end:
            raise DataError(f"the interval ends at {end:g} and begins at {start:g}", where=where, remedy="mend the row")
        some.append(Interval(start, end, tag, where))
    return found


def moment(text: str, where: str) -> float:
    """Seconds or the number of a frame: 12.5, 0:12.5, 1:00:12.5. Raises DataError for anything else."""
    clock = _CLOCK.fullmatch(text.strip())
    if clock:
        return int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + float(clock[3])
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise DataError(
            f"{printable(text)!r} is no moment", where=where, remedy="write seconds, such as 12.5, or 0:12.5"
        )
    return value


def _table_in(path: Path) -> Path | None:
    return next((path / name for name in _INSIDE if (path / name).is_file()), None)


def _columns(header: tuple[str, ...]) -> tuple[str | None, ...]:
    return tuple(column(header, None, usual) for usual in (_CLIPS, _STARTS, _ENDS, ("tag", *LABELS)))
