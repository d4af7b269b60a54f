"""Promises with figures: a test states what it tried and how often it failed, and a table is printed at the end.

`make test` runs the short forms, `make prove` the long ones (SAMOYED_PROVE=1).
"""

import os
from collections.abc import Callable
from typing import NamedTuple

import pytest

LONG = bool(os.environ.get("SAMOYED_PROVE"))


class Row(NamedTuple):
    """A promise, what was tried for it, and how often it was not kept."""

    promise: str
    tried: int
    failed: int
    of: str


_TABLE: dict[str, Row] = {}


def bound(tried: int, failed: int) -> float:
    """The exact upper 95 % bound of the share that fails (Clopper & Pearson 1934): about 3 / n where none failed."""
    from scipy.stats import beta

    return 1.0 if failed >= tried else float(beta.ppf(0.95, failed + 1, tried - failed))


def keep(name: str, text: str, tried: int, failed: int, of: str) -> None:
    """States a promise's id, what is promised, how often it was tried and failed, of what: a row, and the assertion."""
    before = _TABLE.get(name, Row(text, 0, 0, of))
    _TABLE[name] = Row(text, before.tried + tried, before.failed + failed, of)
    assert tried > 0
    assert failed == 0, f"{name}: {failed} of {tried} {of}"


@pytest.fixture
def promise() -> Callable[[str, str, int, int, str], None]:
    """`keep`."""
    return keep


@pytest.fixture(scope="session")
def times() -> Callable[[int, int], int]:
    """times(short, long): how often something is tried here."""
    return lambda short, long: long if LONG else short


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _TABLE or not LONG:
        return
    terminalreporter.section("promises")
    rows = [("id", "promise", "tried", "failed", "fails in less than (95 %)")]
    for name, row in sorted(_TABLE.items()):
        share = f"{bound(row.tried, row.failed):.2%}"
        rows.append((name, row.promise, f"{row.tried:,} {row.of}", str(row.failed), share))
    rows.insert(1, ("---",) * 5)
    for cells in rows:
        terminalreporter.write_line("| " + " | ".join(cells) + " |")
