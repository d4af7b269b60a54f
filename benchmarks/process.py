"""The other end of `worker`: starts a contestant's process, asks it, and says how it ended."""

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


class NotInstalledError(Exception):
    """What the contestant needs is not there."""


class FailedError(Exception):
    """The contestant raised an error, ended, or did not answer in time."""


class Process:
    """One contestant's process. Use it in a `with`, which ends the process."""

    def __init__(self, python: Path, environment: Mapping[str, str] | None = None) -> None:
        if not python.is_file():
            raise NotInstalledError(f"there is no {python}")
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the process
        self._child = subprocess.Popen(
            [python, "-m", "benchmarks.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            text=True,
        )

    @property
    def pid(self) -> int:
        """Its number in the system."""
        return self._child.pid

    def ask(self, what: str, *, limit: float = 900.0, **request: Any) -> dict[str, Any]:
        """Sends a request and waits at most `limit` seconds for the reply. Raises NotInstalledError and FailedError."""
        requests, replies = self._child.stdin, self._child.stdout
        assert requests is not None
        assert replies is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            self._child.kill()

        clock = threading.Timer(limit, end)
        clock.start()
        try:
            requests.write(json.dumps({"do": what, **request}) + "\n")
            requests.flush()
            line = replies.readline()
        except OSError:
            line = ""
        finally:
            clock.cancel()
        if not line:
            code = self._child.wait()
            raise FailedError(f"no answer in {limit:g} s" if late.is_set() else f"ended with code {code}{self._last()}")
        reply: dict[str, Any] = json.loads(line)
        if reply.get("missing"):
            raise NotInstalledError(f"there is no module {reply['missing']}")
        if "error" in reply:
            raise FailedError(str(reply["error"]).strip().splitlines()[0])
        return reply

    def close(self) -> None:
        """Ends the process: kindly, then by force."""
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None and not pipe.closed:
                with suppress(OSError):  # it ended with a request unread
                    pipe.close()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._errors.close()

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _last(self) -> str:
        """The last line it wrote to standard error."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f": {lines[-1].strip()}" if lines else ""
