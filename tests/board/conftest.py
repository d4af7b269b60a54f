"""A folder of runs: two that have ended, one in progress, one that is damaged; and a board of it behind a real server."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import samoyed
from samoyed import catalog

pytest.importorskip("fastapi", reason="the extra serve is not installed")
httpx = pytest.importorskip("httpx")

from samoyed.board import server as board  # noqa: E402
from samoyed.board.app import application  # noqa: E402
from samoyed.serving import server  # noqa: E402


def line(epoch: int, loss: float, best: bool = True) -> str:
    """A line of metrics.jsonl."""
    numbers = {"step": 9 * epoch, "seconds": 0.5, "step_ms": 5.0, "per_second": 80.0, "learning_rate": 0.01}
    valid = {"error": 30.0 / epoch, "loss": loss}
    return (
        json.dumps({"epoch": epoch, **numbers, "loss": loss, "gradient_norm": 1.0, "valid": valid, "best": best}) + "\n"
    )


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two finished runs."""
    root = tmp_path_factory.mktemp("board") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog.task("image-classification").load(), "pictures", lambda *given: [])
        for number, model in (("1", "linear"), ("2", "mlp")):
            samoyed.train(
                "image-classification", model=model, out=root / "image-classification" / number, quiet=True, epochs=2,
                execution="plain",
            )  # fmt: skip
    return root


@pytest.fixture
def root(finished: Path, tmp_path: Path) -> Path:
    """A copy of them, to which others may be added."""
    return Path(shutil.copytree(finished, tmp_path / "runs"))


@pytest.fixture
def live(root: Path) -> Path:
    """A run in progress."""
    folder = root / "live"
    folder.mkdir()
    (folder / "config.yaml").write_text(
        "task: image-classification\nmodel: lenet\ncommand: samoyed train\nsettings: {training: {epochs: 9}}\n"
    )
    (folder / "metrics.jsonl").write_text(line(1, 2.0))
    return folder


@pytest.fixture
def shown(root: Path) -> Iterator[Any]:
    """The board: its URL and a client."""
    bound = server.listen("127.0.0.1", 0)
    running = server.server_of(application(root), board.HOST, None, board.LIMITS)
    thread = threading.Thread(target=lambda: running.run(sockets=[bound]))
    thread.start()
    while not running.started:
        time.sleep(0.01)
    url = server.address(bound)
    with httpx.Client(base_url=url, timeout=60) as client:
        yield SimpleNamespace(url=url, client=client)
    running.should_exit = True
    thread.join(15)
    bound.close()
    assert not thread.is_alive()
