"""Finds the kernels' library and loads it, once: the one that was installed, or one built on first use in the user's cache."""

import ctypes
import functools
import threading
import warnings
from pathlib import Path

import torch

from samoyed.files import cache_folder
from samoyed.layers.recurrence import build, gpu

_LOADING = threading.Lock()
_NONE = (
    "recurrent layers run in plain PyTorch, which gives the same numbers more slowly: their kernels could not be built; "
    "install a C compiler (gcc or clang)"
)


class Call(ctypes.Structure):
    """One call of the kernels; kernels.c says what each field holds."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("cell", "hidden", "steps", "begin", "end", "reverse", "threads")),
        *(
            (name, ctypes.c_void_p)
            for name in ("first", "packed", "peephole", "bias", "gates", "extra", "y", "h", "c", "h0", "c0")
        ),
        *((name, ctypes.c_void_p) for name in ("dy", "dgates", "sums", "scratch", "norm", "norm_bias", "norm_c")),
        *((name, ctypes.c_void_p) for name in ("norm_c_bias", "input", "product", "scale", "dproduct")),
        *((name, ctypes.c_void_p) for name in ("whole", "scales", "rounded")),
    ]


class Product(ctypes.Structure):
    """One product of whole numbers; products.h says what each field holds, `given` being `in`."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("rows", "outputs", "depth", "in_stride", "out_stride", "add", "threads")),
        *((name, ctypes.c_void_p) for name in ("given", "out", "packed", "scales", "bias", "scratch")),
    ]


def library() -> ctypes.CDLL | None:
    """The kernels, or None where there is no compiler and no built library; that is said once, as a RuntimeWarning."""
    with _LOADING:
        found = _load()
    if found is None:
        _say()
    return found


def available(device: str = "cpu") -> bool:
    """Whether there are kernels for a type of device."""
    return gpu.available() if device == "cuda" else library() is not None


# In a compiled graph the answer is a constant: the mark of torch.compiler.assume_constant_result, which would import all of the
# compiler, seconds of work, into every program that only predicts.
available._dynamo_marked_constant = True  # type: ignore[attr-defined]


def narrowed(x: torch.Tensor) -> bool:
    """Whether autocast is on where x is; a tensor without numbers ("meta") is nowhere."""
    return not x.is_meta and torch.is_autocast_enabled(x.device.type)


@functools.cache
def _load() -> ctypes.CDLL | None:
    for path in build.FOLDER.glob("_kernels*.so"):
        found = _open(path)
        if found is not None:
            return found
    path_or_none = build.build(cache_folder())
    return _open(path_or_none) if path_or_none else None


@functools.cache
def _say() -> None:
    warnings.warn(_NONE, RuntimeWarning, stacklevel=2)


def _open(path: Path) -> ctypes.CDLL | None:
    """The library at `path` with its signatures, or None if it cannot be loaded or was built from other sources."""
    try:
        found = ctypes.CDLL(str(path))
        found.samoyed_source.restype = ctypes.c_char_p
        if found.samoyed_source() != build.digest().encode():
            return None
    except (OSError, AttributeError):
        return None
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    for name in ("samoyed_forward", "samoyed_backward"):
        getattr(found, name).argtypes, getattr(found, name).restype = (ctypes.POINTER(Call),), None
    found.samoyed_previous.argtypes, found.samoyed_previous.restype = (ctypes.POINTER(Call), pointer), None
    found.samoyed_packed_size.argtypes, found.samoyed_packed_size.restype = (number, number), number
    found.samoyed_pack.argtypes, found.samoyed_pack.restype = (number,) * 4 + (pointer,) * 2, None
    found.samoyed_choose.argtypes, found.samoyed_choose.restype = (ctypes.c_char_p,), ctypes.c_char_p
    found.samoyed_whole_multiply.argtypes, found.samoyed_whole_multiply.restype = (ctypes.POINTER(Product),), None
    found.samoyed_whole_size.argtypes, found.samoyed_whole_size.restype = (number, number), number
    found.samoyed_whole_pack.argtypes, found.samoyed_whole_pack.restype = (number, number, pointer, pointer), None
    found.samoyed_whole_choose.argtypes, found.samoyed_whole_choose.restype = (ctypes.c_char_p,), ctypes.c_char_p
    found.samoyed_whole_choice.argtypes, found.samoyed_whole_choice.restype = (), ctypes.c_char_p
    found.samoyed_large_pages.argtypes, found.samoyed_large_pages.restype = (pointer, number), None
    found.samoyed_use_threads.argtypes, found.samoyed_use_threads.restype = (pointer,), None
    found.samoyed_use_threads(threads_of_torch())
    found.samoyed_choose(None)
    found.samoyed_whole_choose(None)
    return found


def threads_of_torch() -> ctypes.c_void_p | None:
    """How to start the threads of the OpenMP runtime that torch has loaded; None if it has none."""
    for name in (None, "libgomp.so.1", "libomp.so", "libiomp5.so"):
        try:
            return ctypes.cast(ctypes.CDLL(name).GOMP_parallel, ctypes.c_void_p)
        except (OSError, AttributeError, TypeError):
            continue
    return None
