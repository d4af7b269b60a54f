"""One training in progress: the only loop. A task gives batches and an objective, a model parameters; it knows neither.

All that the rest of a training depends on is in `snapshot`; a session that is restored from one goes on as if it had never
stopped, bit for bit on the same machine.
"""

import itertools
import math
import time
from typing import Any, Literal

import torch
from torch import nn

from samoyed.errors import TrainingError, UsageError
from samoyed.schedules import Position
from samoyed.tasks import Task
from samoyed.training.averaging import Average
from samoyed.training.checkpoint import Snapshot, flatten, unflatten
from samoyed.training.descent import Descent
from samoyed.training.evaluation import OVERFLOWN, Result, evaluate, rank_of
from samoyed.training.execution import PLAIN, Execution
from samoyed.training.luck import MOST_ROLLBACKS, Memory, Spikes, is_out_of_memory
from samoyed.training.normalising import over_all
from samoyed.training.progress import Epoch, Trained, Watcher
from samoyed.training.sharding import is_sharded, put
from samoyed.training.state import (
    as_facts,
    divided,
    from_facts,
    gathered,
    generators,
    into_optimizer,
    of_optimizer,
    set_generators,
    weights_of,
)  # fmt: skip
from samoyed.training.together import Together
from samoyed.training.transfer import learning
from samoyed.training.world import ALONE, World


