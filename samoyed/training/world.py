"""Several processes that train one model together, one per device, as torchrun starts them.

A batch is divided by rows over the processes; losses, counts and gradients are sums over all of them, so that N processes take
the steps that one takes on the same batches. Everything that is decided on the way (to stop, to roll back, to save) is decided
from what all of them know, or by the first.

Two kinds of waiting are kept apart. Within a step a process waits for the others `PATIENCE` seconds, so that one that is dead
or stands still is noticed. Where work may take long (reading data, saving, drawing), it waits as long as the others show that
they live: each has a thread that says so in torchrun's store.
"""

import contextlib
import datetime as dt
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from samoyed import errors, launch
from samoyed.errors import RunError, SamoyedError, UsageError
from samoyed.training.waiting import GO_ON, Letters, assemble

PATIENCE = 25.0  # seconds that a process waits for another within a step

R = TypeVar("R")


class World:
    """The processes of one training. `rank` is this one's number, `size` how many there are; alone, all is the identity.

    `weight` is 0 while this process has no rows of its own and computes some of the first's, which then count nowhere: so
    every process does the same work in the same order, whatever a task or a layer says to the others on the way.
    """

    def __init__(
        self,
        rank: int = 0,
        size: int = 1,
        letters: Letters | None = None,
        neighbours: Sequence[int] = (),
        device: torch.device | None = None,
        here: Sequence[int] = (0,),
    ) -> None:
        self.rank, self.size, self.weight = rank, size, 1.0
        self.here = here  # the ranks of the processes on this machine
        self.device = device or torch.device(
            "cpu"
        )  # where numbers travel: NCCL's trees grow with the logarithm of `size`
        self._letters, self._neighbours = letters, neighbours  # the numbers of the other processes on this machine

    @property
    def first(self) -> bool:
        """Whether this process speaks, writes and saves."""
        return self.rank == 0

    # Small things, between steps

    def sum(self, *numbers: float) -> list[float]:
        """Each number summed over the processes, the same in all of them."""
        if self.size == 1:
            return list(numbers)
        total = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        with self.noticing():
            dist.all_reduce(total)
            found: list[float] = total.tolist()
        return found

    def share(self, task: Any, batch: Any) -> Any:
        """This process's rows of a batch, by `task.share`; the first's, with `weight` 0, where there are too few for all."""
        if self.size == 1:
            return batch
        part = task.share(batch, self.rank, self.size)
        self.weight = float(len(part[0]) > 0)
        return part if self.weight else task.share(batch, 0, self.size)

    def rows(self, tensor: Tensor, axis: int = 0) -> Tensor:
        """The rows of all processes, in their order: [n_r, ...] -> [sum n_r, ...], n being the length of `axis`."""
        if self.size == 1:
            return tensor
        mine = tensor.movedim(axis, 0).contiguous()
        lengths = [int(n) for n in self.sum(*(len(mine) if r == self.rank else 0 for r in range(self.size)))]
        padded = mine.new_zeros(max(lengths), *mine.shape[1:])
        padded[: len(mine)] = mine
        found = [torch.empty_like(padded) for _ in lengths]
        with self.noticing():
            dist.all_gather(found, padded)
        return torch.cat([part[:n] for part, n in zip(found, lengths, strict=True)]).movedim(0, axis)

    def begin_alike(self, model: nn.Module) -> None:
        """Gives every process the first's weights."""
        if self.size > 1:
            with self.noticing():
                for tensor in model.state_dict().values():
                    dist.broadcast(tensor, 0)

    # Waiting for work that may take long

    def gather(self, thing: Any) -> list[Any]:
        """What each process holds, as JSON, by rank; waits for all of them."""
        return [thing] if self._letters is None else self._letters.gather(thing)

    def together(self, work: Callable[[], R]) -> R:
        """What `work` gives in this process, when it is done in all of them. An error in one is raised in every one."""
        mine: R = self._agreed(work)[0]
        return mine

    def once(self, work: Callable[[], R]) -> R | None:
        """What `work` gives in the first process; None in the others, which wait for it and raise what it raises."""
        mine: R | None = self._agreed(work if self.first else lambda: None)[0]
        return mine

    def each(self, work: Callable[[], Any]) -> list[Any]:
        """What `work` gives in each process, as JSON, by rank. An error in one is raised in every one; where data are at fault,
        which are divided, in the same words."""
        return self._agreed(work, divided=True)[1]

    def told(self, work: Callable[[], R]) -> R:
        """What `work` gives in the first process, as JSON, in all of them."""
        said: R = self._agreed(work if self.first else lambda: None)[1][0]
        return said

    def wait(self) -> None:
        """Until all are here."""
        self.gather(None)

    def _agreed(self, work: Callable[[], Any], divided: bool = False) -> tuple[Any, list[Any]]:
        """(what `work` gives here, what it gives in each as far as that is told: texts, and where work is `divided`, all)."""
        if self._letters is None:
            return (done := work()), [done]
        done = None
        raised: Exception | None = None
        try:
            done = work()
            letter = {"done": done if divided or isinstance(done, str | None) else None}
        except Exception as error:
            if getattr(error, "everywhere", False):  # all have heard of it: within this work, others were agreed on
                raise
            raised, letter = error, _told(error)
        found = self.gather(letter)
        failed = [(rank, other) for rank, other in enumerate(found) if "kind" in other]
        if not failed:
            return done, [other["done"] for other in found]
        rank, other = failed[0]
        if raised is None or (divided and rank != self.rank):
            names = [f"process {rank}"] * (not divided or other["kind"] != "DataError")
            kind: type[SamoyedError] = getattr(errors, other["kind"])
            where = ": ".join(names + [other["where"]] * bool(other.get("where")))
            raised = kind(other["problem"], where=where or None, remedy=other.get("remedy"))
        vars(raised)["everywhere"] = True
        raise raised

    # A process that is lost

    @contextmanager
    def noticing(self) -> Iterator[None]:
        """Raises RunError where the other processes do not answer within `PATIENCE`, or their connections close."""
        try:
            yield
        except RuntimeError as error:
            raise self.lost() from error

    def lost(self) -> RunError:
        """The error that says so. Wakes those on this machine that were suspended, so that torchrun can end them at once."""
        for pid in self._neighbours:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGCONT)
        return RunError(
            f"another of the {self.size} processes has ended, or has not answered for {PATIENCE:.0f} s",
            remedy=GO_ON,
        )

    def loses(self, error: BaseException) -> bool:
        """Whether an error of torch means that another process is lost."""
        said = str(error)
        named = ("gloo/", "NCCL", "ncclUnhandled", "Connection closed by peer", "Connection reset by peer")
        return self.size > 1 and (isinstance(error, dist.DistError) or any(word in said for word in named))


