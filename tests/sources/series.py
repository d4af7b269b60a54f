"""Reading a table as a series, and what is said where it is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from samoyed.errors import DataError
from samoyed.examples import Series
from samoyed.sources import Source, open_splits

Table = Callable[[str], Path]


def opened(path: Path, **options: object) -> tuple[Source, Series]:
    source = open_splits("Series", path, options)["all"]
    series = next(iter(source.examples()))
    assert isinstance(series, Series)
    assert len(series.values) == len(series.times)
    assert np.isfinite(series.values).all()
    return source, series


def read(path: Path, **options: object) -> Series:
    return opened(path, **options)[1]


def refused(path: Path, **options: object) -> str:
    with pytest.raises(DataError) as raised:
        opened(path, **options)
    text = str(raised.value)
    assert len(text.splitlines()) == 1
    return text.removeprefix(str(path))
