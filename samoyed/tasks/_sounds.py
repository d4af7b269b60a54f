"""What tasks on recordings share: one recording that a person gave, and what was found in many."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samoyed.errors import DataError
from samoyed.sources import one_file
from samoyed.sources._audio import Unreadable, decode


def checked(samples: NDArray[Any], rate: int, origin: str) -> None:
    """Raises DataError for what is no sound: of more than one axis, empty, not finite, or without a rate."""
    if samples.ndim != 1 or not samples.size or rate < 1 or not np.isfinite(samples).all():
        raise DataError(
            f"samples of shape {samples.shape} at {rate} a second are no recording", where=origin,
            remedy="give [T] numbers from -1 to 1, and a rate such as 16000",
        )  # fmt: skip


def one_recording(raw: Any) -> tuple[NDArray[np.float32], int, str]:
    """(samples float32 [T], rate, the path) of the file that a person named. Raises DataError and UsageError."""
    path = one_file(raw, "recording")
    try:
        return *decode(path), str(path)
    except Unreadable as error:
        raise DataError(f"cannot be heard: {error}", where=path) from error


def summary(examples: Sequence[Any]) -> str:
    """How many, how long, at which rates."""
    seconds = [len(e.samples) / e.rate for e in examples]
    rates = sorted({e.rate for e in examples})
    listed = ", ".join(f"{rate:,}" for rate in rates[:4]) + (", ..." if len(rates) > 4 else "")
    return f"{len(seconds):,}, {sum(seconds) / 60:,.1f} minutes, {min(seconds):.1f} to {max(seconds):.1f} s, at {listed} Hz"
