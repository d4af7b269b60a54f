"""A connection that cannot be used to wear the server out: its headers have a size and a time, and a request that comes while
too much waits is refused before anything is made of it."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from samoyed.serving.limits import Limits
from samoyed.serving.replies import refusal

_PHRASES = {
    400: "Bad Request",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


def plain(status: int, problem: str, remedy: str, close: bool = True) -> bytes:
    """A whole response, ready to be written."""
    body = refusal(status, problem, remedy).body
    more = "retry-after: 1\r\n" if status == 503 else ""
    more += "connection: close\r\n" if close else ""
    head = f"HTTP/1.1 {status} {_PHRASES[status]}\r\ncontent-type: application/json\r\n{more}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


_SLOW = plain(408, "the headers of the request did not arrive in time", "send them at once")
_LARGE = plain(431, "the headers of the request are too large", "send fewer of them")
_FULL = plain(503, "too many requests are waiting", "send it again in a second", close=False)
_CROWD = plain(503, "too many connections are open", "close some, or come back in a second")
_BAD = plain(400, "this is no HTTP request that can be understood", "send HTTP/1.1")


def _at_once(transport: Any) -> None:
    """Sends small pieces without waiting for the other side's acknowledgement, which comes 40 ms late: a head and its body are two
    pieces. asyncio does so by itself only for sockets that were made with the protocol's number."""
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def protocol(limits: Limits, full: Callable[[], bool]) -> type[asyncio.Protocol]:
    """The protocol of one server; `full` says whether another question has to be refused."""

    class Guarded(HttpToolsProtocol):
        """uvicorn's protocol with the limits of this server."""

        timer: asyncio.TimerHandle | None = None
        head = 0  # bytes of headers so far; -1 while none are expected
        reading = False  # from the end of a request's headers to the end of its body
        refusing = gone = False

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            _at_once(transport)
            if len(self.connections) > limits.connections:
                self._end(_CROWD)
            else:
                self._expect()

        def connection_lost(self, exc: Exception | None) -> None:
            self.gone = True
            self._stop()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.head < 0 and not self.reading and self._idle():
                self.head = 0
            if self.head >= 0:
                self.head += min(len(data), limits.headers + 1) if b"\r\n\r\n" not in data else 0
                if self.head > limits.headers or data.find(b"\r\n\r\n") > limits.headers:
                    self._end(_LARGE)
                    return
            super().data_received(data)
            if self.head >= 0 and self.timer is None:  # mostly all of them came at once, and nothing has to be timed
                self._expect()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.scope["samoyed.gone"] = self._has_gone  # type: ignore[typeddict-unknown-key]

        def send_400_response(self, msg: str) -> None:
            self._end(_BAD)

        def on_headers_complete(self) -> None:
            self._stop()
            self.reading = True
            self.refusing = self.url.startswith(b"/predict") and self._idle() and full()
            if self.refusing and self._without_body():
                return
            self.refusing = False
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            if not self.refusing:
                super().on_body(body)

        def on_message_complete(self) -> None:
            self.reading = False
            if not self.refusing:
                super().on_message_complete()
                return
            self.refusing = False
            self.transport.write(_FULL)
            if not self.parser.should_keep_alive():
                self.transport.close()

        def _idle(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def _without_body(self) -> bool:
            """Whether the rest of the request is short enough to be read and thrown away."""
            length = next((value for name, value in self.headers if name == b"content-length"), b"")
            return length.isdigit() and int(length) <= 2**16 and not self.expect_100_continue

        def _has_gone(self) -> bool:
            return self.gone

        def _expect(self) -> None:
            """Waits for headers, but not longer than for their time."""
            self.head = max(self.head, 0)
            self.timer = self.loop.call_later(limits.header_time, self._end, _SLOW)

        def _stop(self) -> None:
            self.head = -1
            if self.timer is not None:
                self.timer.cancel()
                self.timer = None

        def _end(self, response: bytes) -> None:
            self._stop()
            if self.transport is not None and not self.transport.is_closing():
                self.transport.write(response)
                self.transport.close()

    return Guarded
