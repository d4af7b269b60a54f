"""What a client or a pipe sends -> an example. Nothing here opens a file, so that no path that a client sends is ever read.

An example is sent as JSON with the fields of its kind in examples.py ({"text": "..."}), as the bare value of its first field, or as
the bytes of one raw file. A kind that is added to examples.py is understood by its fields alone.
"""

import base64
import binascii
import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from samoyed import examples
from samoyed.errors import DataError, UsageError, shown
from samoyed.sources import _audio, _clips, _volumes
from samoyed.sources._pictures import Unreadable, decode
from samoyed.sources._reading import decode as decode_text
from samoyed.sources.series_table import SeriesTable
from samoyed.stored import brief
from samoyed.tasks import Task

_DECODED = {  # main fields that come as a file's bytes, and what may be sent for them
    "samples": 'a recording\'s file, or JSON {"samples": [0.0, 0.1, ...], "rate": 16000}',
    "frames": 'the file of a GIF, an animated WebP or a video, or JSON {"frames": [frames][height][width][channels], 0 to 255}',
    "voxels": 'a .npy file or a TIFF of several pages, or JSON {"voxels": [slices][height][width]}',
}
_KNOWN = ("origin", "label", "labels", "target", "captions")  # what the sender need not say


def kind_of(task: Task[Any, Any]) -> type:
    """The class of the examples that a task reads."""
    found: type = getattr(examples, task.example)
    return found


def fields_of(task: Task[Any, Any]) -> Mapping[str, Any]:
    """Name -> type of what has to be sent for one example, the main field first."""
    return _needed(kind_of(task))


def of_json(task: Task[Any, Any], value: Any, origin: str = "request") -> Any:
    """An example from a JSON value: an object with the fields of its kind, or its main field alone.

    Raises DataError where a field is missing, unknown, or of the wrong type.
    """
    needed = fields_of(task)
    main = next(iter(needed))
    given = value if isinstance(value, dict) else {main: value}
    whole = {f.name for f in dataclasses.fields(kind_of(task))}
    unknown = [name for name in given if name not in whole]
    if unknown or main not in given:
        problem = f"has no field {shown(unknown[0])!r}" if unknown else f"the field {main!r} is missing"
        raise DataError(problem, where=origin, remedy=f"send {example_of(task)}")
    if main == "pixels":
        return _picture(task, _pixels(task, given["pixels"], origin), origin)
    if task.example == "Series" and "names" not in given:
        if not isinstance(given[main], list):  # a string would be a path to the task
            raise DataError("values are not a list of numbers", where=origin, remedy=f"send {example_of(task)}")
        return _checked(task, given[main], origin)
    return _checked(task, _built(task, {**given, "origin": origin}, origin), origin)


def of_bytes(task: Task[Any, Any], data: bytes, origin: str = "upload") -> Any:
    """An example from the bytes of one raw file: a picture, a text in UTF-8, a CSV. Raises DataError."""
    if not data:
        raise DataError("holds nothing", where=origin, remedy="send a file")
    if "pixels" in fields_of(task):
        return _picture(task, _decoded(task, data, origin), origin)
    if task.example == "Series":
        return next(SeriesTable(Path(origin), **task.source_options(), data=data).examples())
    needed = fields_of(task)
    main = next(iter(needed))
    if main in _DECODED:
        fields: dict[str, Any] = {f.name: None for f in dataclasses.fields(kind_of(task))}
        return _checked(
            task, kind_of(task)(**fields | _decoded_as(main, task, data, origin) | {"origin": origin}), origin
        )
    if needed[main] is not str:
        raise DataError("files of this kind cannot be sent", where=origin, remedy=f"send JSON: {example_of(task)}")
    return of_json(task, {main: decode_text(Path(origin), data)}, origin)


def example_of(task: Task[Any, Any]) -> str:
    """What may be sent, in words, for errors and the description."""
    if "pixels" in fields_of(task):
        return 'a picture\'s file, or JSON {"pixels": BASE64 of its file, or rows of numbers from 0 to 255}'
    if task.example == "Series":
        return 'a CSV, or JSON {"values": [1.5, 2.5, ...]}'
    main = next(iter(fields_of(task)))
    if main in _DECODED:
        return _DECODED[main]
    return f"JSON {{{', '.join(f'{name!r}: ...' for name in fields_of(task))}}}".replace("'", '"')


def _decoded_as(main: str, task: Task[Any, Any], data: bytes, origin: str) -> dict[str, Any]:
    """The fields of an example from the bytes of a recording, a clip or a volume. Raises DataError."""
    options = task.source_options()
    try:
        if main == "samples":
            return dict(zip(("samples", "rate"), _audio.decode(data), strict=True))
        if main == "frames":
            clip = _clips.timed(data, options["frames"], options["longest_side"])
            names = {field.name for field in dataclasses.fields(kind_of(task))}
            return {name: value for name, value in clip._asdict().items() if name in names}
        return {"voxels": _volumes.decode(data, options["longest_side"])}
    except (_audio.Unreadable, Unreadable) as error:
        raise DataError(f"cannot be used: {error}", where=origin) from error


