"""The process of one contestant: reads one JSON request per line, writes one JSON reply per line.

    {"do": "build", "factory": "module:class", "settings": {...}}  imports and builds   {"import_seconds": 1.2, ...}
    {"do": "memory"}                                                                    {"peak_bytes": 123456}
    {"do": NAME, ...}                                              calls that method    what it returns

A failure is answered as {"error": ..., "missing": the module that is not installed, or null}; the process lives on. What a
library prints goes to standard error, so that it cannot break the line.
"""

import importlib
import json
import os
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol


class Timing(NamedTuple):
    """One round of one contestant: wall and processor time of the training alone, and the mean loss over the round."""

    seconds: float
    cpu_seconds: float
    loss: float


class Contestant(Protocol):
    """What a factory makes. It is built with the row's settings; an attribute `versions` names what it stands on.

    Each method returns what JSON can hold; arrays travel through files.
    """

    versions: dict[str, str]

    def agree(self, out: str) -> dict[str, Any]:
        """Answers from the given weights and batch: {"parameters", "loss", "losses"}; its gradient [P] is saved in `out`."""

    def first(self) -> dict[str, Any]:
        """The first step, compilation included: {"seconds"}."""

    def round(self) -> dict[str, Any]:
        """The row's work once, from the given weights: `Timing` as a dict."""


def serve(requests: IO[str], replies: IO[str]) -> None:
    """Answers until the requests end."""
    made: Any = None
    for line in requests:
        request = json.loads(line)
        what = request.pop("do")
        try:
            if what == "build":
                made, reply = _build(**request)
            elif what == "memory":
                reply = {"peak_bytes": peak_bytes()}
            else:
                reply = getattr(made, what)(**request)
        except Exception as error:
            traceback.print_exc()
            missing = error.name if isinstance(error, ModuleNotFoundError) else None
            reply = {"error": f"{type(error).__name__}: {error}", "missing": missing}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def _build(factory: str, settings: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    module, _, name = factory.partition(":")
    began = time.perf_counter()
    make = getattr(importlib.import_module(module), name)
    imported = time.perf_counter()
    made = make(settings)
    built = time.perf_counter()
    versions = getattr(made, "versions", {})
    return made, {"import_seconds": imported - began, "build_seconds": built - imported, "versions": versions}


def peak_bytes() -> int:
    """The most memory this process has held."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with channel:
        serve(sys.stdin, channel)
