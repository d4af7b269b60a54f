"""Promises with figures: each test states what it tried and how often it failed, and a table is printed at the end.

`make test` runs the short forms, `make prove` the long ones (SAMOYED_PROVE=1).
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

LONG = bool(os.environ.get("SAMOYED_PROVE"))
ROOT = Path(__file__).parents[2]


class Row(NamedTuple):
    """A promise, what was tried for it, and how often it was not kept."""

    promise: str
    tried: int
    failed: int
    of: str


_TABLE: dict[str, Row] = {}


def bound(tried: int, failed: int) -> float:
    """The upper end of the exact 95 % interval of the share that fails (Clopper & Pearson 1934); 3 / n where none failed."""
    from scipy.stats import beta

    return 1.0 if failed >= tried else float(beta.ppf(0.95, failed + 1, tried - failed))


@pytest.fixture
def promise() -> Callable[[str, str, int, int, str], None]:
    """promise(id, what is promised, how often it was tried, how often it failed, of what): a row, and the assertion."""

    def state(name: str, text: str, tried: int, failed: int, of: str) -> None:
        before = _TABLE.get(name, Row(text, 0, 0, of))
        _TABLE[name] = Row(text, before.tried + tried, before.failed + failed, of)
        assert tried > 0
        assert failed == 0, f"{name}: {failed} of {tried} {of}"

    return state


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


class Nursery:
    """A process that has everything imported, and forks a child for each line that it is sent: children begin at once.

    `start(name, ...)` calls a function of tests.reliability.children in a child and gives its number; the word BOOK stands for
    a small text.
    """

    def __init__(self, folder: Path) -> None:
        self.book = folder / "book.txt"
        self.book.write_text("".join(f"{i} bottles hang on the wall, {i * i} fall.\n" for i in range(200)), "utf-8")
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "SAMOYED_CACHE": str(folder / "cache")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.children"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT, env=environment,
        )  # fmt: skip
        self.said()

    def said(self) -> str:
        """The next line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def start(self, name: str, *words: object) -> int:
        """Forks a child that calls a function."""
        assert self.process.stdin is not None
        self.process.stdin.write("\t".join([name, *map(str, words)]).replace("BOOK", str(self.book)) + "\n")
        self.process.stdin.flush()
        return int(self.said())

    def ended(self) -> int:
        """Waits for the child: its exit code, or minus the signal that ended it."""
        assert self.process.stdin is not None
        self.process.stdin.write("wait\n")
        self.process.stdin.flush()
        return int(self.said())


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """One for the tests of a file."""
    made = Nursery(tmp_path_factory.mktemp("nursery"))
    yield made
    with contextlib.suppress(OSError):
        made.process.send_signal(signal.SIGKILL)
    made.process.wait()
    for pipe in (made.process.stdin, made.process.stdout):
        assert pipe is not None
        pipe.close()
