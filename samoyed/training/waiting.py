"""Letters between processes through torchrun's store, and signs of life, for waiting as long as work takes and no longer.

torch's barriers end after a fixed time, which is too short for reading much data and too long to notice a dead process. Here a
thread of each process counts up a number in the store, and who waits gives up when the awaited number stands still.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from samoyed.errors import RunError

GO_ON = "torchrun --max-restarts goes on from the last checkpoint, as does samoyed resume"
_BEAT = 1.0  # seconds between signs of life
_SILENCE = 300.0  # seconds without one: generous, since one call into C may hold the interpreter long
_HURRY = 5.0  # the same, once somebody asked this process to end
_INVITATION = "samoyed"  # the only key that outlives a training
_POLLS = (0.001, 0.2)  # seconds between two looks, at first and in the end


class Present(NamedTuple):
    """A process that takes part: the name of its machine, its number there, and a word of its own."""

    host: str
    pid: int
    word: str


def assemble(store: Any, rank: int, size: int, patience: float = 600.0) -> tuple[str, list[Present]]:
    """Where this training's keys may begin in a store that holds those of trainings before, and who takes part, by rank.

    torchrun's store outlives the processes that it starts again, and their count of restarts is not the same on every machine.
    So the first process writes an invitation that was never there before, and each of the others knows that it is not an old
    one by finding its own word in the list of those who came. Raises RunError after `patience` seconds.
    """
    me = Present(socket.gethostname(), os.getpid(), uuid.uuid4().hex)
    if rank == 0:
        store.set(_INVITATION, me.word)
    accepted, until = "", time.monotonic() + patience
    while time.monotonic() < until:
        if rank > 0 and store.check([_INVITATION]) and store.get(_INVITATION).decode() != accepted:
            accepted = store.get(_INVITATION).decode()
            store.set(f"{accepted}/{rank}", json.dumps(me))
        if rank == 0 and store.check([f"{me.word}/{other}" for other in range(1, size)]):
            others = [json.loads(store.get(f"{me.word}/{other}")) for other in range(1, size)]
            store.set(f"{me.word}/all", json.dumps([me, *others]))
            accepted = me.word
        if accepted and store.check([f"{accepted}/all"]):
            found = [Present(*one) for one in json.loads(store.get(f"{accepted}/all"))]
            if me in found:
                return accepted, found
        time.sleep(_POLLS[0])
    raise RunError(f"not all {size} processes have come within {patience:.0f} s", remedy="look at what the others say")


class Letters:
    """Reads and writes JSON under numbered keys; all processes make the same calls in the same order.

    `store` is a torch.distributed.Store. Raises RunError where an awaited process has ended or shows no life.
    """

    def __init__(self, store: Any, rank: int, present: list[Present], stopping: Callable[[], bool]) -> None:
        self.store, self.rank, self.present, self.stopping = store, rank, present, stopping
        self.size = len(present)
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
                if self._ended(rank):
                    raise RunError(f"process {rank} has ended", remedy=GO_ON)
                if silent > (_HURRY if self.stopping() else _SILENCE):
                    raise RunError(f"process {rank} has shown no life for {silent:.0f} s", remedy=GO_ON)
            return bytes(self.store.get(key))
        except RuntimeError as error:
            raise RunError(f"process {rank} cannot be reached: torchrun's store is gone") from error

    def _ended(self, rank: int) -> bool:
        """Whether a process of this machine is no more; of others it is not known."""
        if self.present[rank].host != self.present[self.rank].host:
            return False
        try:
            os.kill(self.present[rank].pid, 0)
        except ProcessLookupError:
            return True
        return False

    def _beat(self) -> None:
        count = 0
        while not self._done.wait(_BEAT if count else 0):
            count += 1
            try:
                self.store.set(f"life/{self.rank}", str(count))
            except RuntimeError:  # the store is gone, and so is the job
                return
