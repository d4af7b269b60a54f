"""The weights of a compressed run as one small file, model.packed.

    8 bytes "samoyed\\1", 4 bytes the header's length, the header (JSON under zlib), the streams of every tensor one after another

A tensor is in one of these forms:

    same     the same numbers as another tensor of the file: tied weights
    exact    as it is, its bytes by significance under zlib
    half     a float32 tensor rounded to float16
    coded    values that are 0, or one of few: the distances between those that are not 0, and what they are, both in Huffman's
             code (Han, Mao & Dally 2015). What they are: the number of a level, the levels being float16 (float32
             where these are too large for it), or int8 times one scale; or an int8 by itself times its row's scale; or the float32 itself

Reading gives what was written to the last bit, raises ValueError for anything else, and executes nothing.
"""

import json
import math
import zlib
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samoyed.compressing import huffman

NAME = "model.packed"
_MAGIC = b"samoyed\x01"
_LARGEST_HEADER = 2**26
_MOST_OF_HALF = 65_000  # above it float16 has no number left
_FAR = 255  # a distance of so much, and nothing there
_TYPES = {str(kind).removeprefix("torch."): kind for kind in (
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool,
)}  # fmt: skip


class How(NamedTuple):
    """How a tensor is written: `few` if it holds at most 256 numbers besides 0, `int8` if these, or its rows, are int8 times a
    scale."""

    few: bool = False
    int8: bool = False


def pack(tensors: dict[str, Tensor], coded: dict[str, How], half: set[str] = frozenset()) -> bytes:  # type: ignore[assignment]
    """The file's bytes. What is neither in `coded` nor in `half` is written exactly, and so is what float16 cannot hold."""
    header: list[dict[str, Any]] = []
    streams: list[bytes] = []
    seen: dict[tuple[int, tuple[int, ...]], str] = {}
    for name, tensor in tensors.items():
        key = (tensor.data_ptr(), tuple(tensor.shape))
        facts: dict[str, Any] = {"name": name, "shape": list(tensor.shape)}
        if tensor.numel() and key in seen:
            header.append({**facts, "form": "same", "as": seen[key]})
            continue
        seen[key] = name
        value = tensor.detach().cpu().contiguous()
        if name in coded and value.dtype == torch.float32 and value.numel():
            more, made = _code(value.numpy(), coded[name])
        elif name in half and value.dtype == torch.float32 and bool((value.abs() < _MOST_OF_HALF).all()):
            more, made = {"form": "half"}, [_plain(value.half())]
        else:
            more, made = {"form": "exact", "type": str(value.dtype).removeprefix("torch.")}, [_plain(value)]
        header.append({**facts, **more, "bytes": [len(stream) for stream in made]})
        streams += made
    words = zlib.compress(json.dumps(header, separators=(",", ":")).encode(), 9)
    return b"".join([_MAGIC, len(words).to_bytes(4, "little"), words, *streams])


