"""What the tests of series share."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def table(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a table."""

    def write(text: str) -> Path:
        path = tmp_path / "prices.csv"
        path.write_bytes(text.encode())
        return path

    return write
