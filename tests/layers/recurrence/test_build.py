"""Building the kernels: in a cache, by several processes at once, and what happens where it cannot be done."""

import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from samoyed.layers.recurrence import GRU, LSTM, build, library

from .conftest import assert_same, everything

needs_compiler = pytest.mark.skipif(build.compiler() is None, reason="no C compiler")


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """As if nothing had been loaded yet, with no library beside the sources, and built quickly."""
    for name in build.SOURCES:
        (tmp_path / name).write_bytes((build.FOLDER / name).read_bytes())
    monkeypatch.setattr(build, "OPTIONS", ("-O0", "-std=gnu11"))
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    library._load.cache_clear()
    library._say.cache_clear()
    yield tmp_path
    library._load.cache_clear()
    library._say.cache_clear()


def test_without_a_compiler_the_numbers_are_the_same(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [LSTM(3, 8), GRU(3, 8, reset="before"), LSTM(3, 8, peephole=True, forget="coupled")]
    x = torch.randn(6, 4, 3, requires_grad=True)
    expected = [everything(layer, x) for layer in layers]
    library._load.cache_clear()
    monkeypatch.setattr(build, "compiler", lambda: None)
    monkeypatch.setenv("SAMOYED_CACHE", str(fresh / "empty"))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = [everything(layer, x) for layer in layers]
    assert len(said) == 1
    line = str(said[0].message)
    assert line.startswith("recurrent layers run in plain PyTorch")
    assert "\n" not in line
    assert "install a C compiler" in line
    for a, b in zip(found, expected, strict=True):
        assert_same(a, b, 1e-5)
    with pytest.raises(RuntimeError, match="kernels are not built on this machine"):
        LSTM(3, 8, engine="kernel")(x)


@pytest.mark.parametrize("command", ["/bin/false", "no-such-compiler"])
def test_a_compiler_that_fails(command: str, fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "compiler", lambda: [command])
    assert build.build(fresh / "cache") is None
    assert [p.name for p in (fresh / "cache").iterdir() if p.suffix in (".so", ".tmp")] == []


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert build.build(tmp_path / "file" / "cache") is None


def test_the_compiler_is_the_one_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", f"{sys.executable} -E")
    assert build.compiler() == [sys.executable, "-E"]
    monkeypatch.setenv("CC", "no-such-compiler")
    assert build.compiler() is None
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", "/nowhere")
    assert build.compiler() is None


@needs_compiler
def test_it_is_built_once_and_found_again(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = build.build(fresh / "cache")
    assert path is not None
    monkeypatch.setattr(build, "compiler", lambda: pytest.fail("it was there"))
    assert build.build(fresh / "cache") == path
    assert not list((fresh / "cache").glob(".*.tmp"))


@needs_compiler
def test_other_sources_are_another_library(fresh: Path) -> None:
    path = build.build(fresh / "cache")
    assert path is not None
    assert library._open(path) is not None
    before = build.digest()
    (fresh / "cells.h").write_text((fresh / "cells.h").read_text() + "/* changed */\n")
    assert build.digest() != before
    assert library._open(path) is None
    assert build.build(fresh / "cache") != path


def test_what_is_no_library_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "_kernels.so").write_bytes(b"no library")
    assert library._open(tmp_path / "_kernels.so") is None


@needs_compiler
def test_processes_that_build_at_once(tmp_path: Path) -> None:
    code = (
        "import runpy, sys, pathlib; build = runpy.run_path(sys.argv[1]);"
        "print(build['build'](pathlib.Path(sys.argv[2])))"
    )
    words = [sys.executable, "-c", code, str(build.FOLDER / "build.py"), str(tmp_path / "cache")]
    running = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {process.communicate(timeout=300)[0].strip() for process in running}
    assert len(said) == 1
    assert said.pop().endswith(".so")
    assert len(list((tmp_path / "cache").glob("*.so"))) == 1
    assert not list((tmp_path / "cache").glob(".*.tmp"))
