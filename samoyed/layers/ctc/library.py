"""Finds the kernels' library and loads it, once: the one that was installed, or one built on first use in the user's cache."""

import ctypes
import functools
import threading
import warnings
from pathlib import Path

from samoyed.files import cache_folder
from samoyed.layers.recurrence import build
from samoyed.layers.recurrence.library import threads_of_torch

FOLDER = Path(__file__).parent
SOURCES = ("kernels.c", "ctc.h", "../recurrence/sets.h", "../recurrence/lanes.h")
_LOADING = threading.Lock()
_NONE = (
    "the loss of connectionist temporal classification is torch's, which gives the same numbers more slowly: its kernels could not "
    "be built; install a C compiler (gcc or clang)"
)


class Call(ctypes.Structure):
    """One call of the kernels; kernels.c says what each field holds."""

    _fields_ = [
        ("logits", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("over_batch", "over_time")),
        *((name, ctypes.c_void_p) for name in ("symbols", "lengths", "symbol_lengths")),
        *((name, ctypes.c_int64) for name in ("batch", "steps", "letters", "most", "threads")),
        *((name, ctypes.c_void_p) for name in ("loss", "gradient", "scratch")),
        ("next", ctypes.c_int64),
    ]


def library() -> ctypes.CDLL | None:
    """The kernels, or None where there is no compiler and no built library; that is said once, as a RuntimeWarning."""
    with _LOADING:
        found = _load()
    if found is None:
        _say()
    return found


def available() -> bool:
    """Whether there are kernels."""
    return library() is not None


available._dynamo_marked_constant = True  # type: ignore[attr-defined]  # in a compiled graph; see recurrence/library.py


@functools.cache
def _load() -> ctypes.CDLL | None:
    found = build.loaded(cache_folder(), FOLDER, SOURCES)
    if found is not None:
        for name in ("samoyed_room", "samoyed_ctc"):
            getattr(found, name).argtypes, getattr(found, name).restype = (ctypes.POINTER(Call),), ctypes.c_int64
        found.samoyed_choose.argtypes, found.samoyed_choose.restype = (ctypes.c_char_p,), ctypes.c_char_p
        found.samoyed_scale.argtypes, found.samoyed_scale.restype = (ctypes.c_int64,) * 2 + (ctypes.c_void_p,) * 3, None
        found.samoyed_use_threads.argtypes, found.samoyed_use_threads.restype = (ctypes.c_void_p,), None
        found.samoyed_use_threads(threads_of_torch())
        found.samoyed_choose(None)
    return found


@functools.cache
def _say() -> None:
    warnings.warn(_NONE, RuntimeWarning, stacklevel=2)
