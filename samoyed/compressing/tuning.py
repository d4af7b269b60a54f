"""Rounds of training between the steps of compression, each within a budget, and the best weights of each on validation."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from samoyed import catalog, settings
from samoyed.compressing.keeping import Kept
from samoyed.compressing.resuming import Progress
from samoyed.errors import Interrupted, RunError, UsageError, nearest, shown
from samoyed.reporting.progress import Reporter
from samoyed.tasks import Task
from samoyed.training.checkpoint import Snapshot
from samoyed.training.evaluation import evaluate, rank_of
from samoyed.training.progress import Epoch, Silent
from samoyed.training.teaching import Teacher
from samoyed.training.trainer import Trainer

_FIXED = {
    "from_run": "every round begins with the run that is compressed",
    "teacher": "the network learns from what it was; `samoyed distil` has another network teach",
}
ROUNDS = 4  # that together take as long as the first training did


class Follower(Silent):
    """Watches a round: keeps the weights to what was decided, shows the bar, and hands on each epoch."""

    def __init__(self, reporter: Reporter, kept: Kept, passed: Callable[[Epoch], None], progress: Progress) -> None:
        super().__init__()
        self.reporter, self.kept, self.hand_on, self.progress = reporter, kept, passed, progress

    def stepped(self, epoch: int, done: int, of: int, loss: float) -> None:
        """Also for models that take their steps by themselves."""
        self.kept.restore()
        self.reporter.stepped(epoch, done, of, loss)

    def passed(self, epoch: Epoch, left: float) -> None:
        """Shows the epoch's line, and hands it on."""
        self.hand_on(epoch)
        self.reporter.passed(epoch, left)

    def stopping(self) -> bool:
        """Whether somebody asked for the end."""
        return self.reporter.stopping()

    def due(self, epoch: bool = False) -> bool:
        """Whether it is time for a snapshot."""
        return self.progress.due(epoch)

    def save(self, snapshot: Snapshot) -> None:
        """Keeps it; where that fails, as on a full disk, the last good one stays and training goes on."""
        try:
            self.progress.save(snapshot)
        except RunError as error:
            self.warn(f"{error}; training goes on")

    def warn(self, text: str) -> None:
        """Says it."""
        self.reporter.warn(text)


@dataclass
class Rounds:
    """The rounds of training of one compression. `settings_` are the trainer's; `epochs` those of all rounds until now.

    Where the task has classes, the network learns from the answers of the `original` besides the labels, by the trainer's
    `teacher_temperature` and `teacher_share`: the labels of a training split that it knows by heart say little about what it lost.
    """

    task: Task[Any, Any]
    model: nn.Module
    original: nn.Module
    data: dict[str, Any]
    settings_: dict[str, Any]
    given: dict[str, Any]
    reporter: Reporter
    progress: Progress
    epochs: list[Epoch] = field(default_factory=list)

    def tune(self, number: int, kept: Kept, title: str, levels: bool = False) -> None:
        """One round, after which the model has its best weights on the validation split, those of before among them; on from where it
        was stopped, if it was. Raises Interrupted."""
        self.reporter.say(title)
        values = {**of_a_round(self.settings_, levels), **self.given}
        trainer = Trainer(**values)
        watch = self.task.watch
        kept.restore()
        before = rank_of(evaluate(self.task, self.model, self.data["valid"], trainer.batch_size, False), watch)
        untouched = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        follower = Follower(self.reporter, kept, self._add, self.progress)
        session = trainer.session(self.task, self.model, self.data["train"], self.data["valid"], follower)
        kept.attach(session.optimizer)
        teacher = Teacher(self.original, trainer.teacher_temperature, trainer.teacher_share)
        begun = self.progress.within(number)
        if begun is not None:
            session.restore(begun)
            for epoch in session.result.epochs:
                self._add(epoch)
            self.reporter.say(f"  {'resumed':<10} from epoch {session.epoch}, step {session.descent.steps}")
        self.task.teacher = teacher if self._taught(teacher) else None
        self.reporter.begin(trainer.epochs, self.task.unit)
        try:
            trained = session.run()
        finally:
            self.task.teacher = None
            self.reporter.end()
        if trained.ended == "stopped":
            folder = self.progress.folder.parent
            raise Interrupted(
                "stopped before the network was compressed", remedy=f"samoyed resume {folder} goes on from there"
            )
        if trained.ended == "failed":
            self.reporter.warn(f"this round ended early: {trained.why}; the best weights until then are kept")
        better = bool(trained.epochs) and session.best < before
        self.model.load_state_dict(trained.best if better else untouched)
        self.model.eval()

    def _taught(self, teacher: Teacher) -> bool:
        """Whether the network learns through the logits of classes, and is to learn from the original's."""
        if not self.task.taught or not teacher.share:
            return False
        batch = next(iter(self.task.batches(self.data["valid"], 2)))
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            return teacher.suits(self.task, self.model.eval(), batch)

    def _add(self, epoch: Epoch) -> None:
        steps = self.epochs[-1].step if epoch.epoch > 1 or self.epochs else 0
        first = len(self.epochs) - epoch.epoch + 1
        base = self.epochs[first - 1].step if first > 0 else 0
        self.epochs.append(epoch._replace(epoch=len(self.epochs) + 1, step=max(steps, base + epoch.step)))


def of_a_round(values: dict[str, Any], levels: bool) -> dict[str, Any]:
    """The trainer's settings of one round, from those of the first training.

    A quarter of its budget; the learning rate as it began, since that finds back better than where it ended (Renda, Frankle &
    Carbin 2020), but a tenth of it for the levels, each of which stands for many weights, and Adam there, whose steps do not
    grow with their number.
    """
    made = dict(values)
    made["epochs"] = max(1, round(values["epochs"] / ROUNDS))
    if values.get("max_steps"):
        made["max_steps"] = max(1, values["max_steps"] // ROUNDS)
    if values.get("max_time"):
        made["max_time"] = values["max_time"] / ROUNDS
    made |= {
        "patience": None,
        "tensorboard": False,
        "distribute": "auto",
        "average": 0.0,
        "from_run": None,
        "teacher": None,
        "freeze": 0,
    }
    if levels:
        sgd = values["optimizer"] == "sgd"
        made |= {
            "optimizer": "adam",
            "learning_rate": 0.0003 if sgd else values["learning_rate"] / 10,
            "weight_decay": 0.0,
        }
    return made


def checked(given: dict[str, Any]) -> dict[str, Any]:
    """Settings of the rounds, held against the trainer's signature. Raises UsageError for one that it has not."""
    known = catalog.trainer().settings
    for key in given:
        if key not in known:
            remedy = nearest(key, known)
            raise UsageError(f"there is no setting called {shown(key)!r} for fine-tuning", remedy=remedy)
        if given[key] is not None and key in _FIXED:
            raise UsageError(f"{key.removesuffix('_run')} cannot be set for fine-tuning", remedy=_FIXED[key])
    return {key: settings.check(key, known[key].annotation, value) for key, value in given.items()}
