"""Volumes from files that may be damaged: folders of slices, TIFF files of several pages, and NumPy's .npy.

Grey values stay as they are, of 8, 16 or 32 bits; colour becomes grey. A volume larger than asked for is averaged over whole cells of
2, 3 ... voxels to a side as it is read.
"""

import io
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from samoyed.sources._clips import pictures_in
from samoyed.sources._pictures import FORMATS, MOST_BYTES, Unreadable

SUFFIXES = (".npy", ".tif", ".tiff")
_MOST_VOXELS = 2**28
_MOST_OF_ONE = 50_000_000
_GREY = ("L", "I;16", "I;16B", "I;16L", "I;16N", "I", "F", "1")

Voxels = NDArray[np.float32]


def decode(file: Path | bytes, longest_side: int) -> Voxels:
    """float32 [D, H, W], no side longer than `longest_side`. Raises Unreadable for what is damaged, flat, too large, or holds
    numbers that are none."""
    try:
        if isinstance(file, Path) and file.is_dir():
            values = _of_folder(file)
        else:
            data = file if isinstance(file, bytes) else _read(file)
            if not data:
                raise Unreadable("empty file")
            values = _array(data) if data.startswith(b"\x93NUMPY") else _pages(data)
    except OSError as error:
        raise Unreadable(f"cannot be read: {(error.strerror or str(error)).lower()}") from error
    if min(values.shape) < 1 or len(values) < 2:
        raise Unreadable("it holds fewer than two slices")
    if not np.isfinite(values).all():
        raise Unreadable("it holds numbers that are none")
    return averaged(values, longest_side)


def averaged(values: NDArray[Any], longest_side: int) -> Voxels:
    """[D, H, W] -> float32, each axis divided by the least whole number that brings it to at most `longest_side`; a rest at the
    end that fills no cell is left out."""
    cells = [-(-side // longest_side) for side in values.shape]
    if max(cells) == 1:
        return np.ascontiguousarray(values, np.float32)
    sides = [side // cell for side, cell in zip(values.shape, cells, strict=True)]
    cut = values[tuple(slice(0, side * cell) for side, cell in zip(sides, cells, strict=True))]
    shape = [n for pair in zip(sides, cells, strict=True) for n in pair]
    means: Voxels = cut.reshape(shape).mean(axis=(1, 3, 5), dtype=np.float64).astype(np.float32)
    return means


def _array(data: bytes) -> NDArray[Any]:
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, kind = read(file)
    except Exception as error:  # the header is a Python literal, and may be anything
        raise Unreadable(f"damaged: {str(error).splitlines()[0][:100]}") from error
    if len(shape) != 3 or kind.kind not in "buif" or kind.itemsize > 8:
        raise Unreadable(f"an array of {kind} {shape} is no volume: save numbers as [slices, height, width]")
    _refuse_too_large(math.prod(shape))
    rest = data[file.tell() :]
    if len(rest) < math.prod(shape) * kind.itemsize:
        raise Unreadable(f"it is cut short: {len(rest):,} of its {math.prod(shape) * kind.itemsize:,} bytes are there")
    flat = np.frombuffer(rest, kind, math.prod(shape))
    values = flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)
    return values if kind.kind != "b" else values.astype(np.uint8)


def _pages(data: bytes) -> NDArray[Any]:
    with _guarded(), Pillow.open(io.BytesIO(data), formats=("TIFF",)) as picture:
        total = getattr(picture, "n_frames", 1)
        if total < 2:
            raise Unreadable("it is a single picture")
        _refuse_too_large(picture.width * picture.height * total)
        pages = []
        for place in range(total):
            picture.seek(place)
            pages.append(_values(picture))
        return _stacked(pages)


def _of_folder(folder: Path) -> NDArray[Any]:
    slices = []
    for path in (files := pictures_in(folder)):
        try:
            with _guarded(), Pillow.open(io.BytesIO(_read(path)), formats=FORMATS) as picture:
                _refuse_too_large(picture.width * picture.height * len(files))
                slices.append(_values(picture))
        except Unreadable as error:
            raise Unreadable(f"{path.name}: {error}") from error
    if len(slices) < 2:
        raise Unreadable("it holds fewer than two slices")
    return _stacked(slices)


def _values(picture: Pillow.Image) -> NDArray[Any]:
    if picture.width * picture.height > _MOST_OF_ONE:
        raise Unreadable(f"too large: a slice of {picture.width:,} x {picture.height:,}")
    return np.asarray(picture if picture.mode in _GREY else picture.convert("L")).astype(np.float32)


def _stacked(slices: list[NDArray[Any]]) -> NDArray[Any]:
    sizes = {s.shape for s in slices}
    if len(sizes) > 1:
        listed = " and ".join(f"{w} x {h}" for h, w in sorted(sizes)[:2])
        raise Unreadable(f"its slices differ in size: {listed}")
    return np.stack(slices)


class _guarded(warnings.catch_warnings):
    """Without Pillow's warnings, and with its errors as Unreadable."""

    def __enter__(self) -> Any:
        found = super().__enter__()
        warnings.simplefilter("ignore")
        return found

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        error = raised[1]
        if isinstance(error, Exception) and not isinstance(error, Unreadable):
            raise Unreadable(f"damaged, or no volume: {(str(error) or type(error).__name__).splitlines()[0][:100]}")


def _refuse_too_large(voxels: int) -> None:
    if voxels > _MOST_VOXELS:
        raise Unreadable(f"too large: {voxels:,} voxels, where at most {_MOST_VOXELS:,} are read")


def _read(path: Path) -> bytes:
    if path.stat().st_size > MOST_BYTES:
        raise Unreadable(f"larger than {MOST_BYTES:,} bytes")
    return path.read_bytes()
