"""A series given in Python, as an array or a list of numbers."""

from typing import Any

import numpy as np

from samoyed.errors import UsageError
from samoyed.examples import Series


def series_of(raw: Any, columns: list[str]) -> Series:
    """Numbers [T] or [T, columns] as a series. Raises UsageError where they are no numbers, no such shape, or not finite."""
    try:
        values = np.asarray(raw, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise UsageError("a list that holds something besides numbers is no series") from error
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or values.shape[1] != len(columns):
        raise UsageError(f"an array {values.shape} is no series of {', '.join(columns)}")
    if not np.isfinite(values).all():
        raise UsageError("a series with values that are missing or infinite cannot be gone on with")
    return Series(values, tuple(columns), tuple(str(i + 1) for i in range(len(values))), "array")