def unpack(data: bytes, like: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The tensors. Raises ValueError where the bytes are not what `pack` writes, or a coded tensor's shape is not that in `like`."""
    header, at = _header(data)
    tensors: dict[str, Tensor] = {}
    for facts in header:
        name, shape, form = str(facts["name"]), tuple(int(side) for side in facts["shape"]), facts["form"]
        if form == "same":
            tensors[name] = tensors[facts["as"]].view(shape)
            continue
        streams, at = _streams(data, facts, at)
        if form == "coded":
            if like is not None and (name not in like or tuple(like[name].shape) != shape):
                raise ValueError(f"{name} has not the shape of the model's")
            tensors[name] = torch.from_numpy(_decode(facts, shape, streams))
        elif form == "half":
            tensors[name] = _read(streams[0], torch.float16, shape).float()
        else:
            tensors[name] = _read(streams[0], _TYPES[facts["type"]], shape)
    if at != len(data):
        raise ValueError("the packed weights have more bytes than they say")
    return tensors


def scales(data: bytes) -> dict[str, Tensor]:
    """Of each tensor that is int8 times a scale: the scales of its rows [R], or its one scale [1]."""
    header, at = _header(data)
    found: dict[str, Tensor] = {}
    for facts in header:
        streams, at = _streams(data, facts, at)
        if not facts.get("int8"):
            continue
        before = ("gaps" in facts) + ("levels" in facts)
        found[str(facts["name"])] = (
            torch.from_numpy(np.frombuffer(streams[before], np.float32).copy())
            if "levels" in facts
            else _read(streams[before], torch.float32, (int(facts["shape"][0]),))
        )
    return found


def sizes(data: bytes) -> dict[str, int]:
    """How many bytes of the file each tensor takes, and the header, under the empty name."""
    header, begin = _header(data)
    return {"": begin} | {str(facts["name"]): sum(facts.get("bytes", [])) for facts in header}


def _streams(data: bytes, facts: dict[str, Any], at: int) -> tuple[list[bytes], int]:
    """The streams of one tensor, the first beginning at `at`, and where they end. Raises ValueError where there are not so many bytes."""
    streams = []
    for size in facts.get("bytes", []):
        if not 0 <= int(size) <= len(data) - at:
            raise ValueError("the packed weights are cut off")
        streams.append(data[at : at + int(size)])
        at += int(size)
    return streams, at


def _header(data: bytes) -> tuple[list[dict[str, Any]], int]:
    size = int.from_bytes(data[8:12], "little")
    if data[:8] != _MAGIC or not 0 < size <= len(data) - 12:
        raise ValueError("these are no packed weights")
    try:
        reader = zlib.decompressobj()
        words = reader.decompress(data[12 : 12 + size], _LARGEST_HEADER)
        header = json.loads(words)
    except zlib.error as error:
        raise ValueError("the header is damaged") from error
    if reader.unconsumed_tail or not isinstance(header, list):
        raise ValueError("the header is damaged")
    return header, 12 + size


# Numbers as they are


def _plain(value: Tensor) -> bytes:
    """The bytes by significance, under zlib where that is shorter; the first byte says which."""
    if not value.numel():
        return b"-"
    whole = value.flatten().view(torch.uint8).numpy().reshape(-1, value.element_size()).T.tobytes()
    small = zlib.compress(whole, 9)
    return b"z" + small if len(small) < len(whole) else b"-" + whole


def _read(stream: bytes, kind: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    wide = torch.empty((), dtype=kind).element_size()
    size = math.prod(shape) * wide
    body = stream[1:]
    if stream[:1] == b"z" and size <= 1100 * len(body) + 64:  # zlib's own limit
        try:
            body = zlib.decompressobj().decompress(body, size + 1)
        except zlib.error as error:
            raise ValueError("a tensor is damaged") from error
    if len(body) != size or min(shape, default=0) < 0:
        raise ValueError("a tensor has not the size of its shape")
    planes = np.frombuffer(body, np.uint8).reshape(wide, -1).T
    return torch.from_numpy(planes.copy()).flatten().view(kind).reshape(shape)


# Numbers that are 0, or one of few


def _code(value: NDArray[np.float32], how: How) -> tuple[dict[str, Any], list[bytes]]:
    flat: NDArray[Any] = value.reshape(-1)
    facts: dict[str, Any] = {"form": "coded"}
    kinds: list[bytes] = []
    if how.int8 and not how.few:
        whole, scales = rows_as_int8(value)
        flat = whole.reshape(-1)
        kinds.append(_plain(torch.from_numpy(scales)))
        facts["int8"] = True
    places = np.flatnonzero(flat)
    sparse = len(places) < 0.9 * len(flat) or (how.few and len(places) < len(flat) and len(np.unique(flat)) > 256)
    used = flat[places] if sparse else flat
    streams: list[bytes] = []
    if sparse:
        gaps = _gaps(places)
        facts["gaps"], stream = _coded(gaps)
        streams.append(stream)
    if how.few:
        levels, symbols = np.unique(used, return_inverse=True)
        if len(levels) > 256:
            raise ValueError("there are more than 256 levels")
        facts["levels"] = len(levels)
        if how.int8:
            facts["int8"] = True
            steps, scale = levels_as_int8(levels)
            kinds += [steps.tobytes(), scale.tobytes()]
        else:
            wide = bool((np.abs(levels) >= _MOST_OF_HALF).any())
            facts |= {"wide": True} if wide else {}
            kinds.append(_plain(torch.from_numpy(levels).to(torch.float32 if wide else torch.float16)))
        facts["symbols"], stream = _coded(symbols.reshape(-1).astype(np.uint8))
    elif how.int8:
        facts["symbols"], stream = _coded((used.astype(np.int16) + 127).astype(np.uint8))
    else:
        stream = _plain(torch.from_numpy(np.ascontiguousarray(used)))
        facts["symbols"] = [len(used)]
    return facts, [*streams, *kinds, stream]


def _decode(facts: dict[str, Any], shape: tuple[int, ...], streams: list[bytes]) -> NDArray[np.float32]:
    count, rest = math.prod(shape), list(streams)
    places = None
    if "gaps" in facts:
        places = _places(_decoded(facts["gaps"], rest.pop(0)), count)
    used = count if places is None else len(places)
    scales = levels = None
    if "levels" in facts and facts.get("int8"):
        steps, scale = np.frombuffer(rest.pop(0), np.int8), np.frombuffer(rest.pop(0), np.float32)
        levels = steps.astype(np.float32) * scale[0]
    elif "levels" in facts:
        kind = torch.float32 if facts.get("wide") else torch.float16
        levels = _read(rest.pop(0), kind, (int(facts["levels"]),)).float().numpy()
    elif facts.get("int8"):
        scales = _read(rest.pop(0), torch.float32, (shape[0],)).numpy()
    if levels is None and scales is None:
        values = _read(rest.pop(0), torch.float32, (used,)).numpy()
    else:
        symbols = _decoded(facts["symbols"], rest.pop(0))
        if len(symbols) != used or (levels is not None and len(symbols) and int(symbols.max()) >= len(levels)):
            raise ValueError("the packed weights are damaged")
        values = levels[symbols] if levels is not None else symbols.astype(np.float32) - 127
    if places is not None:
        whole = np.zeros(count, np.float32)
        whole[places] = values
        values = whole
    made = values.reshape(shape)
    if scales is not None:
        made = made * scales.reshape(-1, *[1] * (len(shape) - 1))
    return np.ascontiguousarray(made, np.float32)


def rows_as_int8(value: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """value [R, ...] -> whole numbers from -127 to 127 [R, ...] and each row's scale [R], whose product is nearest to it."""
    largest = np.abs(value.reshape(len(value), -1)).max(axis=1)
    scales = (largest / 127).astype(np.float32)
    scales = np.where(scales > 0, scales, np.float32(1))
    whole = np.rint(value / scales.reshape(-1, *[1] * (value.ndim - 1)))
    return np.clip(whole, -127, 127).astype(np.int8), scales


def levels_as_int8(levels: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """levels [K] -> whole numbers from -127 to 127 [K] and one scale [1]."""
    largest = float(np.abs(levels).max(initial=0))
    scale = np.array([largest / 127], np.float32)
    scale = np.where(scale > 0, scale, np.float32(1))
    return np.clip(np.rint(levels / scale), -127, 127).astype(np.int8), scale


def _gaps(places: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Increasing places -> the distance from each to the next, less one; `_FAR` stands for so many without a place."""
    between = np.diff(places, prepend=-1) - 1
    far, near = between // _FAR, between % _FAR
    made = np.full(len(places) + int(far.sum()), _FAR, np.uint8)
    made[np.arange(len(places)) + far.cumsum()] = near
    return made


def _places(gaps: NDArray[np.uint8], count: int) -> NDArray[np.int64]:
    """The inverse of `_gaps`. Raises ValueError where a place lies beyond `count`."""
    stands = gaps < _FAR
    ends = (gaps.astype(np.int64) + stands).cumsum() - 1
    found: NDArray[np.int64] = ends[stands]
    if len(ends) and int(ends[-1]) >= count:
        raise ValueError("the packed weights are damaged")
    return found


def _coded(symbols: NDArray[np.uint8]) -> tuple[list[Any], bytes]:
    """Symbols as a stream, with what `_decoded` needs: their count and the code's lengths, a hexadecimal digit each."""
    lengths, stream = huffman.encode(symbols)
    return [len(symbols), "".join(f"{length:x}" for length in lengths)], stream


def _decoded(facts: list[Any], stream: bytes) -> NDArray[np.uint8]:
    count, digits = int(facts[0]), str(facts[1])
    if count > 8 * len(stream) or len(digits) > 256:
        raise ValueError("the packed weights are damaged")
    return huffman.decode(np.array([int(d, 16) for d in digits], np.uint8), count, stream)
