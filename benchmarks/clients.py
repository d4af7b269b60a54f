"""Clients of a server, many in one process: each keeps one connection, and sends its next request when it has the whole answer to its last.

A client does next to nothing between an answer and its next request, so that it is the server that is timed: bytes are written as they were
prepared, and answers are kept as they came and held against the wanted ones afterwards.
"""

import asyncio
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import util
from typing import Any, NamedTuple

TOLERANCE = 1e-6  # of a number, and relative to numbers above 1
_ROUNDED = {
    "next": 1e-6,
    "log_prob": 1e-4,
    "readings": 1e-4,
    "probability": 1e-4,
    "weights": 1e-5,
}  # by key: numbers that answers give with few decimals, in units of the last of them


class Question(NamedTuple):
    """What is sent, as JSON or as a file's bytes of a kind, and the answer to it alone."""

    value: dict[str, Any]
    wanted: dict[str, Any]
    file: bytes = b""
    kind: str = "application/json"

    def request(self) -> bytes:
        """As one POST /predict."""
        body = self.file or json.dumps(self.value).encode()
        head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {self.kind}\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Load(NamedTuple):
    """What clients saw. Times are in milliseconds; `refused_p99` is that of what was not answered with 200."""

    per_second: float
    p50: float
    p99: float
    answered: int
    wrong: int
    others: int
    refused_p99: float


class _Client(asyncio.Protocol):
    """One connection. `seen` gets the place of a question, a status and a body; `times` and `refused` get milliseconds."""

    def __init__(
        self, requests: Sequence[bytes], place: int, until: float, seen: Counter[tuple[int, int, bytes]],
        times: list[float], refused: list[float],
    ) -> None:  # fmt: skip
        self.requests, self.place, self.until = requests, place, until
        self.seen, self.times, self.refused = seen, times, refused
        self.got, self.whole, self.status = b"", -1, 0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._ask(at_least=True)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionError("the server closed a kept connection"))

    def data_received(self, data: bytes) -> None:
        self.got += data
        if self.whole < 0:
            end = self.got.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.got[:end].lower()
            self.status = int(head[9:12])
            length = head.index(b"content-length:") + 15
            self.whole = end + 4 + int(head[length : length + 12].split(b"\r\n", 1)[0])
            self.body = end + 4
        if len(self.got) < self.whole:
            return
        (self.times if self.status == 200 else self.refused).append(1000 * (time.monotonic() - self.began))
        self.seen[self.place % len(self.requests), self.status, self.got[self.body :]] += 1
        self.got, self.whole = b"", -1
        self.place += 37
        self._ask()

    def _ask(self, at_least: bool = False) -> None:
        self.began = time.monotonic()
        if at_least or self.began < self.until:
            self.transport.write(self.requests[self.place % len(self.requests)])
        else:
            self.ended.set_result(None)
            self.transport.close()


def load(port: int, questions: Sequence[Question], clients: int, seconds: float, check: bool = True) -> Load:
    """What `clients` clients see of the server at a port of this machine within a time. Raises ConnectionError where it hangs up."""
    seen: Counter[tuple[int, int, bytes]] = Counter()
    times: list[float] = []
    refused: list[float] = []
    requests = [question.request() for question in questions]
    with asyncio.Runner(loop_factory=_loop()) as runner:
        taken = runner.run(_all(port, requests, clients, seconds, seen, times, refused))
    wrong = sum(
        count
        for (place, status, body), count in seen.items()
        if check and status == 200 and not near(json.loads(body), questions[place].wanted)
    )
    return Load(
        len(times) / taken, statistics.median(times), percentile(times, 99), len(times), wrong, len(refused),
        percentile(refused, 99) if refused else 0.0,
    )  # fmt: skip


async def _all(port: int, requests: list[bytes], clients: int, seconds: float, *kept: Any) -> float:
    """Runs all clients to their end, and says in how many seconds."""
    loop, began = asyncio.get_running_loop(), time.monotonic()

    async def client(number: int) -> None:
        def made() -> _Client:
            return _Client(requests, number, began + seconds, *kept)

        _, protocol = await loop.create_connection(made, "127.0.0.1", port)
        await protocol.ended

    await asyncio.gather(*(client(i) for i in range(clients)))
    return time.monotonic() - began


def _loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if util.find_spec("uvloop") is None:
        return None
    import uvloop

    made: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return made


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` per cent of them do not exceed.

    >>> percentile([3.0, 1.0, 2.0, 4.0], 50), percentile(range(1, 101), 99)
    (2.0, 99)
    """
    ranked = sorted(values)
    return ranked[max(0, -int(-share * len(ranked) // 100) - 1)]


def near(found: Any, wanted: Any, key: str = "") -> bool:
    """Whether two answers are the same up to TOLERANCE of their numbers; of numbers that are given rounded, up to one in the last place.

    >>> near({"probs": {"a": 0.5}}, {"probs": {"a": 0.5000004}}), near({"probs": {"a": 0.5}}, {"probs": {"a": 0.50001}})
    (True, False)
    >>> near([{"log_prob": -3.1416}], [{"log_prob": -3.1417}]), near({"text": "a"}, {"text": "b"}), near([1], [1, 2])
    (True, False, False)
    """
    if isinstance(wanted, dict):
        same = isinstance(found, dict) and set(found) == set(wanted)
        return same and all(near(found[k], wanted[k], key if key in _ROUNDED else k) for k in wanted)
    if isinstance(wanted, list):
        same = isinstance(found, list) and len(found) == len(wanted)
        return same and all(near(f, w, key) for f, w in zip(found, wanted, strict=True))
    if not isinstance(wanted, float):
        return bool(found == wanted)
    allowed = max(TOLERANCE * max(1.0, abs(wanted)), _ROUNDED.get(key, 0.0)) * (1 + 1e-6)
    return isinstance(found, int | float) and abs(found - wanted) <= allowed
