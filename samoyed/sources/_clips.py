"""Clips from files that may be damaged: folders of pictures, GIF, animated WebP and PNG, and video files by PyAV (samoyed[video]).

Of each clip some frames are kept, evenly spread over all of it, and scaled down. Video containers are named one by one, so that a
playlist, which could name other files and addresses, is never followed.
"""

import io
import itertools
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from samoyed.errors import require
from samoyed.sources import _pictures
from samoyed.sources._pictures import Unreadable

ANIMATED = (".gif", ".webp", ".apng")
VIDEO = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ogv")
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,ogg"
_MOST_PIXELS = 10_000_000_000  # of all frames of a clip, decoded one after another
_MOST_OF_ONE = 50_000_000
_MAGIC = ((b"GIF8", "GIF"), (b"\x89PNG", "PNG"), (b"RIFF", "WEBP"))

Frames = NDArray[np.uint8]
_Kept = tuple[list[Frames], list[float], str]  # some frames, when each begins and the last ends, and in which unit


class Timed(NamedTuple):
    """frames uint8 [T, H, W, C]; times [T + 1], when each begins and the last ends, in `unit`, seconds or frames."""

    frames: Frames
    times: NDArray[np.float64]
    unit: str


def decode(file: Path | bytes, count: int, longest_side: int) -> Frames:
    """At most `count` frames as uint8 [T, H, W, C], C = 1 where all of them are grey, the longer side at most `longest_side`.

    Raises Unreadable for what is damaged, too long, or a single picture.
    """
    return timed(file, count, longest_side).frames


def timed(file: Path | bytes, count: int, longest_side: int) -> Timed:
    """As `decode`, with when each frame begins: in seconds, or, of folders and of animations that do not say, as its number from 0."""
    frames, times, unit = _kept(file, count, longest_side)
    return Timed(_joined(frames), np.asarray(times, np.float64), unit)


def _kept(file: Path | bytes, count: int, longest_side: int) -> _Kept:
    if isinstance(file, Path) and file.is_dir():
        return _of_folder(file, count, longest_side)
    try:
        data = file if isinstance(file, bytes) else _start(file)
        kind = next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)
        if not data:
            raise Unreadable("empty file")
        if kind and not (kind == "WEBP" and data[8:12] != b"WEBP"):
            return _animation(file, kind, count, longest_side)
        if isinstance(file, Path) and file.suffix.lower() in ANIMATED:
            raise Unreadable("damaged: it does not begin as a GIF, WebP or PNG does")
        return _video(file, count, longest_side)
    except Unreadable:
        raise
    except OSError as error:
        raise Unreadable(f"cannot be read: {(error.strerror or str(error)).lower()}") from error


def spread(total: int, count: int) -> list[int]:
    """At most `count` places among `total`, the first and the last among them.

    >>> spread(9, 5), spread(2, 5)
    ([0, 2, 4, 6, 8], [0, 1])
    """
    return [int(place) for place in np.linspace(0, total - 1, min(total, count)).round()]


def pictures_in(folder: Path) -> list[Path]:
    """The still pictures directly in a folder, frame10 after frame9. A GIF is a clip of its own."""
    still = tuple(suffix for suffix in _pictures.SUFFIXES if suffix != ".gif")
    inside = [p for p in folder.iterdir() if p.suffix.lower() in still and not p.name.startswith(".")]
    return sorted((p for p in inside if p.is_file()), key=lambda p: natural(p.name))


def clips_in(path: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Of a file, itself if its name ends so; of a folder, such files in it, and folders in it that hold pictures."""
    if path.is_file():
        return [path] if path.suffix.lower() in suffixes else []
    found: list[Path] = []
    for one in sorted(p for p in path.iterdir() if not p.name.startswith(".") and not p.is_symlink()):
        whole = one.is_dir() and bool(pictures_in(one))
        found += [one] if whole else clips_in(one, suffixes)
    return found


def natural(name: str) -> list[tuple[int, int | str]]:
    """A key that sorts numbers within names by their size."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", name)]


def _of_folder(folder: Path, count: int, longest_side: int) -> _Kept:
    files = pictures_in(folder)
    if len(files) < 2:
        raise Unreadable("it holds fewer than two pictures")
    places = spread(len(files), count)
    some = [files[i] for i in places]
    found = []
    for path, frame in zip(some, _pictures.decode_many(some, longest_side), strict=True):
        if isinstance(frame, Unreadable):
            raise Unreadable(f"{path.name}: {frame}")
        found.append(frame)
    return found, [*places, len(files)], "frames"


