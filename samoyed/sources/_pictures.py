"""Picture files -> uint8 arrays, guarded and in parallel, and kept in a cache outside the user's folders.

Only formats on the list are opened; a picture that would take more than `MOST_MEMORY` is refused before it is decoded, so that a
small file cannot fill the memory. Orientation tags are obeyed, transparency is laid on white, 16-bit grey keeps its upper byte; of an
animation the first picture is taken.
"""

import contextlib
import hashlib
import io
import itertools
import json
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from samoyed.crew import current
from samoyed.errors import SamoyedError
from samoyed.files import cache_folder, write_bytes
from samoyed.sources import MOST_DAMAGED
from samoyed.spool import limit

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm")
MOST_MEMORY = 400_000_000  # bytes that decoding one picture may take, from what its header says
_MOST_DRAFTED = 160_000_000  # of a JPEG that is decoded at an eighth of its size: cameras write 108 million
MOST_BYTES = 2**30
_AT_ONCE = 256  # pictures that are handed to the threads together
_SLOW = 1.0  # seconds of decoding above which the result is worth keeping
_CACHE_LIMIT = 10 * 2**30
_GREY = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N")
_DRAFTS = ("JPEG", "MPO")  # MPO is what some telephones write into .jpg
_SMOOTH = ("L", "LA", "RGB", "RGBA", "CMYK", "YCbCr")  # modes whose values may be averaged
_QUIET = threading.Lock()  # Python's warning filters belong to the whole process

Pixels = NDArray[np.uint8]


class Unreadable(Exception):
    """A picture that cannot be used; the text says why."""


def decode(file: Path | bytes, longest_side: int | None) -> Pixels:
    """The picture as [H, W, C] uint8, C = 1 or 3, scaled down so that its longer side is at most `longest_side`.

    Raises Unreadable for a file that is empty, truncated, damaged, of another format, or too large.
    """
    with _silence():
        return _decode(file, longest_side)


def decode_all(paths: Sequence[Path], longest_side: int | None) -> Iterator[Pixels | Unreadable]:
    """Decodes in parallel, in order, a damaged picture as its exception. Slow work is kept in the cache, and several processes
    of one machine divide it."""
    return _divided(paths, lambda start, stop: _kept(paths[start:stop], longest_side))


def decode_parts(
    names: Sequence[object], files: Callable[[int, int], Iterable[Path | bytes]], longest_side: int | None
) -> Iterator[Pixels | Unreadable]:
    """As `decode_all` without the cache: `files(start, stop)` gives the files of some of `names`."""
    return _divided(names, lambda start, stop: decode_many(files(start, stop), longest_side))


def _divided(
    names: Sequence[object], decoded: Callable[[int, int], Iterator[Pixels | Unreadable]]
) -> Iterator[Pixels | Unreadable]:
    """What `decoded(start, stop)` gives, of all that is named, or of this process's share with what the others made."""
    crew = current()
    if crew is None:
        return decoded(0, len(names))

    def made(start: int, stop: int) -> Iterator[Pixels | str]:
        return (str(one) if isinstance(one, Unreadable) else one for one in decoded(start, stop))

    found = crew.arrays([str(name) for name in names], made, most=max(1, MOST_DAMAGED * len(names)))
    return (Unreadable(one) if isinstance(one, str) else one for one in found)


def _processes() -> int:
    """How many divide the work."""
    crew = current()
    return 1 if crew is None else crew.size