@functools.cache
def _hints(kind: type) -> Mapping[str, Any]:
    """The types of a kind's fields, evaluated once: a server asks for them with every request."""
    return types.MappingProxyType(typing.get_type_hints(kind, include_extras=True))


@functools.cache
def _needed(kind: type) -> Mapping[str, Any]:
    hints = _hints(kind)
    needed = {f.name: hints[f.name] for f in dataclasses.fields(kind) if _is_needed(f, hints[f.name])}
    return types.MappingProxyType(needed)


@functools.cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint)


@functools.cache
def _is_array(hint: Any) -> bool:
    return "ndarray" in str(hint).lower()


def _is_needed(field: dataclasses.Field[Any], hint: Any) -> bool:
    has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
    return field.name not in _KNOWN and not has_default and not _optional(hint)


def _optional(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType) and type(None) in typing.get_args(hint)


def _built(task: Task[Any, Any], given: dict[str, Any], origin: str) -> Any:
    """The dataclass from JSON values, each held against its field's type; what is optional and not given is None."""
    kind = kind_of(task)
    hints = _hints(kind)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        if field.name in given:
            values[field.name] = _value(hint, given[field.name], f"{origin}, field {field.name!r}")
        elif _optional(hint):
            values[field.name] = None
        elif _is_needed(field, hint):
            raise DataError(f"the field {field.name!r} is missing", where=origin, remedy=f"send {example_of(task)}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            values[field.name] = _value(hint, () if "tuple" in str(hint) else "", origin)
    return kind(**values)


def _value(hint: Any, value: Any, where: str) -> Any:
    try:
        if _is_array(hint):
            if typing.get_origin(hint) is tuple:
                return tuple(_array(typing.get_args(hint)[0], part) for part in _listed(value))
            return _array(hint, value)
        return _adapter(hint).validate_python(_tuples(value), strict=hint is str)
    except (ValidationError, ValueError, TypeError, OverflowError) as error:
        raise DataError(f"cannot be used: {brief(error)}", where=where) from error


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("it is no list")
    return value


def _array(hint: Any, value: Any) -> Any:
    """JSON numbers as the array of this type. Raises ValueError where a number does not fit it."""
    array = typing.get_args(hint)[0] if _optional(hint) else hint
    wanted = np.dtype(typing.get_args(typing.get_args(array)[1])[0])
    found = np.asarray(value)
    if not found.size:
        raise ValueError("it holds nothing")
    if found.dtype.kind not in "iuf" or not np.isfinite(found).all():
        raise ValueError("something in it is not a number")
    if wanted.kind in "iu" and (found.dtype.kind == "f" or (found != found.astype(wanted)).any()):
        raise ValueError(f"a number in it is not a whole one of {wanted}")
    return found.astype(wanted)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value


def _picture(task: Task[Any, Any], pixels: Any, origin: str) -> Any:
    """A picture of the task's kind, of which nothing else is known."""
    unknown: dict[str, Any] = {"label": None, "labels": None, "transcript": None, "captions": ()}
    names = [field.name for field in dataclasses.fields(kind_of(task))]
    return kind_of(task)(pixels=pixels, origin=origin, **{n: unknown[n] for n in names if n in unknown})


def _pixels(task: Task[Any, Any], value: Any, origin: str) -> Any:
    if isinstance(value, str):
        code = value.partition("base64,")[2] if value.startswith("data:") else value
        try:
            return _decoded(task, base64.b64decode(code, validate=True), origin)
        except binascii.Error as error:
            raise DataError("pixels are not valid base64", where=origin, remedy=f"send {example_of(task)}") from error
    pixels = _value(_hints(examples.Image)["pixels"], value, f"{origin}, field 'pixels'")
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or not pixels.size:
        raise DataError(
            f"pixels of shape {pixels.shape} are no picture", where=origin, remedy="send [H][W] or [H][W][3]"
        )
    return pixels


def _decoded(task: Task[Any, Any], data: bytes, origin: str) -> Any:
    try:
        return decode(data, task.source_options().get("longest_side"))
    except Unreadable as error:
        raise DataError(str(error), where=origin) from error


def _checked(task: Task[Any, Any], raw: Any, origin: str) -> Any:
    """What the task itself makes of an example or of a list of numbers."""
    try:
        return task.read(raw)
    except UsageError as error:
        raise DataError(error.problem, where=origin, remedy=error.remedy or f"send {example_of(task)}") from error
