"""What every test stands on: one thread, a cache of its own, and a few ways to make data and to run the command line."""

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from tests.promises import promise, pytest_terminal_summary, times

__all__ = ["promise", "pytest_terminal_summary", "times"]  # fixtures and a hook

torch.set_num_threads(1)
sys.dont_write_bytecode = (
    False  # the many programs that tests start would compile the libraries' sources again and again
)
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
for _interruption in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    if (
        signal.getsignal(_interruption) is signal.SIG_IGN
    ):  # of what a shell starts in the background, and all that it starts
        signal.signal(_interruption, signal.default_int_handler if _interruption == signal.SIGINT else signal.SIG_DFL)


class Said(NamedTuple):
    """What a command left: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long proofs run by `make prove` only."""
    for item in items:
        if "prove" in item.keywords and not os.environ.get("SAMOYED_PROVE"):
            item.add_marker(pytest.mark.skip(reason="a long proof: make prove"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMOYED_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one, for tests that save thousands of times: flushing a disk is slow."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data outside the repository; a test that asks for them is skipped where they are absent."""
    folder = Path(os.environ.get("SAMOYED_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"the real data are not at {folder}; name their folder in SAMOYED_TEST_DATA")
    return folder


@pytest.fixture
def paint() -> Callable[..., Path]:
    """Writes a picture of noise: paint(path, seed, size=(12, 10), mode="L")."""

    def write(path: Path, seed: int = 0, size: tuple[int, int] = (12, 10), mode: str = "L") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        channels = len(Pillow.new(mode, (1, 1)).getbands())
        noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
        Pillow.fromarray(noise[:, :, 0] if channels == 1 else noise, mode if mode != "1" else "L").convert(mode).save(
            path
        )
        return path

    return write


@pytest.fixture
def classes(tmp_path: Path, paint: Callable[..., Path]) -> Callable[..., Path]:
    """A folder per class: classes({"cat": 3, "dog": 4}) -> the folder that holds them."""

    def write(counts: dict[str, int], folder: str = "photos") -> Path:
        for offset, (name, count) in enumerate(counts.items()):
            (tmp_path / folder / name).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                paint(tmp_path / folder / name / f"{i:03}.png", 1000 * offset + i)
        return tmp_path / folder

    return write


@pytest.fixture
def command(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Runs `samoyed WORDS...` in this process, in an empty working folder."""
    from samoyed import cli

    def run(*words: object) -> Said:
        monkeypatch.chdir(tmp_path_factory.mktemp("work"))
        monkeypatch.setattr(sys, "argv", ["samoyed", *map(str, words)])
        capsys.readouterr()
        code: object = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return Said(code if isinstance(code, int) else 0, said.out, said.err)

    return run


@pytest.fixture
def untouched() -> Iterator[Callable[[Path], None]]:
    """Remembers a folder's names, sizes, times and bytes, and fails if anything in it is different after the test."""
    before: dict[Path, list[tuple[str, int, bytes]]] = {}
    yield lambda folder: before.update({folder: _listing(folder)})
    for folder, listing in before.items():
        assert _listing(folder) == listing, f"{folder} was written to"


def _listing(folder: Path) -> list[tuple[str, int, bytes]]:
    paths = [folder, *sorted(folder.rglob("*"))]
    return [(str(p), p.lstat().st_mtime_ns, p.read_bytes() if p.is_file() else b"") for p in paths]
