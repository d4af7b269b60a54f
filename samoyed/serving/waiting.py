"""The queue: what many connections ask is computed together by one thread, and what expired is never computed.

The event loop puts requests in; the thread takes all that wait, up to a batch, and hands their replies back in one call. While it
computes, the next batch gathers, so that batches are as large as the load and nobody waits for company that does not come.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence

from samoyed.serving.limits import Limits
from samoyed.serving.replies import Reply

_SMOOTHING = 0.2


def stays() -> bool:
    """That a client has gone, where that is not known."""
    return False


class Asked:
    """One request in the queue: its body, until when an answer is worth computing, who waits for it, and whether its client has gone."""

    __slots__ = ("body", "cancelled", "deadline", "future", "gone", "kind")

    def __init__(
        self, body: bytes, kind: str, deadline: float, future: "asyncio.Future[Reply]", gone: Callable[[], bool] = stays
    ) -> None:
        self.body, self.kind, self.deadline, self.future, self.gone = body, kind, deadline, future, gone
        self.cancelled = False

    def worth(self, now: float) -> bool:
        """Whether somebody still waits for an answer in time."""
        return not self.cancelled and self.deadline > now and not self.gone()


class Refused(Exception):
    """The queue is full, or so long that the deadline would pass."""


class Queue:
    """`answer` is called by one thread of its own with the requests of one batch, and replies to each in order.

    Attributes: waiting, requests that are not yet replied to; computed and expired, how many were and were not worth computing;
    batches, how often `answer` was called; pace, seconds that one example takes, smoothed.
    """

    def __init__(self, answer: Callable[[Sequence[Asked]], list[Reply]], limits: Limits) -> None:
        self._answer, self._limits = answer, limits
        self._queue: queue.SimpleQueue[Asked | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._work, name="samoyed-answers", daemon=True)
        self.waiting = self.computed = self.expired = self.batches = 0
        self.pace = 0.0

    def start(self) -> None:
        """Begins to work for the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Ends the thread after what it was given before."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join, self._limits.grace)

    @property
    def full(self) -> bool:
        """Whether one more would be too many, or would wait beyond its deadline."""
        return self.waiting >= self._limits.waiting or self.waiting * self.pace > self._limits.deadline

    async def ask(self, body: bytes, kind: str, gone: Callable[[], bool] = stays) -> Reply:
        """The reply to one request, whose client `gone` tells of. Raises Refused at once where the queue is full, TimeoutError at the deadline."""
        if self.full:
            raise Refused
        loop = asyncio.get_running_loop()
        asked = Asked(body, kind, time.monotonic() + self._limits.deadline, loop.create_future(), gone)
        self.waiting += 1
        self._queue.put(asked)
        timer = loop.call_later(self._limits.deadline, _give_up, asked)
        try:
            return await asked.future
        finally:
            asked.cancelled = True
            timer.cancel()

    def _work(self) -> None:
        while (batch := self._gather()) is not None:
            now = time.monotonic()
            worth = [asked for asked in batch if asked.worth(now)]
            replies = self._answer(worth) if worth else []
            taken = (time.monotonic() - now) / max(1, len(worth))
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._deliver, batch, worth, replies, taken)

    def _gather(self) -> list[Asked] | None:
        """The next batch, waited for; None at the end."""
        first = self._queue.get()
        if first is None:
            return None
        batch, until = [first], time.monotonic() + self._limits.delay
        while len(batch) < self._limits.together:
            left = until - time.monotonic()
            try:
                another = self._queue.get(timeout=left) if left > 0 else self._queue.get_nowait()
            except queue.Empty:
                break
            if another is None:
                self._queue.put(None)
                break
            batch.append(another)
        return batch

    def _deliver(self, batch: list[Asked], worth: list[Asked], replies: list[Reply], pace: float) -> None:
        self.waiting -= len(batch)
        self.expired += len(batch) - len(worth)
        self.computed += len(worth)
        if worth:
            self.batches += 1
            self.pace += (pace - self.pace) * (_SMOOTHING if self.pace else 1.0)
        for asked, reply in zip(worth, replies, strict=True):
            if not asked.future.done():
                asked.future.set_result(reply)
        for asked in batch if len(worth) < len(batch) else ():  # nobody waits for these
            _give_up(asked)


def _give_up(asked: Asked) -> None:
    asked.cancelled = True
    if not asked.future.done():
        asked.future.set_exception(TimeoutError())
