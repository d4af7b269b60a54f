"""Letters between processes through torchrun's store, and signs of life, for waiting as long as work takes and no longer.

torch's barriers end after a fixed time, which is too short for reading much data and too long to notice a dead process. Here a
thread of each process counts up a number in the store, and who waits gives up when the awaited number stands still.
"""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from samoyed.errors import RunError

_BEAT = 1.0  # seconds between signs of life
_SILENCE = 300.0  # seconds without one: generous, since one call into C may hold the interpreter long
_HURRY = 5.0  # the same, once somebody asked this process to end
_POLLS = (0.001, 0.2)  # seconds between two looks, at first and in the end


class Letters:
    """Reads and writes JSON under numbered keys; all processes make the same calls in the same order.

    `store` is a torch.distributed.Store. Raises RunError where an awaited process shows no life.
    """

    def __init__(self, store: Any, rank: int, size: int, stopping: Callable[[], bool]) -> None:
        self.store, self.rank, self.size, self.stopping = store, rank, size, stopping
        self._number = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def gather(self, thing: Any) -> list[Any]:
        """What each process gives, as JSON, by rank. The first collects and hands round: 3 messages per process."""
        self._number += 1
        key = f"letter/{self._number}"
        if self.rank > 0:
            self.store.set(f"{key}/{self.rank}", json.dumps(thing))
            found = json.loads(self._await(f"{key}/all", 0))
        else:
            others = [json.loads(self._await(f"{key}/{rank}", rank)) for rank in range(1, self.size)]
            found = [json.loads(json.dumps(thing)), *others]
            self.store.set(f"{key}/all", json.dumps(found))
        return list(found)

    def part(self) -> None:
        """Before leaving: the first, who may hold the store, leaves last."""
        if self.rank > 0:
            self.store.add("parted", 1)
            return
        until = time.monotonic() + _HURRY
        while self.store.add("parted", 0) < self.size - 1 and time.monotonic() < until:
            time.sleep(_POLLS[0])

    def close(self) -> None:
        """Ends the signs of life."""
        self._done.set()
        self._thread.join()

    def _await(self, key: str, rank: int) -> bytes:
        """The value of a key that process `rank` writes."""
        pause, seen, since = _POLLS[0], None, time.monotonic()
        try:
            while not self.store.check([key]):
                time.sleep(pause)
                pause = min(1.3 * pause, _POLLS[1])
                life = self.store.get(f"life/{rank}") if self.store.check([f"life/{rank}"]) else None
                if life != seen:
                    seen, since = life, time.monotonic()
                silent = time.monotonic() - since
                if silent > (_HURRY if self.stopping() else _SILENCE):
                    raise RunError(f"process {rank} has shown no life for {silent:.0f} s")
            return bytes(self.store.get(key))
        except RuntimeError as error:
            raise RunError(f"process {rank} cannot be reached: torchrun's store is gone") from error

    def _beat(self) -> None:
        count = 0
        while not self._done.wait(_BEAT if count else 0):
            count += 1
            try:
                self.store.set(f"life/{self.rank}", str(count))
            except RuntimeError:  # the store is gone, and so is the job
                return
