"""Pictures in tar files, which large collections come in: one file, or a folder of them (the shards), read in their order.

A picture's class is the folder that it lies in (cat/1.jpg), or stands beside it under the same name: 17.jpg and 17.cls. Members
are read as bytes and nothing is unpacked, so that neither their paths nor links in them can reach anywhere.
"""

import itertools
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from samoyed.errors import DataError
from samoyed.examples import Image
from samoyed.sources import Source
from samoyed.sources._paths import plural, visible
from samoyed.sources._pictures import MOST_BYTES, SUFFIXES, Pixels, Unreadable, decode_parts

_LABELS = (".cls", ".txt")
_LONGEST_LABEL = 200


class _Member(NamedTuple):
    """A picture in a shard: where its bytes lie, and its class if its folder says it."""

    shard: Path
    name: str
    start: int
    size: int
    label: str

    @property
    def where(self) -> str:
        """Its place for people."""
        return f"{self.shard}:{self.name}"


class ImageShards(Source):
    """Reads the pictures of tar files in the order of the files' names and of what is in them."""

    yields = "Image"
    reads = "a tar file of pictures, or a folder of such files (shards/0000.tar), each picture in its class's folder or beside a .cls file"
    usual = False

    def __init__(self, path: Path, *, longest_side: int | None = None) -> None:
        super().__init__(path)
        self.longest_side = longest_side
        self.members: list[_Member] = []
        others = 0
        for shard in _shards(path):
            found, beside = _index(shard)
            self.members += found
            others += beside
        if not self.members:
            raise DataError(
                "holds no pictures with a class",
                where=path,
                remedy="put each class's pictures into a folder of its own in the tar file (cat/1.jpg), or a 17.cls beside 17.jpg",
            )
        if others:
            self.notes.append(
                f"{plural(others, 'member')} of tar files left out: no pictures, or pictures without a class"
            )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return bool(_shards(path))

    def __len__(self) -> int:
        return len(self.members)

    def examples(self) -> Iterator[Image]:
        for member, pixels in zip(self.members, self._decoded(), strict=True):
            where = member.where
            if isinstance(pixels, Unreadable):
                self.skip(where, str(pixels))
            else:
                yield Image(pixels, member.label, where)

    def _decoded(self) -> Iterator[Pixels | Unreadable]:
        return decode_parts([member.where for member in self.members], self._bytes, self.longest_side)

    def _bytes(self, start: int, stop: int) -> Iterator[bytes]:
        for shard, members in itertools.groupby(self.members[start:stop], lambda member: member.shard):
            with shard.open("rb") as file:
                for member in members:
                    file.seek(member.start)
                    yield file.read(member.size)


def _shards(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() == ".tar" else []
    inside = visible(path) if path.is_dir() else []
    found = [p for p in inside if p.is_file() and p.suffix.lower() == ".tar"]
    return found if len(found) == len(inside) else []


def _index(shard: Path) -> tuple[list[_Member], int]:
    """The pictures of a shard, and how much else there is. Raises DataError where it is no tar file, or is cut off."""
    pictures: list[tuple[tarfile.TarInfo, PurePosixPath]] = []
    labels: dict[str, str] = {}
    others, end = 0, shard.stat().st_size
    try:
        with tarfile.open(shard, "r:") as archive:
            for member in archive:
                name = PurePosixPath(member.name)
                if not member.isreg() or name.name.startswith("."):
                    others += member.isreg()
                elif member.size > MOST_BYTES or member.offset_data + member.size > end:
                    raise DataError(f"is cut off or damaged at {member.name}", where=shard, remedy="copy it again")
                elif name.suffix.lower() in SUFFIXES:
                    pictures.append((member, name))
                elif name.suffix.lower() in _LABELS and member.size <= _LONGEST_LABEL:
                    file = archive.extractfile(member)
                    labels[str(name.with_suffix(""))] = (
                        (file.read() if file else b"").decode("utf-8", "replace").strip()
                    )
                else:
                    others += 1
    except tarfile.TarError as error:
        raise DataError(f"is no whole tar file: {error}", where=shard, remedy="copy it again") from error
    made = []
    for member, name in pictures:
        label = labels.get(str(name.with_suffix(""))) or name.parent.name
        if label in ("", ".", ".."):
            others += 1
        else:
            made.append(_Member(shard, member.name, member.offset_data, member.size, label))
    return made, others
