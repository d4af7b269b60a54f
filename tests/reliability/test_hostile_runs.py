"""S1, S2: a run from a stranger can do nothing: every file of it is read as data, or refused."""

import json
import os
import pickle
import shutil
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import samoyed
from samoyed.errors import SamoyedError
from samoyed.files import write_manifest


class Bomb:
    """Writes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self.path}'",)


def attacks(mark: Path) -> list[tuple[str, bytes]]:
    """Names of a run's files and what a stranger might put there."""
    yaml = [
        f"!!python/object/apply:os.system ['touch {mark}']",
        f"task: !!python/object/apply:os.system ['touch {mark}']",
        f"!!python/object/new:subprocess.Popen [[touch, '{mark}']]",
        "task: ../../../../etc/passwd\nmodel: lenet\n",
        "task: os\nmodel: system\n",
        "a: &a [x]\n"
        + "".join(f"{c}: &{c} [*{b},*{b},*{b},*{b}]\n" for b, c in zip("abcdefghij", "bcdefghijk", strict=True)),
        "[" * 10_000,
    ]
    objects = [pickle.dumps(Bomb(mark)), pickle.dumps({"weight": Bomb(mark)}, protocol=0)]
    texts = [b'{"__class__": "os.system"}', b"[" * 100_000, b"null", b'{"classes": ["a"], "pixels": "!!python"}']
    found = [("config.yaml", text.encode()) for text in yaml] + [("config.yaml", data) for data in objects]
    found += [("features.json", data) for data in [*texts, *objects]]
    found += [("results.json", data) for data in [*texts, *objects]]
    header = json.dumps({"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    found += [
        ("model.safetensors", data)
        for data in [*objects, b"", b"\xff" * 64, len(header).to_bytes(8, "little") + header]
    ]
    return found


def test_nothing_in_a_run_is_executed(
    promise: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: Callable[[int, int], int]
) -> None:
    whole = samoyed.train(
        "time-series-forecasting", model="gru", epochs=1, hidden_size=4, out=tmp_path / "whole", quiet=True
    ).path
    mark, tried, done = tmp_path / "mark", 0, 0

    def refuse(*words: object, **more: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for name, data in attacks(mark):
        run = tmp_path / "run"
        shutil.copytree(whole, run)
        (run / name).write_bytes(data)
        (run / "manifest.json").unlink()
        write_manifest(run, {"format": 1, "samoyed": "0.1.0", "ended": "finished"})  # sealed by the stranger
        for act in (samoyed.load, partial(samoyed.resume, quiet=True)):
            tried += 1
            try:
                act(run)
                done += 1
            except SamoyedError as error:
                done += len(str(error).splitlines()) != 1
            done += mark.exists()
        shutil.rmtree(run)
    promise("S1", "loading a run executes nothing", tried, done, "hostile files opened")