def _kept(paths: Sequence[Path], longest_side: int | None) -> Iterator[Pixels | Unreadable]:
    kept = _cache_file(paths, longest_side)
    found = _load(kept) if kept is not None else None
    if found is not None:
        yield from found
        return
    began, waited, size, most = time.monotonic(), 0.0, 0, min(_CACHE_LIMIT, limit() // _processes())
    results: list[Pixels | Unreadable] = []
    for found_one in decode_many(paths, longest_side):
        size += 0 if isinstance(found_one, Unreadable) else found_one.nbytes
        if size > most:
            kept = None  # what does not fit in memory is not gathered here either
        if kept is not None:
            results.append(found_one)
        else:
            results.clear()
        paused = time.monotonic()
        yield found_one
        waited += time.monotonic() - paused
    if kept is not None and time.monotonic() - began - waited > _SLOW:
        _store(kept, results)


def decode_many(files: Iterable[Path | bytes], longest_side: int | None) -> Iterator[Pixels | Unreadable]:
    """Decodes in parallel, in order, some at a time; a damaged picture as its exception."""
    waiting = iter(files)
    with ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // _processes())) as pool:
        while some := list(itertools.islice(waiting, _AT_ONCE)):
            with _silence():
                decoded = list(pool.map(lambda file: _try(file, longest_side), some))
            yield from decoded


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Without Pillow's warnings: what they say of metadata loses no pixel, and their pixel limit is ours to check."""
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _try(path: Path | bytes, longest_side: int | None) -> Pixels | Unreadable:
    try:
        return _decode(path, longest_side)
    except Unreadable as error:
        return error


def _decode(file: Path | bytes, longest_side: int | None) -> Pixels:
    data = file if isinstance(file, bytes) else _read(file)
    if not data:
        raise Unreadable("empty file")
    try:
        with Pillow.open(io.BytesIO(data), formats=FORMATS) as picture:
            _refuse_too_large(picture, longest_side)
            plain = _shrunk(_plain(_upright(picture, longest_side)), longest_side)
    except Unreadable:
        raise
    except UnidentifiedImageError as error:
        raise Unreadable("no picture of a known format") from error
    except Pillow.DecompressionBombError as error:
        raise Unreadable("too large: its header claims more pixels than any picture has") from error
    except (
        Exception
    ) as error:  # Pillow's parsers raise a dozen types on hostile bytes; each means that there is no picture
        raise Unreadable(f"damaged: {_brief(error)}") from error
    array = np.asarray(plain, dtype=np.uint8)
    return array[:, :, None] if array.ndim == 2 else array


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Unreadable(f"larger than {MOST_BYTES:,} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"cannot be read: {(error.strerror or str(error)).lower()}") from error
    return data


def _refuse_too_large(picture: Pillow.Image, longest_side: int | None) -> None:
    """Raises Unreadable for a picture whose decoding would take more than `MOST_MEMORY`, by measured bytes per pixel."""
    drafted = longest_side is not None and picture.format in _DRAFTS and max(picture.size) > 8 * longest_side
    if picture.format == "WEBP" or "transparency" in picture.info:
        cost = 16  # two canvases and two copies
    else:
        cost = 8 if picture.mode in ("RGBA", "LA", "PA") else 6
    most = _MOST_DRAFTED if drafted else MOST_MEMORY // cost
    if picture.width * picture.height > most:
        raise Unreadable(f"too large: {picture.width:,} x {picture.height:,} has more than {most:,} pixels")


def _upright(picture: Pillow.Image, longest_side: int | None) -> Pillow.Image:
    """Decoded and turned as its orientation tag says, and made smaller where that is cheap."""
    if longest_side is not None and picture.format in _DRAFTS:
        picture.draft(
            None, (longest_side, longest_side)
        )  # decodes at a fraction of the size, never below the one wanted
    picture.load()
    if picture.mode in _SMOOTH and "transparency" not in picture.info:
        picture = _shrunk(picture, longest_side)
    with contextlib.suppress(Exception):  # a broken tag says nothing about the pixels
        ImageOps.exif_transpose(picture, in_place=True)
    return picture


def _plain(picture: Pillow.Image) -> Pillow.Image:
    """In mode L or RGB. Raises Unreadable for values whose range is not known."""
    if picture.mode.startswith("I") and (picture.mode != "I" or picture.format in ("PNG", "PPM")):
        return Pillow.fromarray((np.asarray(picture).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise Unreadable("its values have no fixed range: save it with 8 or 16 bits")
    plain = "L" if picture.mode in _GREY else "RGB"
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        layer = picture.convert({"La": "LA", "RGBa": "RGBA"}.get(picture.mode, picture.mode)).convert("RGBA")
        return Pillow.alpha_composite(Pillow.new("RGBA", layer.size, "white"), layer).convert(plain)
    return picture.convert(plain)


def _shrunk(picture: Pillow.Image, longest_side: int | None) -> Pillow.Image:
    if longest_side is not None and max(picture.size) > longest_side:
        picture.thumbnail((longest_side, longest_side), Pillow.Resampling.LANCZOS)
    return picture


def _brief(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]


def _cache_file(paths: Sequence[Path], longest_side: int | None) -> Path | None:
    """The cache's file for these pictures as they are now, by name, size and time; None where one has just vanished."""
    digest = hashlib.sha256(f"2 {longest_side}".encode())
    try:
        for path in paths:
            status = path.stat()
            digest.update(
                f"\0{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}".encode("utf-8", "surrogateescape")
            )
    except OSError:
        return None
    return cache_folder() / "pictures" / f"{digest.hexdigest()}.safetensors"


def _store(file: Path, results: list[Pixels | Unreadable]) -> None:
    from safetensors.numpy import save

    good = [r for r in results if not isinstance(r, Unreadable)]
    shapes = np.array([(0, 0, 0) if isinstance(r, Unreadable) else r.shape for r in results], dtype=np.int64)
    why = json.dumps({str(i): str(r) for i, r in enumerate(results) if isinstance(r, Unreadable)})
    pixels = np.concatenate([r.reshape(-1) for r in good]) if good else np.zeros(0, np.uint8)
    facts = {"why": why, "sha256": _seal(pixels, shapes, why)}
    try:
        write_bytes(file, save({"pixels": pixels, "shapes": shapes}, metadata=facts))
        _evict(file.parent)
    except (SamoyedError, OSError):
        return  # a cache that cannot be written costs time, nothing else


def _load(file: Path) -> list[Pixels | Unreadable] | None:
    """What was kept, or None where there is nothing or it is not as it was written."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "numpy") as stored:
            pixels, shapes = stored.get_tensor("pixels"), stored.get_tensor("shapes")
            facts = stored.metadata()
        if facts["sha256"] != _seal(pixels, shapes, facts["why"]):
            return None
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        return None
    with contextlib.suppress(OSError):
        os.utime(file)  # so that what is used is evicted last
    why = json.loads(facts["why"])
    ends = np.cumsum(shapes.prod(1))
    starts = ends - shapes.prod(1)
    return [
        Unreadable(why[str(i)]) if str(i) in why else pixels[a:b].reshape(shape)
        for i, (a, b, shape) in enumerate(zip(starts, ends, shapes, strict=True))
    ]


def _seal(pixels: Pixels, shapes: NDArray[np.int64], why: str) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(pixels).data)
    digest.update(np.ascontiguousarray(shapes).data)
    digest.update(why.encode())
    return digest.hexdigest()


def _evict(folder: Path) -> None:
    """Removes the files that were used longest ago until the cache is within its limit."""
    files = sorted(folder.glob("*.safetensors"), key=lambda p: p.stat().st_mtime, reverse=True)
    total = 0
    for file in files:
        total += file.stat().st_size
        if total > _CACHE_LIMIT:
            file.unlink(missing_ok=True)
