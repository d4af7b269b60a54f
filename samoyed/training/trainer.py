"""The only training loop. It knows no task and no model: a task gives batches and an objective, a model gives parameters."""

import math
import time
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from samoyed.errors import TrainingError
from samoyed.objectives import Mean
from samoyed.schedules import SCHEDULES, Position, warmed
from samoyed.settings import Count, Duration, NonNegative, Positive, Share, Whole
from samoyed.tasks import Task
from samoyed.training.evaluation import Result, evaluate

Weights = dict[str, Tensor]


class Epoch(NamedTuple):
    """What one pass gave; a line of metrics.jsonl."""

    epoch: int
    step: int
    seconds: float
    step_ms: float
    per_second: float
    learning_rate: float
    loss: float
    gradient_norm: float
    valid: dict[str, Result]
    best: bool


class Watcher(Protocol):
    """Is told how training goes, and may ask it to stop."""

    def stepped(self, epoch: int, done: int, of: int, loss: float) -> None:
        """After a step: `done` of `of` in this epoch."""

    def passed(self, epoch: Epoch, left: float) -> None:
        """After an epoch; `left` seconds are expected to remain."""

    def stopping(self) -> bool:
        """Whether to stop before the next step."""
        ...


@dataclass
class Trained:
    """What training leaves: the best and the last weights, every epoch, and why it ended."""

    best: Weights
    last: Weights
    epochs: list[Epoch] = field(default_factory=list)
    ended: Literal["finished", "early", "stopped", "failed"] = "finished"
    why: str = ""


