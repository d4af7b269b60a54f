"""One training of a search: the data of all, settings of its own, ended early where it is hopeless or too slow."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from samoyed import catalog
from samoyed.plan import Plan
from samoyed.run import build
from samoyed.training.checkpoint import Snapshot
from samoyed.training.evaluation import entries_of, evaluate
from samoyed.training.prepare import Prepared
from samoyed.training.progress import Epoch
from samoyed.training.trainer import Trainer

Hopeless = Callable[[float, int], bool]  # the best figure so far and the epoch -> whether to end
Entries = NDArray[np.float64]


class Watcher:
    """Ends a training that is hopeless or beyond its time. `why` says which it was."""

    def __init__(self, watch: str, hopeless: Hopeless, seconds: float, stop: Callable[[], bool]) -> None:
        self.watch, self.hopeless, self.stop = watch, hopeless, stop
        self.until = time.monotonic() + seconds
        self.why = ""
        self.best: float | None = None

    def stepped(self, epoch: int, done: int, of: int, loss: float) -> None:
        """Looks at the clock."""
        if not self.why and time.monotonic() > self.until:
            self.why = "slow"

    def passed(self, epoch: Epoch, left: float) -> None:
        """Asks whether what was reached so far is hopeless."""
        found = epoch.valid[self.watch]
        keep = min if found.better == "lower" else max
        self.best = found.value if self.best is None else keep(self.best, found.value)
        if not self.why and self.hopeless(self.best, epoch.epoch):
            self.why = "hopeless"

    def stopping(self) -> bool:
        """Whether to end before the next step."""
        return bool(self.why) or self.stop()

    def due(self, epoch: bool = False) -> bool:
        """A trial keeps no checkpoints."""
        return False

    def save(self, snapshot: Snapshot) -> None:
        """Nothing."""

    def warn(self, text: str) -> None:
        """Nothing: what a trial meets is in its figure."""


def measured(
    job: Prepared,
    plan: Plan,
    seed: int,
    hopeless: Hopeless = lambda value, epoch: False,
    seconds: float = float("inf"),
    stop: Callable[[], bool] = lambda: False,
) -> tuple[float, str]:
    """Trains the plan's model on the job's data; the best watched figure on the validation split, and why it ended early, if so.

    Raises UsageError and TrainingError, where these settings cannot be trained, and ValueError where there was no time for one epoch.
    """
    task, watcher = job.task, Watcher(job.task.watch, hopeless, seconds, stop)
    model = _trained(job, plan, seed, watcher)
    if hasattr(model, "fit"):
        return evaluate(task, model, job.data["valid"], intervals=False)[task.watch].value, ""
    if watcher.best is None:
        raise ValueError("no epoch was finished in time")
    return watcher.best, watcher.why


def held(job: Prepared, plan: Plan, seed: int) -> Entries:
    """Trains the plan's model to its end; what the watched figure on the validation split is pooled from, example by example, as
    `evaluation.entries_of` gives it. Raises UsageError and TrainingError."""
    model = _trained(job, plan, seed, Watcher(job.task.watch, lambda value, epoch: False, math.inf, lambda: False))
    return entries_of(job.task, model, job.data["valid"])[job.task.watch]


def _trained(job: Prepared, plan: Plan, seed: int, watcher: Watcher) -> nn.Module:
    """The plan's model with the weights that were best on the validation split."""
    task = job.task
    torch.manual_seed(seed)
    model = build(task, plan.model_form, plan.settled["model"])
    task.begin(model)
    model = model.to(task.device)
    begin = getattr(model, "begin", None)
    if begin is not None:
        begin(task.fitting(job.data["train"])[0])
    if hasattr(model, "fit"):
        fit: Any = model.fit
        fit(*task.fitting(job.data["train"]))
        return model
    trainer = Trainer(**{**plan.settled["training"], "seed": seed})
    task.carried = None
    trained = trainer.train(task, model, job.data["train"], job.data["valid"], watcher)
    task.carried = None
    model.load_state_dict(trained.best)
    return model


def planned(plan: Plan, model: str, given: dict[str, Any]) -> Plan:
    """The plan with another model and other settings. Raises UsageError where they are not allowed."""
    form = catalog.model(plan.task_form, model)
    settled = catalog.settle(plan.task_form, form, given)
    settled["task"] = plan.settled["task"]
    return replace(plan, model=model, model_form=form, settled=settled, given=given)
