"""Builds kernels: one plain shared library from one C file, by whatever C compiler is at hand.

`setup.py` runs this file for its names and options, so it imports nothing but the standard library. Sources are those of the
recurrent kernels unless a folder and files are named.
"""

import contextlib
import ctypes
import hashlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent
SOURCES = ("kernels.c", "sets.h", "lanes.h", "cells.h", "normed.h", "products.h", "whole.h")
OPTIONS = ("-O3", "-g0", "-std=gnu11", "-ffp-contract=fast")
SECONDS = 120


def digest(folder: Path | None = None, sources: tuple[str, ...] = SOURCES) -> str:
    """Names what the sources and the options say, so that a library built from others is never taken for ours."""
    texts = ((folder or FOLDER) / name for name in sources)
    whole = b"\0".join([*(path.read_bytes() for path in texts), " ".join(OPTIONS).encode()])
    return hashlib.sha256(whole).hexdigest()[:16]


def compiler() -> list[str] | None:
    """The command of the C compiler: $CC, else cc, gcc or clang where there is one."""
    own = os.environ.get("CC", "").split()
    found = (shutil.which(name) for name in (own[:1] or ["cc", "gcc", "clang"]))
    program = next((path for path in found if path), None)
    return [program, *own[1:]] if program else None


def build(cache: Path, folder: Path | None = None, sources: tuple[str, ...] = SOURCES) -> Path | None:
    """The library in `cache`, built if it is not there; None where that cannot be done.

    Several processes may ask at once: each that finds none builds its own under a name of its own and renames it, and on
    systems with file locks the others wait for the first.
    """
    named = digest(folder, sources)
    library = cache / f"kernels-{named}-{os.uname().machine if hasattr(os, 'uname') else 'windows'}.so"
    if library.is_file():
        return library
    command = compiler()
    if command is None:
        return None
    temporary = cache / f".{library.name}.{secrets.token_hex(8)}.tmp"
    try:
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _lock(cache / ".kernels.lock"):
            if not library.is_file():
                define = f'-DSAMOYED_SOURCE="{named}"'
                source = str((folder or FOLDER) / sources[0])
                words = [*command, *OPTIONS, "-shared", "-fPIC", define, source, "-o", str(temporary), "-lm"]
                subprocess.run(words, check=True, capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
                os.replace(temporary, library)
    except (OSError, subprocess.SubprocessError):
        return None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return library


def loaded(cache: Path, folder: Path, sources: tuple[str, ...]) -> ctypes.CDLL | None:
    """The library of a folder's kernels: the one that was installed beside them, or one built in `cache`; None where there is
    neither."""
    for path in folder.glob("_kernels*.so"):
        found = opened(path, folder, sources)
        if found is not None:
            return found
    built = build(cache, folder, sources)
    return opened(built, folder, sources) if built else None


def opened(path: Path, folder: Path, sources: tuple[str, ...]) -> ctypes.CDLL | None:
    """The library at `path`, or None if it cannot be loaded or was built from other sources."""
    try:
        found = ctypes.CDLL(str(path))
        found.samoyed_source.restype = ctypes.c_char_p
        return found if found.samoyed_source() == digest(folder, sources).encode() else None
    except (OSError, AttributeError):
        return None


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