class Session:
    """A trainer's settings at work on one task, model and data. `run` descends until the budget, patience or the user ends it.

    A loss or gradient that is not finite never reaches the weights, and a loss that runs away is not followed: training goes
    back to the last epoch's beginning with half the learning rate, at most three times, and then ends as "failed" with the
    best weights. A batch that is too large for the memory is taken in micro-batches of the same sum.
    """

    def __init__(
        self,
        trainer: Any,
        task: Task[Any, Any],
        model: nn.Module,
        train: Any,
        valid: Any,
        watcher: Watcher,
        world: World = ALONE,
    ) -> None:
        self.trainer, self.task, self.model, self.world = trainer, task, model, world
        self.watcher, self.together = watcher, Together(watcher, world, self.elapsed)
        self.data, self.valid = train, valid
        self.optimizer: torch.optim.Optimizer = trainer.optimizer_of(model)
        self.average = Average(model, self.optimizer, trainer.average)
        self.descent = Descent(model, self.optimizer, trainer.clip_norm, trainer.accumulate, world)
        self.per_epoch = math.ceil(task.steps(train, trainer.batch_size) / trainer.accumulate)
        self.budget = min(trainer.epochs * self.per_epoch, trainer.max_steps or math.inf)
        self.result, self.best = Trained(weights_of(model, world), {}), tuple[float, ...]()
        self.epoch, self.done, self.first = 1, 0, 0  # the epoch, batches done in it, steps done before it
        self.total = self.count = self.rate = 0.0
        self.spikes, self.factor, self.rollbacks, self.pieces, self.since_best = Spikes(), 1.0, 0, 1, 0
        self.execution, self.before = PLAIN, 0.0  # before: seconds of training before this session
        self.healthy: Snapshot | None = None  # as the epoch began
        self.started = self.began = time.monotonic()

    def run(self) -> Trained:
        """Trains to the end. What was reached is in `result` at any time."""
        try:
            with self.execution.prepared(self.model), over_all(self.model, self.world):
                return self._run()
        except RuntimeError as error:
            if self.execution == PLAIN or self.healthy is None:
                raise
            why = f"the execution {self.execution} failed ({str(error).strip().partition(chr(10))[0]})"
        finally:
            self.descent.close()
        spent, healthy = self.elapsed(), self.healthy
        self.restore(healthy, own=True)
        self.before, self.execution = spent, PLAIN
        self.together.warn(f"{why}: back to the beginning of epoch {self.epoch}, and on in the plain one")
        return self.run()

    def _run(self) -> Trained:
        self.started = time.monotonic()
        at_start = self.progress()
        going = True
        while going and self.epoch <= self.trainer.epochs:
            self.began = time.monotonic()
            learning(self.model)
            before = (self.descent.steps, self.count, at_start)
            self.healthy, seconds = (healthy := self.snapshot(own=True)), 0.0
            try:
                whole = self._descend()
                seconds = time.monotonic() - self.began
                results = self._validate() if self.count else {}
            except TrainingError as error:
                if self._roll_back(healthy, f"{error} (epoch {self.epoch}, step {self.descent.steps + 1})"):
                    continue
                break
            if not whole and self.together.stopping():
                self.together.save(self.snapshot())
            if self.count == 0:
                self._end("stopped" if self.together.stopping() else "finished")
                break
            going = self._close_epoch(whole, results, seconds, before)
        self.result.last = self.average.weights(self.model, self.world)
        return self.result

    def elapsed(self) -> float:
        """Seconds of training, those before it was resumed among them."""
        return self.before + time.monotonic() - self.started

    def progress(self) -> float:
        """The share of the budget that is spent, 0 to 1."""
        limit = self.trainer.max_time
        clock = self.together.seconds() / limit if limit else 0.0
        return float(max(self.descent.steps / self.budget, clock))

    def snapshot(self, own: bool = False) -> Snapshot:
        """The state between two steps, whole, or this process's `own`. Nothing of it is shared with the training that goes on."""
        world, carried = self.world, self.task.carried
        other = generators(self.task.device, world, own)
        if not own:
            carried = gathered(carried, self.task.carried_axis(self.model), world)
        facts = {
            "steps": self.descent.steps,
            "descent": self.descent.state(),
            "epoch": self.epoch,
            "done": self.done,
            "first": self.first,
            "total": self.total,
            "count": self.count,
            "rate": self.rate,
            "best": list(self.best),
            "since_best": self.since_best,
            "spikes": self.spikes.state(),
            "factor": self.factor,
            "rollbacks": self.rollbacks,
            "pieces": self.pieces,
            "execution": list(self.execution),
            "elapsed": self.elapsed(),
            "epochs": [as_facts(epoch) for epoch in self.result.epochs],
            "carried": flatten(carried, other, "carried"),
        }
        return Snapshot(
            facts,
            model=weights_of(self.model, world, own),
            best=self.result.best,
            optimizer=of_optimizer(self.optimizer, world, own),
            other={name: tensor.detach().clone() for name, tensor in other.items()},
        )

    def restore(self, snapshot: Snapshot, own: bool = False) -> None:
        """Goes back to, or on from, a snapshot of a session with the same settings, task, model and data."""
        facts, device, world = snapshot.facts, self.task.device, self.world
        put(self.model, snapshot.model)
        into_optimizer(self.optimizer, snapshot.optimizer)
        self.descent.restore(facts["descent"])
        self.epoch, self.done, self.first = facts["epoch"], facts["done"], facts["first"]
        self.total, self.count, self.rate = facts["total"], facts["count"], facts["rate"]
        self.best, self.since_best = tuple(facts["best"]), facts["since_best"]
        self.spikes, self.factor, self.rollbacks = Spikes(facts["spikes"]), facts["factor"], facts["rollbacks"]
        self.execution = Execution(*facts["execution"]) if world.size == 1 else PLAIN
        self.pieces, self.before = facts["pieces"], facts["elapsed"]
        kept = "cpu" if is_sharded(self.model) else device
        self.result.best = {name: tensor.to(kept) for name, tensor in snapshot.best.items()}
        self.result.epochs = [from_facts(epoch) for epoch in facts["epochs"]]
        carried = unflatten(facts["carried"], snapshot.other, device)
        self.task.carried = carried if own else divided(carried, self.task.carried_axis(self.model), world)
        set_generators(snapshot.other, device, world, own, self.trainer.seed, facts["steps"])

    def _descend(self) -> bool:
        """The rest of the epoch; whether it came to its end."""
        trainer, descent = self.trainer, self.descent
        batches = self.task.batches(self.data, trainer.batch_size, seed=trainer.seed, epoch=self.epoch)
        self.together.meet()
        for batch in itertools.islice(batches, self.done, None):
            progress = self.progress()
            if progress >= 1 or self.together.stopping():
                return False
            position = Position(descent.steps, self.epoch - 1 + (descent.steps - self.first) / self.per_epoch, progress)
            self.rate = self.factor * trainer.learning_rate * trainer.schedule(position)
            self.average.begin(progress)
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate * group["share"]
            loss, count = self.together.meet(*self._step(batch))
            self.spikes.see(loss / count)
            self.total, self.count, self.done = self.total + loss, self.count + count, self.done + 1
            self.together.stepped(self.epoch, descent.steps - self.first, self.per_epoch, loss / count)
            if descent.idle and self.together.due():
                self.together.save(self.snapshot())
        descent.flush()
        self.spikes.passed()
        return True

    def _step(self, batch: Any) -> tuple[float, float]:
        """One batch: the loss of this process's rows, summed, and their count. Doubles its pieces, and tries again, while memory
        runs out; one of several processes cannot try again by itself."""
        batch = self.world.share(self.task, batch)
        memory, size = Memory(self.task), len(batch[0])
        while True:
            self.descent.parts = -(-size // -(-size // min(self.pieces, size)))  # what Tensor.chunk makes of it
            parts = (batch,) if self.descent.parts == 1 else self.task.parts(self.model, batch, self.pieces)
            try:
                total, count = 0.0, 0.0
                for part in parts:
                    with self.execution.precise(self.task.device):
                        mean = self.task.update(self.model, part, self.descent)
                    total, count = total + float(mean.total.detach()), count + float(mean.count)
                return self.world.weight * total, self.world.weight * count
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self.descent.parts == size or not self.descent.idle or self.world.size > 1:
                    raise UsageError(
                        "memory runs out on a batch", remedy="set a smaller batch_size or a smaller model"
                    ) from error
            memory.again()
            self.descent.forget()
            self.pieces = 2 * self.descent.parts
            self.together.warn(
                f"memory ran out on a batch of {size}: it is taken in {self.pieces} parts, with the same sum"
            )

    def _roll_back(self, healthy: Snapshot, why: str) -> bool:
        """Goes back to `healthy` with half the learning rate; False, and the end, after three times."""
        if self.rollbacks == MOST_ROLLBACKS:
            put(self.model, healthy.model)
            self._end("failed", why)
            return False
        rollbacks, elapsed, factor = self.rollbacks + 1, self.elapsed(), self.factor / 2
        self.restore(healthy, own=True)
        self.factor, self.rollbacks = factor, rollbacks
        self.before = elapsed - (time.monotonic() - self.started)
        self.together.warn(
            f"{why}: back to the beginning of epoch {self.epoch} with half the learning rate ({rollbacks} of {MOST_ROLLBACKS})"
        )
        return True

    def _validate(self) -> dict[str, Result]:
        """Every metric on the validation split. Raises TrainingError where one overflows: the weights are far off then."""
        with self.average, self.execution.precise(self.task.device):
            size = max(1, self.trainer.batch_size // self.pieces)
            results = evaluate(self.task, self.model, self.valid, size, False, self.world)
        for name, result in results.items():
            if not abs(result.value) < OVERFLOWN:
                raise TrainingError(
                    f"the validation {name} is no finite number", remedy="try a smaller learning_rate, or clip_norm=1"
                )
        return results

    def _close_epoch(
        self, whole: bool, results: dict[str, Result], seconds: float, before: tuple[int, float, float]
    ) -> bool:
        """Records the epoch; whether to go on. `before` are the steps, the count and the progress there were before it."""
        trainer, result = self.trainer, self.result
        steps_before, count_before, at_start = before
        rank = rank_of(results, self.task.watch)
        better = not result.epochs or rank < self.best
        if better:
            self.best, self.since_best, result.best = rank, 0, self.average.weights(self.model, self.world)
        else:
            self.since_best += 1
        steps = max(1, self.descent.steps - steps_before)
        done = Epoch(
            self.epoch, self.descent.steps, seconds, 1000 * seconds / steps, (self.count - count_before) / max(seconds, 1e-9),
            self.rate, self.total / self.count, self.descent.mean_norm(), results, better,
        )  # fmt: skip
        result.epochs.append(done)
        self.epoch, self.done, self.first = self.epoch + 1, 0, self.descent.steps
        self.total, self.count = 0.0, 0.0
        self.together.meet()
        share = self.progress()
        spent = time.monotonic() - self.started
        self.together.passed(done, spent * (1 - share) / max(share - at_start, 1e-9))
        if self.together.stopping():
            if whole:
                self.together.save(self.snapshot())
            self._end("stopped")
        elif trainer.patience is not None and self.since_best >= trainer.patience and share < 1:
            self._end("early")
        elif whole and share < 1 and self.epoch <= trainer.epochs:
            if self.together.due(epoch=True):
                self.together.save(self.snapshot())
            return True
        return False

    def _end(self, how: Literal["finished", "early", "stopped", "failed"], why: str = "") -> None:
        self.result.ended, self.result.why = how, why
