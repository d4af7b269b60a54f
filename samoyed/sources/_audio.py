"""Recordings from files that may be damaged: WAV, FLAC, OGG and MP3 by libsndfile, from the extra samoyed[audio]."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samoyed.errors import require

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
MOST_SECONDS = 600.0
_RATES = 2_000, 400_000


class Unreadable(Exception):
    """Why a file is no recording that can be used, as the end of a sentence."""


def decode(path: Path) -> tuple[NDArray[np.float32], int]:
    """(samples float32 [T], the mean over channels; samples a second). Raises Unreadable for what is damaged, longer than 10
    minutes, or silent; nothing is decoded before its length is known."""
    require("soundfile", "audio")
    import soundfile

    try:
        about = soundfile.info(str(path))
        if not _RATES[0] <= about.samplerate <= _RATES[1]:
            raise Unreadable(f"it has {about.samplerate} samples a second")
        if about.frames <= 0 or about.channels < 1:
            raise Unreadable("there is nothing in it")
        if about.frames > MOST_SECONDS * about.samplerate:
            raise Unreadable(f"it is longer than {MOST_SECONDS:.0f} s: cut it into utterances")
        samples, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (RuntimeError, OSError, ValueError, TypeError) as error:
        raise Unreadable(_why(error)) from error
    mono: NDArray[np.float32] = samples.mean(axis=1, dtype=np.float32)
    if not len(mono) or not np.isfinite(mono).all():
        raise Unreadable("it holds numbers that are none" if len(mono) else "there is nothing in it")
    if not np.any(mono):
        raise Unreadable("it is silent")
    return mono, int(rate)


def _why(error: Exception) -> str:
    """libsndfile's reason without the path, which the caller names."""
    return str(error).rpartition(": ")[2].strip().rstrip(".").lower() or type(error).__name__
