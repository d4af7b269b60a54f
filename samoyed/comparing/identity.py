"""What tells one example from another, and a list of them from another list: the same data, the same figure."""

import dataclasses
import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from samoyed.examples import Series


def digest(examples: Iterable[Any]) -> str:
    """SHA-256 over the contents of examples in their order, wherever they were read from."""
    whole = hashlib.sha256()
    for example in examples:
        whole.update(content(example))
    return whole.hexdigest()


def content(example: Any) -> bytes:
    """SHA-256 of what an example holds, without where it came from. Of a series, of which runs may read more or less of the past,
    its last row."""
    if isinstance(example, Series):
        parts = [example.times[-1:], example.names, example.values[-1:]]
    else:
        parts = [getattr(example, f.name) for f in dataclasses.fields(example) if f.name != "origin"]
    found = hashlib.sha256()
    for part in parts:
        _into(found, part)
    return found.digest()


def _into(found: Any, value: Any) -> None:
    if isinstance(value, np.ndarray):
        found.update(repr((value.shape, str(value.dtype))).encode() + value.tobytes())
    elif isinstance(value, tuple | list):
        found.update(f"{len(value)} of".encode())
        for part in value:
            _into(found, part)
    else:
        found.update(repr(value).encode("utf-8", "backslashreplace") + b";")