class Trainer:
    """Gradient descent on a task's objective, within a budget, keeping the weights that are best on the validation split.

    Args:
        epochs: Passes over the training split.
        max_steps: Stop after this many steps.
        max_time: Stop after this long; schedules then follow the clock.
        batch_size: Examples per step; for text, parallel streams.
        accumulate: Batches whose gradients are summed for one step.
        optimizer: adamw (Loshchilov 2019), adam (Kingma 2015), or sgd with momentum.
        learning_rate: The first learning rate, which the schedule multiplies.
        momentum: Of sgd: the share of the last step that is kept (Polyak 1964).
        nesterov: Of sgd: whether the gradient is taken ahead of the momentum step.
        weight_decay: Pull of matrices and kernels towards 0; decoupled for adamw; never of biases and norms.
        schedule: The learning rate through the budget: constant, linear (to 0), cosine, exponential (to 1/100), halve (every 5
            epochs), tenth (every 5 epochs).
        warmup: Share of the budget over which the learning rate first rises from 0.
        clip_norm: Largest norm of the whole gradient; a longer one is scaled down to it (Pascanu 2013).
        patience: Stop after this many epochs without a better validation figure.
        seed: Of weights, order, dropout and splits.
        device: Where to compute: auto takes a GPU if there is one.
        tensorboard: Whether to write TensorBoard events too, in RUN/tensorboard.
    """

    def __init__(
        self,
        *,
        epochs: Count = 10,
        max_steps: Count | None = None,
        max_time: Duration | None = None,
        batch_size: Count = 128,
        accumulate: Count = 1,
        optimizer: Literal["adamw", "adam", "sgd"] = "adamw",
        learning_rate: Positive = 0.001,
        momentum: Share = 0.9,
        nesterov: bool = True,
        weight_decay: NonNegative = 0.0,
        schedule: Literal["cosine", "linear", "constant", "exponential", "halve", "tenth"] = "cosine",
        warmup: Share = 0.0,
        clip_norm: Positive | None = None,
        patience: Count | None = None,
        seed: Whole = 0,
        device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
        tensorboard: bool = False,
    ) -> None:
        self.epochs, self.max_steps, self.max_time = epochs, max_steps, max_time
        self.batch_size, self.accumulate, self.seed = batch_size, accumulate, seed
        self.device, self.tensorboard = device, tensorboard
        self.optimizer, self.learning_rate, self.weight_decay = optimizer, learning_rate, weight_decay
        self.momentum, self.nesterov = momentum, nesterov
        self.schedule, self.clip_norm, self.patience = warmed(SCHEDULES[schedule], warmup), clip_norm, patience

    def train(self, task: Task[Any, Any], model: nn.Module, train: Any, valid: Any, watcher: Watcher) -> Trained:
        """Descends until the budget, patience or the user ends it.

        A loss or gradient that is not finite never reaches the weights: training ends as "failed" with the weights of before.
        """
        optimizer = self.optimizer_of(model)
        descent = _Descent(model, optimizer, self.clip_norm, self.accumulate)
        per_epoch = math.ceil(task.steps(train, self.batch_size) / self.accumulate)
        budget = min(self.epochs * per_epoch, self.max_steps or math.inf)
        result = Trained(_copy(model), {})
        best: tuple[float, ...] = ()
        since_best, started = 0, time.monotonic()
        model.train()
        for epoch in range(1, self.epochs + 1):
            began, first, spent = time.monotonic(), descent.steps, False
            pooled = [0.0, 0.0]
            try:
                for batch in task.batches(train, self.batch_size, seed=self.seed, epoch=epoch):
                    progress = self._progress(descent.steps / budget, started)
                    if progress >= 1 or watcher.stopping():
                        spent = True
                        break
                    position = Position(descent.steps, epoch - 1 + (descent.steps - first) / per_epoch, progress)
                    rate = self.learning_rate * self.schedule(position)
                    for group in optimizer.param_groups:
                        group["lr"] = rate
                    mean = task.update(model, batch, descent)
                    loss, count = float(mean.total.detach()), float(mean.count)
                    pooled = [pooled[0] + loss, pooled[1] + count]
                    watcher.stepped(epoch, descent.steps - first, per_epoch, loss / count)
                descent.flush()
            except TrainingError as error:
                result.ended, result.why = "failed", f"{error} (epoch {epoch}, step {descent.steps + 1})"
                break
            if pooled[1] == 0:
                result.ended = "stopped" if watcher.stopping() else "finished"
                break
            seconds = time.monotonic() - began
            results = evaluate(task, model, valid, self.batch_size)
            rank = _rank(results, task.watch)
            better = not result.epochs or rank < best
            if better:
                best, since_best, result.best = rank, 0, _copy(model)
            else:
                since_best += 1
            steps = descent.steps - first
            done = Epoch(
                epoch, descent.steps, seconds, 1000 * seconds / max(1, steps), pooled[1] / seconds, rate,
                pooled[0] / pooled[1], descent.mean_norm(), results, better,
            )  # fmt: skip
            result.epochs.append(done)
            share = self._progress(descent.steps / budget, started)
            watcher.passed(done, (time.monotonic() - started) * (1 - share) / max(share, 1e-9))
            if watcher.stopping():
                result.ended = "stopped"
                break
            if spent or share >= 1:
                break
            if self.patience is not None and since_best >= self.patience:
                result.ended = "early"
                break
        result.last = _copy(model)
        return result

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimiser over the model's parameters, with weight decay on those of two or more axes only."""
        parameters = [p for p in model.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        if self.optimizer == "sgd":
            nesterov = self.nesterov and self.momentum > 0
            return torch.optim.SGD(groups, self.learning_rate, momentum=self.momentum, nesterov=nesterov, fused=True)
        kind = torch.optim.AdamW if self.optimizer == "adamw" else torch.optim.Adam
        return kind(groups, self.learning_rate, fused=True)

    def _progress(self, share: float, started: float) -> float:
        clock = (time.monotonic() - started) / self.max_time if self.max_time else 0.0
        return max(share, clock)


class _Descent:
    """One optimiser step per `accumulate` objectives: backward, check, clip, step. Called with the objective's sum and count."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, clip: float | None, accumulate: int) -> None:
        self.optimizer, self.clip, self.accumulate = optimizer, clip, accumulate
        self.named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self.steps, self._waiting, self._count = 0, 0, 0.0
        self._norms, self._normed = 0.0, 0

    def __call__(self, mean: Mean) -> None:
        count = float(mean.count)
        if not math.isfinite(float(mean.total.detach())):
            raise TrainingError(
                f"the loss is {float(mean.total.detach())}", remedy="try a smaller learning_rate, or clip_norm=1"
            )
        if self.accumulate == 1:
            (mean.total / count).backward()  # type: ignore[no-untyped-call]
            self._step()
            return
        mean.total.backward()  # type: ignore[no-untyped-call]
        self._waiting, self._count = self._waiting + 1, self._count + count
        if self._waiting == self.accumulate:
            self.flush()

    def flush(self) -> None:
        """Steps on what has been accumulated, so that a last group may be smaller."""
        if self._waiting:
            gradients = [p.grad for _, p in self.named if p.grad is not None]
            torch._foreach_div_(gradients, self._count)
            self._waiting, self._count = 0, 0.0
            self._step()

    def mean_norm(self) -> float:
        """The gradient's mean norm, before clipping, since it was last asked."""
        mean = self._norms / max(1, self._normed)
        self._norms, self._normed = 0.0, 0
        return mean

    def _step(self) -> None:
        gradients = [p.grad for _, p in self.named if p.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(gradients, foreach=True))
        if not math.isfinite(norm):
            bad = next(
                (n for n, p in self.named if p.grad is not None and not bool(p.grad.isfinite().all())), "all of them"
            )
            self.optimizer.zero_grad()
            raise TrainingError(
                f"the gradient of {bad} is not finite", remedy="try a smaller learning_rate, or clip_norm=1"
            )
        if self.clip is not None and norm > self.clip:
            torch._foreach_mul_(gradients, self.clip / (norm + 1e-6))
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.steps += 1
        self._norms, self._normed = self._norms + norm, self._normed + 1


def _rank(results: dict[str, Result], watch: str) -> tuple[float, ...]:
    """What the best epoch has least of: the watched metric, and where that ties, as on few examples, the loss."""
    kept = [results[name] for name in (watch, "loss") if name in results]
    return tuple(r.value if r.better == "lower" else -r.value for r in kept)


def _copy(model: nn.Module) -> Weights:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
