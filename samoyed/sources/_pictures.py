"""Picture files -> uint8 arrays, guarded and in parallel, and kept in a cache outside the user's folders.

Only formats on the list are opened; a picture of more than `MOST_PIXELS` is refused before it is decoded, so that a small file
cannot fill the memory. Orientation tags are obeyed, transparency is laid on white, 16-bit grey keeps its upper byte.
"""

import hashlib
import io
import json
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from samoyed.files import write_bytes

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm")
MOST_PIXELS = 100_000_000
_SLOW = 1.0  # seconds of decoding above which the result is worth keeping
_CACHE_LIMIT = 10 * 2**30
_GREY = ("1", "L", "I", "F", "I;16", "I;16B", "I;16L")

Pixels = NDArray[np.uint8]


class Unreadable(Exception):
    """A picture that cannot be used; the text says why."""


class Facts(NamedTuple):
    """What a picture's header says."""

    height: int
    width: int
    grey: bool


def header(path: Path) -> Facts:
    """Size and mode without decoding. Raises Unreadable."""
    with _opened(path) as picture:
        sideways = picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        width, height = picture.size[::-1] if sideways else picture.size
        return Facts(height, width, picture.mode in _GREY)


def decode(file: Path | bytes, longest_side: int | None) -> Pixels:
    """The picture as [H, W, C] uint8, C = 1 or 3, scaled down so that its longer side is at most `longest_side`.

    Raises Unreadable for a file that is empty, truncated, damaged, of another format, or too large.
    """
    with _opened(file) as picture:
        try:
            if longest_side is not None and picture.format == "JPEG":
                picture.draft(None, (longest_side, longest_side))  # decode at a fraction of the size; never below it
            whole = ImageOps.exif_transpose(picture)
            plain = _plain(whole)
        except (OSError, SyntaxError, ValueError, EOFError, IndexError, Warning) as error:
            raise Unreadable(f"damaged: {_brief(error)}") from error
        if longest_side is not None and max(plain.size) > longest_side:
            plain.thumbnail((longest_side, longest_side), Pillow.Resampling.LANCZOS)
    array = np.asarray(plain, dtype=np.uint8)
    return array[:, :, None] if array.ndim == 2 else array


def decode_all(paths: Sequence[Path], longest_side: int | None) -> Iterator[Pixels | Unreadable]:
    """Decodes in parallel, in order, a damaged picture as its exception. Slow work is kept in the cache."""
    if not paths:
        return
    kept = _cache_file(paths, longest_side)
    if kept.is_file():
        found = _load(kept)
        if found is not None:
            yield from found
            return
    started = time.monotonic()
    results: list[Pixels | Unreadable] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for result in pool.map(lambda path: _try(path, longest_side), paths, chunksize=1):
            results.append(result)
            yield result
    if time.monotonic() - started > _SLOW:
        _store(kept, results)


def cache_folder() -> Path:
    """Where derived files are kept: $SAMOYED_CACHE, else $XDG_CACHE_HOME/samoyed, else ~/.cache/samoyed."""
    own = os.environ.get("SAMOYED_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "samoyed"


def _opened(file: Path | bytes) -> Pillow.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            stream = io.BytesIO(file if isinstance(file, bytes) else file.read_bytes())
            if not stream.getbuffer().nbytes:
                raise Unreadable("empty file")
            picture = Pillow.open(stream, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise Unreadable("not a picture of a known format") from error
    except (OSError, SyntaxError, ValueError, EOFError, Warning, Pillow.DecompressionBombError) as error:
        raise Unreadable(f"damaged: {_brief(error)}") from error
    if picture.width * picture.height > MOST_PIXELS:
        raise Unreadable(f"{picture.width}x{picture.height} is more than {MOST_PIXELS:,} pixels")
    return picture


def _plain(picture: Pillow.Image) -> Pillow.Image:
    if picture.mode.startswith("I"):
        deep = np.asarray(picture).astype(np.int64)
        return Pillow.fromarray((deep >> 8 if deep.max(initial=0) > 255 else deep).clip(0, 255).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        paper = Pillow.new("RGBA", layer.size, "white")
        return Pillow.alpha_composite(paper, layer).convert("L" if picture.mode == "LA" else "RGB")
    return picture.convert("L" if picture.mode in ("1", "L", "F") else "RGB")


def _try(path: Path, longest_side: int | None) -> Pixels | Unreadable:
    try:
        return decode(path, longest_side)
    except Unreadable as error:
        return error


def _brief(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]


def _cache_file(paths: Sequence[Path], longest_side: int | None) -> Path:
    digest = hashlib.sha256(f"1 {longest_side}".encode())
    for path in paths:
        status = path.stat()
        digest.update(f"\0{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}".encode())
    return cache_folder() / "pictures" / f"{digest.hexdigest()}.safetensors"


def _store(file: Path, results: list[Pixels | Unreadable]) -> None:
    from safetensors.numpy import save

    good = [r for r in results if not isinstance(r, Unreadable)]
    shapes = np.array([(0, 0, 0) if isinstance(r, Unreadable) else r.shape for r in results], dtype=np.int64)
    why = json.dumps({str(i): str(r) for i, r in enumerate(results) if isinstance(r, Unreadable)})
    pixels = np.concatenate([r.reshape(-1) for r in good]) if good else np.zeros(0, np.uint8)
    try:
        write_bytes(file, save({"pixels": pixels, "shapes": shapes}, metadata={"why": why}))
        _evict(file.parent)
    except OSError:
        return  # a cache that cannot be written costs time, nothing else


def _load(file: Path) -> list[Pixels | Unreadable] | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "numpy") as stored:
            pixels, shapes = stored.get_tensor("pixels"), stored.get_tensor("shapes")
            why = json.loads(stored.metadata()["why"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        return None
    os.utime(file)
    ends = np.cumsum(shapes.prod(1))
    starts = ends - shapes.prod(1)
    return [
        Unreadable(why[str(i)]) if str(i) in why else pixels[a:b].reshape(shape)
        for i, (a, b, shape) in enumerate(zip(starts, ends, shapes, strict=True))
    ]


def _evict(folder: Path) -> None:
    """Removes the files that were used longest ago until the cache is within its limit."""
    files = sorted(folder.glob("*.safetensors"), key=lambda p: p.stat().st_mtime, reverse=True)
    total = 0
    for file in files:
        total += file.stat().st_size
        if total > _CACHE_LIMIT:
            file.unlink(missing_ok=True)
