"""The trainer: every setting that all descents share, and the optimiser made from them. `session` is the loop."""

from typing import Any, Literal

import torch
from torch import nn

from samoyed.schedules import SCHEDULES, warmed
from samoyed.settings import Count, Duration, NonNegative, Positive, Share, Whole
from samoyed.tasks import Task
from samoyed.training import optimizers
from samoyed.training.progress import Trained, Watcher
from samoyed.training.session import Session
from samoyed.training.sharding import is_sharded
from samoyed.training.transfer import depths
from samoyed.training.world import ALONE, World


class Trainer:
    """Gradient descent on a task's objective, within a budget, keeping the weights that are best on the validation split.

    Args:
        epochs: Passes over the training split.
        max_steps: Stop after this many steps.
        max_time: Stop after this long; schedules then follow the clock.
        batch_size: Examples per step, over all processes together; for text, parallel streams.
        accumulate: Batches whose gradients are summed for one step.
        optimizer: adamw (Loshchilov 2019), adam (Kingma 2015), or sgd with momentum.
        learning_rate: The first learning rate, which the schedule multiplies.
        momentum: Of sgd: the share of the last step that is kept (Polyak 1964).
        nesterov: Of sgd: whether the gradient is taken ahead of the momentum step.
        weight_decay: Pull of matrices and kernels towards 0; decoupled for adamw; never of biases and norms.
        schedule: The learning rate through the budget: constant, linear (to 0), cosine, exponential (to 1/100), halve (every 5
            epochs), tenth (every 5 epochs).
        warmup: Share of the budget over which the learning rate first rises from 0.
        average: Share of the budget, at its end, over which the weights that are kept are the mean of those after each step, with
            sgd averaged SGD (Polyak & Juditsky 1992); 0 keeps each step's own.
        clip_norm: Largest norm of the whole gradient; a longer one is scaled down to it (Pascanu 2013).
        patience: Stop after this many epochs without a better validation figure.
        seed: Of weights, order, dropout and splits.
        device: Where to compute: auto takes a GPU if there is one.
        distribute: What each process that torchrun starts holds: replicate the whole model, shard a part of every parameter,
            gradient and moment, for models that outgrow one GPU; auto shards those only.
        execution: auto tries, in long trainings, whether other precisions, memory layouts or threads give the same losses
            faster; plain is float32 throughout.
        checkpoint_every: Time between checkpoints within an epoch, from which `samoyed resume` goes on after a crash, by
            default a minute; at the end of an epoch one is written after a tenth of it.
        tensorboard: Whether to write TensorBoard events too, in RUN/tensorboard.
        from_run: A run to begin with (at the shell, from=RUN): its model with its hyperparameters, and its weights without the
            head, unless the classes are the same.
        freeze: With from: how many layers, counted from the input, are held fixed; body holds all but the head.
        depth_rate: Factor on the learning rate for each layer further from the output (Howard & Ruder 2018): below 1, what
            lies near the input changes least.
        teacher: A run of the same task whose answers are learned from besides the labels (Hinton 2015); see `samoyed distil`.
        teacher_temperature: What the logits of both are divided by, which shows how alike the classes are to the teacher.
        teacher_share: Share of the objective that comes from the teacher.
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
        average: Share = 0.0,
        clip_norm: Positive | None = None,
        patience: Count | None = None,
        seed: Whole = 0,
        device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
        distribute: Literal["auto", "replicate", "shard"] = "auto",
        execution: Literal["auto", "plain"] = "auto",
        checkpoint_every: Duration | None = None,
        tensorboard: bool = False,
        from_run: str | None = None,
        freeze: Literal["body"] | Whole = 0,
        depth_rate: Positive = 1.0,
        teacher: str | None = None,
        teacher_temperature: Positive = 4.0,
        teacher_share: Share = 0.9,
    ) -> None:
        self.epochs, self.max_steps, self.max_time = epochs, max_steps, max_time
        self.batch_size, self.accumulate, self.seed = batch_size, accumulate, seed
        self.distribute, self.execution = distribute, execution
        self.device, self.tensorboard, self.checkpoint_every = device, tensorboard, checkpoint_every
        self.optimizer, self.learning_rate, self.weight_decay = optimizer, learning_rate, weight_decay
        self.momentum, self.nesterov = momentum, nesterov
        self.from_run, self.freeze, self.depth_rate = from_run, freeze, depth_rate
        self.average = average
        self.teacher, self.teacher_temperature, self.teacher_share = teacher, teacher_temperature, teacher_share
        self.schedule, self.clip_norm, self.patience = warmed(SCHEDULES[schedule], warmup), clip_norm, patience

    def train(
        self, task: Task[Any, Any], model: nn.Module, train: Any, valid: Any, watcher: Watcher, world: World = ALONE
    ) -> Trained:
        """Descends until the budget, patience or the user ends it: a session from beginning to end."""
        return self.session(task, model, train, valid, watcher, world).run()

    def session(
        self, task: Task[Any, Any], model: nn.Module, train: Any, valid: Any, watcher: Watcher, world: World = ALONE
    ) -> Session:
        """These settings at work on a model and data, ready to run, or to be restored first."""
        return Session(self, task, model, train, valid, watcher, world)

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimiser over the parameters that learn, with weight decay on those of two or more axes only; `share` of a group
        is its factor on the learning rate."""
        layers = depths(model) if self.depth_rate != 1 else {}
        deepest = max(layers.values(), default=0)
        found: dict[int, list[nn.Parameter]] = {}
        for name, p in model.named_parameters():
            if p.requires_grad:
                found.setdefault(deepest - layers.get(name, deepest), []).append(p)
        groups = [
            {
                "params": [p for p in some if (p.ndim > 1) == wide],
                "weight_decay": self.weight_decay if wide else 0.0,
                "share": self.depth_rate**below,
            }
            for below, some in sorted(found.items())
            for wide in (True, False)
        ]
        groups = [group for group in groups if group["params"]]
        if self.optimizer == "sgd":
            nesterov = self.nesterov and self.momentum > 0
            fused = not is_sharded(model)  # which torch cannot do for shards
            return optimizers.SGD(groups, self.learning_rate, momentum=self.momentum, nesterov=nesterov, fused=fused)
        kind = optimizers.AdamW if self.optimizer == "adamw" else optimizers.Adam
        return kind(groups, self.learning_rate, fused=True)