def _animation(file: Path | bytes, kind: str, count: int, longest_side: int) -> _Kept:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Pillow.open(io.BytesIO(file) if isinstance(file, bytes) else file, formats=(kind,)) as picture:
                total = getattr(picture, "n_frames", 1)
                if total < 2:
                    raise Unreadable("it is a single picture")
                _refuse_too_large(picture.width * picture.height, total)
                found: list[Frames] = []
                places, lasting = spread(total, count), []
                for place in range(total):
                    picture.seek(place)
                    if kind == "WEBP":
                        picture.load()  # it says how long a frame lasts once it has been decoded
                    lasting.append(float(picture.info.get("duration") or 0) / 1000)
                    if place != places[len(found)]:
                        continue
                    frame = Pillow.alpha_composite(
                        Pillow.new("RGBA", picture.size, "white"), picture.convert("RGBA")
                    ).convert("RGB")
                    frame.thumbnail((longest_side, longest_side), Pillow.Resampling.BILINEAR)
                    found.append(np.asarray(frame))
                begins = np.concatenate([[0.0], np.cumsum(lasting)])
                if min(lasting) > 0:
                    return found, [float(begins[i]) for i in (*places, total)], "seconds"
                return found, [*places, total], "frames"
    except Unreadable:
        raise
    except Exception as error:  # Pillow's parsers raise a dozen types on hostile bytes
        raise Unreadable(f"damaged: {_brief(error)}") from error


def _video(file: Path | bytes, count: int, longest_side: int) -> _Kept:
    require("av", "video")
    import av

    try:
        opened: Any = io.BytesIO(file) if isinstance(file, bytes) else file.open("rb")
        with opened, av.open(opened, options={"format_whitelist": _CONTAINERS}) as container:
            if not container.streams.video:
                raise Unreadable("there are no pictures in it")
            stream = container.streams.video[0]
            kept: list[Frames] = []
            begins: list[tuple[int, float | None]] = []
            total, stride, last = 0, 1, 0.0
            for frame in container.decode(stream):
                _refuse_too_large(frame.width * frame.height, total + 1)
                if total % stride == 0:
                    kept.append(_scaled(frame, longest_side))
                    begins.append((total, frame.time))
                if len(kept) >= 4 * count:  # every second of them, and from now on half as many
                    kept, begins, stride = kept[::2], begins[::2], 2 * stride
                total, last = total + 1, last if frame.time is None else float(frame.time)
            rate = float(stream.average_rate or 0)
            if total < 0.9 * stream.frames:
                raise Unreadable(f"it is cut short: {total:,} of its {stream.frames:,} frames are there")
    except Unreadable:
        raise
    except Exception as error:  # of FFmpeg's hundred errors, each means that there is no clip
        raise Unreadable(f"damaged, or no video: {_brief(error)}") from error
    if len(kept) < 2:
        raise Unreadable("it holds fewer than two pictures")
    some = spread(len(kept), count)
    numbers, seconds = zip(*(begins[i] for i in some), strict=True)
    if rate > 0 and None not in seconds and all(a < b for a, b in itertools.pairwise(seconds)):
        return [kept[i] for i in some], [*(s - seconds[0] for s in seconds), last + 1 / rate - seconds[0]], "seconds"
    return [kept[i] for i in some], [*numbers, total], "frames"


def _scaled(frame: Any, longest_side: int) -> Frames:
    factor = min(1.0, longest_side / max(frame.width, frame.height))
    width, height = max(1, round(frame.width * factor)), max(1, round(frame.height * factor))
    found: Frames = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
    return found


def _joined(frames: Sequence[Frames]) -> Frames:
    """Frames [H, W, C] -> [T, H, W, C], of one channel where all are grey. Raises Unreadable where they differ in size."""
    sizes = {frame.shape[:2] for frame in frames}
    if len(sizes) > 1:
        listed = " and ".join(f"{w} x {h}" for h, w in sorted(sizes)[:2])
        raise Unreadable(f"its pictures differ in size: {listed}")
    whole = np.stack([np.broadcast_to(f, (*f.shape[:2], 3)) for f in frames])
    grey = (whole[..., :1] == whole).all()
    return np.ascontiguousarray(whole[..., :1] if grey else whole)


def _refuse_too_large(one: int, count: int) -> None:
    if one > _MOST_OF_ONE or one * count > _MOST_PIXELS:
        raise Unreadable(f"too large: {count:,} frames of {one:,} pixels; cut it into shorter or smaller clips")


def _start(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(16)


def _brief(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]
