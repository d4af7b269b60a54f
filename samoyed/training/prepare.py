"""From a plan to what training needs: data read, divided, learned from, on the device; the model in their sizes."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from samoyed.plan import Plan
from samoyed.reporting import tensorboard
from samoyed.reporting.progress import Reporter
from samoyed.run import build, count_parameters
from samoyed.tasks import Split, Task, to_device
from samoyed.training.gather import found, gather
from samoyed.training.machine import device_of
from samoyed.training.trainer import Trainer

SPLITS = ("train", "valid", "test")


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

    @property
    def parameters(self) -> int:
        """How many numbers are learned."""
        return count_parameters(self.model)


def prepare(plan: Plan, reporter: Reporter) -> Prepared:
    """Reads, divides, fits and builds. The same plan and data give the same weights. Raises UsageError and DataError."""
    trainer = Trainer(**plan.settled["training"])
    device = device_of(trainer.device)
    if trainer.tensorboard:
        tensorboard.needed()
    task: Task[Any, Any] = plan.task_form.load()(**plan.settled["task"])
    gathered = gather(task, plan.data, reporter)
    split = task.split(gathered.parts, trainer.seed)
    task.fit(split.train)
    rows = found(task, gathered, split, plan.data)
    reporter.block(plan.task, rows)
    torch.manual_seed(trainer.seed)
    task.device = device
    model = build(task, plan.model_form, plan.settled["model"]).to(device)
    data = {name: to_device(task.collate(part), device) for name, part in zip(SPLITS, split[:3], strict=True)}
    return Prepared(plan, trainer, task, model, split, data, rows)
