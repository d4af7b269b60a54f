"""Finds the kernels' library and loads it, once: the one that was installed, or one built on first use in the user's cache."""

import ctypes
import functools
import threading
import warnings
from pathlib import Path

from samoyed.files import cache_folder
from samoyed.layers.recurrence import build

FOLDER = Path(__file__).parent
SOURCES = ("kernels.c", "words.h", "../recurrence/sets.h", "../recurrence/lanes.h")
_LOADING = threading.Lock()
_NONE = (
    "word vectors are learned in plain PyTorch, which is some twenty times slower: their kernels could not be built; "
    "install a C compiler (gcc or clang)"
)


class Call(ctypes.Structure):
    """One call of the kernels; kernels.c says what each field holds."""

    _fields_ = [
        ("tokens", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("length", "begin", "end", "position")),
        *((name, ctypes.c_void_p) for name in ("input", "output")),
        *((name, ctypes.c_int64) for name in ("stride", "words", "window", "negatives", "cbow", "shared", "corrected")),
        *((name, ctypes.c_void_p) for name in ("keep", "chance", "other", "first", "nodes", "signs")),
        ("seed", ctypes.c_uint64),
        ("rate", ctypes.c_float),
        ("scratch", ctypes.c_void_p),
        ("loss", ctypes.c_double),
        *((name, ctypes.c_int64) for name in ("steps", "learned")),
    ]


def library() -> ctypes.CDLL | None:
    """The kernels, or None where there is no compiler and no built library; that is said once, as a RuntimeWarning."""
    with _LOADING:
        found = _load()
    if found is None:
        _say()
    return found


@functools.cache
def _load() -> ctypes.CDLL | None:
    found = build.loaded(cache_folder(), FOLDER, SOURCES)
    if found is not None:
        found.samoyed_learn.argtypes, found.samoyed_learn.restype = (ctypes.POINTER(Call),), None
        found.samoyed_choose.argtypes, found.samoyed_choose.restype = (ctypes.c_char_p,), ctypes.c_char_p
        found.samoyed_choose(None)
    return found


@functools.cache
def _say() -> None:
    warnings.warn(_NONE, RuntimeWarning, stacklevel=2)
