"""Served runs: small ones, trained once, behind a real server on a free port."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import samoyed
from samoyed import catalog
from samoyed.run import Run

pytest.importorskip("fastapi", reason="the extra serve is not installed")
httpx = pytest.importorskip("httpx")

from samoyed.serving import server  # noqa: E402
from samoyed.serving.api import application  # noqa: E402
from samoyed.serving.limits import Limits  # noqa: E402

_SETTINGS: dict[str, dict[str, Any]] = {
    "image-classification": {"max_steps": 150},
    "text-generation": {"max_steps": 3, "hidden_size": 16, "sequence_length": 16},
    "time-series-forecasting": {"max_steps": 20, "hidden_size": 8},
}


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """The run of a task after a few steps, trained when first asked for."""
    made: dict[str, Run] = {}

    def train(task: str) -> Run:
        if task not in made:
            out = tmp_path_factory.mktemp("served") / "run"
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(catalog.task(task).load(), "pictures", lambda *given: [])
                made[task] = samoyed.train(
                    task, _data(task, out.parent), out=out, quiet=True, **_SETTINGS.get(task, {"max_steps": 2})
                )
        return made[task]

    return train


def _data(task: str, folder: Path) -> Path | None:
    if task != "text-generation":
        return None
    text = "".join(chr(97 + i) for i in np.random.default_rng(0).integers(0, 8, 4000))
    (folder / "book.txt").write_text(text)
    return folder / "book.txt"


class Served:
    """A server in a thread of this process: its URL, its queue, and a client."""

    def __init__(self, run: Run, limits: Limits, token: str | None) -> None:
        app, self.queue = application(run, limits)
        self.bound = server.listen("127.0.0.1", 0)
        self.url = server.address(self.bound)
        self.port = self.bound.getsockname()[1]
        self.server = server.server_of(app, "127.0.0.1", token, limits, lambda: self.queue.full)
        self.thread = threading.Thread(target=lambda: self.server.run(sockets=[self.bound]))
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        self.client = httpx.Client(base_url=self.url, timeout=30)

    def stop(self) -> None:
        self.client.close()
        self.server.should_exit = True
        self.thread.join(15)
        assert not self.thread.is_alive()
        self.bound.close()

    def raw(self, *pieces: bytes, pause: float = 0.0, patience: float = 15.0) -> bytes:
        """Writes bytes to a connection, and returns all that comes back until it is closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=patience) as connection:
            said = b""
            try:
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(pause)
                while part := connection.recv(65536):
                    said += part
            except (ConnectionError, TimeoutError):
                pass
            return said


@pytest.fixture(scope="session")
def serving() -> Callable[..., Any]:
    """`with serving(run, token=None, **limits) as served:`."""

    @contextmanager
    def start(run: Run, token: str | None = None, **limits: Any) -> Iterator[Served]:
        served = Served(run, Limits(**limits), token)
        try:
            yield served
        finally:
            served.stop()

    return start
