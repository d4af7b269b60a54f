"""Recordings from files that may be damaged: WAV, FLAC, OGG and MP3 by libsndfile, from the extra samoyed[audio]."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samoyed.errors import require

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
MOST_SECONDS = 600.0
_RATES = 2_000, 400_000


class Unreadable(Exception):
    """Why a file is no recording that can be used, as the end of a sentence."""


def decode(file: Path | bytes) -> tuple[NDArray[np.float32], int]:
    """(samples float32 [T], the mean over channels; samples a second). Raises Unreadable for what is damaged, cut short, longer
    than 10 minutes, or silent; nothing is decoded before its length is known."""
    require("soundfile", "audio")
    import soundfile

    def opened() -> Any:
        return io.BytesIO(file) if isinstance(file, bytes) else str(file)

    try:
        _refuse_cut(lambda: io.BytesIO(file) if isinstance(file, bytes) else file.open("rb"))
        about = soundfile.info(opened())
        if not _RATES[0] <= about.samplerate <= _RATES[1]:
            raise Unreadable(f"it has {about.samplerate} samples a second")
        if about.frames <= 0 or about.channels < 1:
            raise Unreadable("there is nothing in it")
        if about.frames > MOST_SECONDS * about.samplerate:
            raise Unreadable(f"it is longer than {MOST_SECONDS:.0f} s: cut it into utterances")
        samples, rate = soundfile.read(opened(), dtype="float32", always_2d=True)
    except (RuntimeError, OSError, ValueError, TypeError) as error:
        raise Unreadable(_why(error)) from error
    mono: NDArray[np.float32] = samples.mean(axis=1, dtype=np.float32)
    if not len(mono) or not np.isfinite(mono).all():
        raise Unreadable("it holds numbers that are none" if len(mono) else "there is nothing in it")
    if not np.any(mono):
        raise Unreadable("it is silent")
    return mono, int(rate)


def _refuse_cut(opened: Callable[[], Any]) -> None:
    """Raises Unreadable for a WAV file that ends before its sound does; libsndfile reads what there is without a word.

    A length of 0, or near 2 or 4 GiB, stands in files that were written as a stream, and says nothing.
    """
    with opened() as file:
        if file.read(4) != b"RIFF" or file.read(8)[4:] != b"WAVE":
            return
        while len(head := file.read(8)) == 8:
            size = int.from_bytes(head[4:], "little")
            if head[:4] == b"data":
                begin = file.tell()
                there = file.seek(0, io.SEEK_END) - begin
                if there < size < 0x7FFF0000:
                    raise Unreadable(f"it is cut short: {there:,} of its {size:,} bytes are there")
                return
            file.seek(size + size % 2, io.SEEK_CUR)


def _why(error: Exception) -> str:
    """libsndfile's reason without the path, which the caller names."""
    return str(error).rpartition(": ")[2].strip().rstrip(".").lower() or type(error).__name__
