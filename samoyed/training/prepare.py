"""From a plan to what training needs: data read, divided, learned from, on the device; the model in their sizes."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from samoyed import batching
from samoyed.crew import Crew, divided
from samoyed.errors import UsageError
from samoyed.plan import Plan
from samoyed.reporting import tensorboard
from samoyed.reporting.progress import Reporter
from samoyed.run import accompany, build, count_parameters
from samoyed.tasks import Split, Task, to_device
from samoyed.training import teaching, transfer
from samoyed.training.gather import found, gather
from samoyed.training.machine import device_of
from samoyed.training.trainer import Trainer
from samoyed.training.world import ALONE, World

SPLITS = ("train", "valid", "test")
_BEGUN_WITH = 5_000  # training examples that a model may begin with


@dataclass
class Prepared:
    """All that a training begins with. `data` holds each split as one batch on the device; `rows` what was found."""

    plan: Plan
    trainer: Trainer
    task: Task[Any, Any]
    model: nn.Module
    split: Split
    data: dict[str, Any]
    rows: list[tuple[str, str]]
    sharded: bool = False

    @property
    def parameters(self) -> int:
        """How many numbers are learned."""
        return count_parameters(self.model)


def prepare(plan: Plan, reporter: Reporter, world: World = ALONE) -> Prepared:
    """Reads, divides, fits and builds, in every process alike; those of one machine divide the reading. The same plan and data
    give the same weights. Raises UsageError and DataError."""
    trainer = Trainer(**plan.settled["training"])
    device = device_of(trainer.device)
    if world.size > 1 and device.type not in ("cpu", "cuda"):
        raise UsageError(f"several processes cannot train on {device.type}", remedy="use device=cpu, or one process")
    if trainer.tensorboard:
        tensorboard.needed()
    task: Task[Any, Any] = plan.task_form.load()(**plan.settled["task"])
    accompany(task)
    crew = Crew(world.each, world.rank, world.here, reporter.track) if world.size > 1 else None
    with divided(crew):
        return _prepared(plan, trainer, task, device, reporter, world)


def _prepared(
    plan: Plan, trainer: Trainer, task: Task[Any, Any], device: torch.device, reporter: Reporter, world: World
) -> Prepared:
    source, teacher = transfer.opened(plan), teaching.opened(plan)
    gathered = gather(task, plan.data, reporter)
    split = task.split(gathered.parts, trainer.seed)
    task.fit(split.train)
    same_answers = source is not None and task.take_over(source.task)
    rows = found(task, gathered, split, plan.data)
    torch.manual_seed(trainer.seed)
    task.device = device
    rows += [("taught", teaching.begin(plan, task, teacher))] if teacher else []
    model = build(task, plan.model_form, plan.settled["model"])
    begun = transfer.take_over(plan, task, model, source, same_answers) if source else task.begin(model)
    rows += [("begins", begun)] if begun else []
    reporter.block(plan.task, rows)
    sharded = world.size > 1 and not hasattr(model, "fit") and _shards(trainer.distribute, model, device)
    model = model if sharded else model.to(device)
    data = {name: to_device(task.collate(part), device) for name, part in zip(SPLITS, split[:3], strict=True)}
    begin = getattr(model, "begin", None)  # some models take their first layer from the pictures themselves
    if begin is not None and source is None:
        begin(task.fitting(_evenly(data["train"]))[0])
    if world.size > 1:  # from here on every process draws for itself: dropout differs from row to row
        torch.manual_seed(batching.generator(trainer.seed, world.rank).initial_seed())
    return Prepared(plan, trainer, task, model, split, data, rows, sharded)


def _evenly(rows: Any) -> Any:
    """At most `_BEGUN_WITH` rows of a batch, spread evenly over it: classes may lie in it one after the other."""
    count = len(rows[0])
    if count <= _BEGUN_WITH:
        return rows
    return batching.take(rows, torch.linspace(0, count - 1, _BEGUN_WITH).long().to(rows[0].device))


def rebuilt(job: Prepared) -> nn.Module:
    """The plain model in place of a sharded one; where it outgrows the device it, and the data, are on the CPU."""
    model = build(job.task, job.plan.model_form, job.plan.settled["model"])
    if _memory(job.task.device) < 2 * sum(p.nbytes for p in model.parameters()):
        job.task.device = torch.device("cpu")
        job.data = {name: to_device(rows, job.task.device) for name, rows in job.data.items()}
    return model.to(job.task.device)


def _shards(distribute: str, model: nn.Module, device: torch.device) -> bool:
    """Whether each process holds a part: as said, or where weights, gradients and two moments outgrow three quarters of a GPU."""
    needed = 4 * sum(p.nbytes for p in model.parameters())
    return distribute == "shard" or (distribute == "auto" and needed > 0.75 * _memory(device))


def _memory(device: torch.device) -> float:
    """Bytes of a GPU's memory; that of a CPU is taken to be enough."""
    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else math.inf
