"""Tiny raw data and one run of each task, made once for all tests of the command line."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

import samoyed
from samoyed import cli

VERSE = "the quick brown fox jumps over the lazy dog.\nto be or not to be, that is the question.\n"


def paint_classes(folder: Path, names: tuple[str, ...], each: int = 12, side: int = 12) -> Path:
    """A folder per class; a bright bar stands elsewhere in each, so that they can be told apart."""
    draw = np.random.default_rng(0)
    for place, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            pixels = draw.integers(0, 90, (side, side), dtype=np.uint8)
            pixels[:, 4 * place % side : 4 * place % side + 3] += 150
            Pillow.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def bars() -> Callable[..., Path]:
    return paint_classes


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Raw data by task."""
    folder = tmp_path_factory.mktemp("raw data")  # with a space
    (folder / "book.txt").write_text(VERSE * 40, "utf-8")
    months = [f"{1990 + i // 12}-{i % 12 + 1:02},{100 + i + 10 * np.sin(i / 2):.3f}" for i in range(140)]
    (folder / "prices.csv").write_text("\n".join(["month,price", *months]), "utf-8")
    return {
        "image-classification": paint_classes(folder / "photos", ("cat", "größe", "<dog>")),
        "text-generation": folder / "book.txt",
        "time-series-forecasting": folder / "prices.csv",
    }


TINY = {
    "image-classification": {"model": "linear", "epochs": 2},
    "text-generation": {"epochs": 2, "hidden_size": 8, "embedding_size": 4, "sequence_length": 32},
    "time-series-forecasting": {"max_steps": 6, "hidden_size": 4},
}


@pytest.fixture(scope="session")
def tiny() -> dict[str, list[str]]:
    """Settings, as words of a command, with which each task is trained in a moment."""
    return {task: [f"{key}={value}" for key, value in given.items()] for task, given in TINY.items()}


@pytest.fixture(scope="session")
def runs(raw: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A finished run of each task."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAMOYED_CACHE", str(tmp_path_factory.mktemp("cache")))
        folder = tmp_path_factory.mktemp("finished")
        for task, given in TINY.items():
            samoyed.train(task, raw[task], out=folder / task, quiet=True, **given)
        yield {task: folder / task for task in TINY}


@pytest.fixture
def command_in(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs `samoyed WORDS...` in this process, in the folder that is named first."""

    def run(folder: Path, *words: object) -> Any:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["samoyed", *map(str, words)])
        capsys.readouterr()
        code: object = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return SimpleNamespace(code=code or 0, out=said.out, err=said.err)

    return run


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a real process: this Python's commands, one thread, a cache of its own."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "PYTHONIOENCODING")}
    return {**kept, "PATH": path, "OMP_NUM_THREADS": "1", "SAMOYED_CACHE": str(tmp_path / "cache")}
