"""A process that forks others, so that hundreds of trainings can be killed in a short time."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


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