def _told(error: Exception) -> dict[str, Any]:
    """An error as JSON. Whatever it is, the others must hear of it or would wait in vain."""
    if isinstance(error, SamoyedError):
        return {"kind": type(error).__name__, "problem": error.problem, "where": error.where, "remedy": error.remedy}
    return {"kind": "RunError", "problem": f"{type(error).__name__}: {error}"}


ALONE = World()


@contextmanager
def joined(device: str, stopping: Callable[[], bool] = lambda: False) -> Iterator[World]:
    """The world that torchrun's environment names: gloo on the CPU, NCCL on GPUs. Outside torchrun, this process alone.

    `device` is the trainer's setting; `stopping` says whether somebody asked this process to end. Raises UsageError where
    there are fewer GPUs in this machine than processes.
    """
    if launch.size() == 1:
        yield ALONE
        return
    if dist.is_initialized():
        raise UsageError("torch.distributed is in use already", remedy="let Samoyed begin it: call train before")
    kind = "cuda" if device == "cuda" or (device == "auto" and torch.cuda.is_available()) else "cpu"
    local = int(os.environ.get("LOCAL_RANK") or 0)
    if kind == "cuda":
        if local >= torch.cuda.device_count():
            raise UsageError(
                f"there are {torch.cuda.device_count()} GPUs in this machine, and process {local} of it finds none",
                remedy=f"use torchrun --nproc-per-node {torch.cuda.device_count()}, or device=cpu",
            )
        torch.cuda.set_device(local)
    store, rank, size = next(rendezvous("env://", timeout=dt.timedelta(minutes=10)))
    prefix, present = assemble(store, rank, size)
    store = PrefixStore(prefix, store)
    letters = Letters(store, rank, present, stopping)
    here = [other for other, one in enumerate(present) if one.host == present[rank].host]
    neighbours = [present[other].pid for other in here if other != rank]
    world = World(rank, size, letters, neighbours, torch.device(kind), here)
    try:
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if kind == "cuda" else "gloo",
            store=store, rank=rank, world_size=size, timeout=dt.timedelta(seconds=PATIENCE),
        )  # fmt: skip
        yield world
        letters.part()
    except SamoyedError as error:
        if error.everywhere:
            letters.part()
        raise
    except RuntimeError as error:  # where torch itself speaks with the other processes, as for sharded models
        if world.loses(error):
            raise world.lost() from error
        raise
    finally:
        letters.close()
        if dist.is_initialized():
            dist.destroy_process_group()
