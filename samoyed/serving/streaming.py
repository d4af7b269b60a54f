"""Answers sent piece by piece, as server-sent events: `data: {"text": "..."}` for each piece, and `data: {"done": true}` at the end.

The model is taken for one piece at a time, so that what others ask is answered in between. What goes wrong before the first piece
is an error with a status of its own, as /predict gives it; after it, `data: {"error": ...}` is the last event.
"""

import json
import threading
from collections.abc import Generator, Iterator
from typing import Any

from samoyed.serving.answering import Answering, failed
from samoyed.serving.replies import Reply, refusal


class Streaming:
    """Pieces of answers, of at most `most` at once. `open` is how many there are."""

    def __init__(self, answering: Answering, most: int) -> None:
        self.answering, self.most, self.open = answering, most, 0
        self.can = hasattr(answering.run.task, "stream")
        self.lock = threading.Lock()

    def begin(self, body: bytes, kind: str) -> "Reply | Events":
        """The events of an answer whose first piece is there; or why there are none."""
        run = self.answering.run
        if not self.can:
            return refusal(501, f"answers of {run.config['task']} come whole", "ask /predict")
        with self.lock:
            if self.open >= self.most:
                return refusal(503, "too many answers are being sent piece by piece", "send it again in a second")
            self.open += 1
        try:
            example, options = self.answering.read(body, kind)
            return Events(self, run.stream(example, **dict(options)))
        except Exception as error:
            self.left()
            return failed(error)

    def left(self) -> None:
        """One answer fewer is being sent."""
        with self.lock:
            self.open -= 1


class Events:
    """The events of one answer. It counts as open until it is closed, or forgotten, as when the client has gone."""

    def __init__(self, streaming: Streaming, pieces: Iterator[str]) -> None:
        self.streaming, self.pieces, self.closed = streaming, pieces, True
        self.first = self._next()
        self.closed = False

    def __iter__(self) -> Generator[bytes, None, None]:
        piece = self.first
        try:
            while piece is not None:
                yield _event({"text": piece})
                piece = self._next()
            yield _event({"done": True})
        except Exception as error:
            yield _event(json.loads(failed(error).body))
        finally:
            self.close()

    def close(self) -> None:
        """Ends the work."""
        if not self.closed:
            self.closed = True
            self.streaming.left()

    def __del__(self) -> None:
        self.close()

    def _next(self) -> str | None:
        with self.streaming.answering.lock:
            return next(self.pieces, None)


def _event(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode("utf-8", "backslashreplace")
