"""POST /predict, answered ahead of the routes: to find the route, to make its request and its response costs the server more than all
else that a small question does. What it does is what the description says of that path; every other path is left to the routes."""

from collections.abc import Callable

from samoyed.serving.answering import failed
from samoyed.serving.guard import App, Cut, Receive, Scope, Send
from samoyed.serving.limits import Limits
from samoyed.serving.replies import Reply, refusal
from samoyed.serving.waiting import Queue, Refused, stays

PATH = "/predict"
CROWDED = refusal(503, "too many requests are waiting", "send it again in a second")


class Gone(Exception):
    """The client went before it had sent all of its body."""


class Direct:
    """An ASGI application in front of `app`, which answers every other path."""

    def __init__(self, app: App, queue: Queue, limits: Limits) -> None:
        self.app, self.queue, self.limits = app, queue, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
        try:
            reply, more = await self.answer(receive, kind.decode("latin-1"), scope.get("samoyed.gone", stays)), []
        except Gone:
            return
        except Cut as error:
            reply = refusal(error.status, error.problem, error.remedy)
            more = [(b"connection", b"close")]  # what is still sent is not read
        except Exception as error:
            reply, more = failed(error), []
        await send({"type": "http.response.start", "status": reply.status, "headers": headers_of(reply) + more})
        await send({"type": "http.response.body", "body": reply.body})

    async def answer(self, receive: Receive, kind: str, gone: Callable[[], bool] = stays) -> Reply:
        """The reply to one question, or why it is refused; `gone` says whether nobody waits for it any longer. Raises Gone, and Cut
        where the guard stops its body."""
        if self.queue.full:  # before the body is read
            return CROWDED
        body = await whole(receive)
        try:
            return await self.queue.ask(body, kind, gone)
        except Refused:
            return CROWDED
        except TimeoutError:
            late = f"no answer within {self.limits.deadline:g} s"
            return refusal(504, late, "send it again when the server has less to do")


async def whole(receive: Receive) -> bytes:
    """The body of a request, which mostly is there in one piece. Raises Gone."""
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        if not message.get("more_body"):
            return b"".join([*pieces, message.get("body", b"")])
        pieces.append(message.get("body", b""))


def headers_of(reply: Reply) -> list[tuple[bytes, bytes]]:
    """The headers of a JSON reply."""
    own = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(reply.body))]
    return [*own, (b"retry-after", b"1")] if reply.status == 503 else own
