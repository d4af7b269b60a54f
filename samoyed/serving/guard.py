"""Who may ask, from where, and how much may be sent: checked for every request before any of it is read.

A page of another site that is open in a visitor's browser must not reach a server on this machine, whatever name it resolves to this
address: so the Host must be one of the server's own names and the Origin, where a browser states one, the same as the Host.
"""

import asyncio
import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from samoyed.serving.limits import Limits
from samoyed.serving.replies import refusal

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_OPEN = (
    "/",
    "/health",
    "/page.css",
    "/page.js",
    "/files.js",
    "/pictures.js",
    "/answers.js",
    "/sounds.js",
    "/favicon.svg",
)  # without a token
_METHODS = ("GET", "HEAD", "POST")
_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src blob:; "
        b"connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Cut(Exception):
    """A body that is beyond its size or its time: an HTTP status, what is wrong, and what to do."""

    def __init__(self, status: int, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.status, self.problem, self.remedy = status, problem, remedy


class Guard:
    """An ASGI application around another. `names` are the hosts by which the server may be called; with a token, any address
    of a machine may be, since a name that an attacker controls is never an address."""

    def __init__(self, app: App, limits: Limits, token: str | None, names: Iterable[str] = ()) -> None:
        self.app, self.limits = app, limits
        self.token = None if token is None else token.encode()
        self.names = {*LOOPBACK, *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        wrong = self.wrong(scope, headers)
        if wrong is not None:
            await _refuse(send, *wrong)
            return

        async def answer(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", []))
                own = {name for name, _ in given}  # a page may be held more strictly, by a policy of its own
                message["headers"] = given + [pair for pair in _HEADERS if pair[0] not in own]
            await send(message)

        await self.app(scope, self._counted(receive), answer)

    def wrong(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[int, str, str] | None:
        """Why a request is refused: a status, what is wrong, what to do; None where it is not."""
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        host = hosts[0].decode("latin-1").lower() if len(hosts) == 1 else ""
        if not self._is_ours(host):
            return 403, "this server is not known by the name in Host", "call it by the address that it printed"
        origin = headers.get(b"origin")
        own = (f"http://{host}".encode(), f"https://{host}".encode())
        if origin is not None and origin.lower() not in own:
            return 403, "pages of other sites may not ask this server", "open the server's own page"
        if headers.get(b"sec-fetch-site", b"none") == b"cross-site" and scope["path"] != "/":
            return 403, "pages of other sites may not ask this server", "open the server's own page"
        if scope["method"] not in _METHODS:
            return 405, "this method is not served", "use GET or POST"
        if self.token is not None and scope["path"] not in _OPEN and not self._knows(headers):
            return 401, "the token is missing or wrong", "send the header Authorization: Bearer TOKEN"
        length = headers.get(b"content-length")
        if length is not None and (not length.isdigit() or int(length[:20]) > self.limits.body):
            return self._too_large()
        return None

    def _is_ours(self, host: str) -> bool:
        name, bracket, rest = host.partition("]")
        name = name.removeprefix("[") if bracket else host.rpartition(":")[0] or host
        port = rest.removeprefix(":") if bracket else host.rpartition(":")[2] if ":" in host else ""
        if port and not port.isdigit():
            return False
        if name in self.names:
            return True
        try:
            return self.token is not None and bool(ipaddress.ip_address(name))
        except ValueError:
            return False

    def _knows(self, headers: dict[bytes, bytes]) -> bool:
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        assert self.token is not None
        return hmac.compare_digest(given.strip(), self.token) and scheme.lower() == b"bearer"

    def _counted(self, receive: Receive) -> Receive:
        """`receive` that raises Cut for a body beyond its size or its time."""
        loop = asyncio.get_running_loop()
        until, size, more = loop.time() + self.limits.body_time, 0, True

        async def counted() -> MutableMapping[str, Any]:
            nonlocal size, more
            if not more:
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError as error:
                raise Cut(*_TOO_SLOW) from error
            size += len(message.get("body", b""))
            more = bool(message.get("more_body", False))
            if size > self.limits.body:
                raise Cut(*self._too_large())
            return message

        return counted

    def _too_large(self) -> tuple[int, str, str]:
        return 413, f"the body is larger than {self.limits.body:,} bytes", "send less, or serve with --most-bytes"


_TOO_SLOW = (408, "the body of the request did not arrive in time", "send it faster")


async def _refuse(send: Send, status: int, problem: str, remedy: str) -> None:
    """One whole response; the connection is closed, since what the client still sends is not read."""
    reply = refusal(status, problem, remedy)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(reply.body)).encode()), *_HEADERS]
    headers += [(b"connection", b"close")] if status in (408, 413) else []
    headers += [(b"www-authenticate", b"Bearer")] if status == 401 else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
