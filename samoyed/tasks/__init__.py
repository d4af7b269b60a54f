"""What the person has and wants. One file per task; this is what all of them share.

A task turns examples into batches, states the objective and the metrics, and decodes answers for people. It never knows
which model it has: it supplies sizes, and any model that asks for nothing else fits.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from samoyed import batching
from samoyed.errors import UsageError, shown
from samoyed.objectives import Mean
from samoyed.sources import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

E = TypeVar("E")
B = TypeVar("B", bound=tuple[Tensor, ...])


@dataclass(frozen=True)
class Metric:
    """How a pooled mean is reported: its unit, which way is better, and what is done to the mean (sqrt, exp, or nothing).

    `pooled` computes a figure that is no mean, such as BLEU, from the sums [K] of its statistics over all examples. `whole` is for
    one that depends on all examples at once, such as a ranking: given their rows [N, K], it makes a function of how often each
    counts [N].
    """

    unit: str
    better: str = "lower"
    shown_as: str = "mean"
    percent: bool = False
    pooled: Callable[[NDArray[np.float64]], float] | None = None
    whole: Callable[[NDArray[np.float64]], Callable[[NDArray[np.float64]], float]] | None = None

    def show(self, mean: float) -> float:
        """The reported value of a pooled mean, in `unit`."""
        if self.shown_as == "sqrt":
            return math.sqrt(0.0 if mean < 0 else mean)
        if self.shown_as == "exp":
            return math.exp(min(mean, 700.0))
        return 100 * mean if self.percent else mean


class Picture(NamedTuple):
    """A drawing for the report: its file name, its heading, a sentence on how to read it, and the figure."""

    name: str
    title: str
    caption: str
    figure: "Figure"


class Split(NamedTuple):
    """The examples of each split, and the rule that made them in words."""

    train: Sequence[Any]
    valid: Sequence[Any]
    test: Sequence[Any]
    rule: str


class Task(ABC, Generic[E, B]):
    """The contract. Class attributes are literals, so that the catalogue reads them without importing the file.

    Attributes: sample names the embedded data; example the kind of raw datum; model the default; inputs and outputs the sizes
    a model may ask for, of which it must ask for one output; defaults the trainer's settings that suit this task; watch the
    metric that chooses the best weights; by_heart whether the objective of a few examples can fall towards 0, which noise in
    the targets forbids; descends whether models that are fitted instead are left out; unit what is counted in examples per second;
    remeasured how many training examples are measured again at the end; taught whether its networks give logits of classes, from which
    others can learn; generates what `samoyed generate` takes besides seeds
    where nothing is said, empty where the task writes nothing; relearns the parts of `state` that a run learns anew though it begins with
    another, the first being what it can answer, and all other parts it takes over; inherits the settings that it takes over with them.
    """

    sample: ClassVar[str]
    example: ClassVar[str]
    model: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    outputs: ClassVar[tuple[str, ...]]
    defaults: ClassVar[dict[str, Any]] = {}
    watch: str = "loss"
    by_heart: ClassVar[bool] = True
    descends: ClassVar[bool] = False
    unit: ClassVar[str] = "examples"
    remeasured: ClassVar[int] = 10_000
    generates: ClassVar[dict[str, Any]] = {}
    companions: ClassVar[tuple[str, ...]] = ()
    opened: Mapping[str, Path] = MappingProxyType({})  # where each of them was found
    device: torch.device = torch.device("cpu")
    taught: ClassVar[bool] = False
    relearns: ClassVar[tuple[str, ...]] = ()
    inherits: ClassVar[tuple[str, ...]] = ()
    carried: Any = None  # what flows from one batch into the next, as nested tuples of tensors
    teacher: Any = None  # what gives the objective in place of the task, while a network is distilled

    # What is read, and how it is divided

    def source_options(self) -> dict[str, Any]:
        """Settings of this task that the source needs."""
        return {}

    def gathered(self, examples: Iterable[E]) -> list[E]:
        """What is kept of the examples as they are read, one after another; a task may keep less of each than it is given."""
        return list(examples)

    @abstractmethod
    def split(self, parts: dict[str, list[E]], seed: int) -> Split:
        """Divides what was read, {"all": ...} or {"train": ..., "test": ...}, into three splits by the task's stated rule."""

    @abstractmethod
    def found(self, split: Split, sources: dict[str, Source]) -> list[tuple[str, str]]:
        """What was found in the data, as (heading, sentence) for the block printed before training."""

    def count(self, examples: Sequence[E]) -> str:
        """How much a split holds, in words."""
        return f"{len(examples):,}"

    # What is learned from the training split, and saved with the run

    @abstractmethod
    def fit(self, examples: Sequence[E]) -> None:
        """Learns vocabulary, classes, scale from the training split only."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What `fit` learned, as JSON."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""

    @abstractmethod
    def sizes(self) -> dict[str, Any]:
        """What a model's constructor may ask for: a value for each of `inputs` and `outputs`."""

    def furnish(self, model: nn.Module) -> None:
        """Gives a model that was just built what this task learns beside it, as parameters. By default nothing."""

    def take_over(self, other: Any) -> bool:
        """After `fit`: takes from the task of a run whose weights are begun with what those weights rely on; whether the answers
        are the same. Raises UsageError where weights say nothing without what was learned beside them, and for settings that contradict
        it."""
        if not self.relearns:
            raise UsageError("no run of this task can begin with another", remedy="leave out from=")
        for name in self.inherits:
            if getattr(self, name) != getattr(other, name):
                has = shown(str(getattr(other, name)))
                raise UsageError(
                    f"the run that from= names has {name}={has}, which its weights rely on", remedy=f"leave out {name}="
                )
        if getattr(self, "vectors", None):
            raise UsageError(
                "vectors= and from= both say what the embedding begins from", remedy="leave out one of them"
            )
        mine, theirs = self.state(), other.state()
        self.restore({**theirs, **{part: mine[part] for part in self.relearns}})
        return bool(mine[self.relearns[0]] == theirs[self.relearns[0]])

    def join(self, name: str, task: Any, model: nn.Module) -> None:
        """Takes in the run that the setting `name` names, one of `companions`. Raises UsageError where it does not suit."""
        raise UsageError(f"{name} can be no run here")

    # Batches, the objective, the metrics

    @abstractmethod
    def collate(self, examples: Sequence[E]) -> B:
        """Examples -> one batch of tensors with a leading axis of examples, in the smallest type that holds them."""

    def batches(self, data: B, batch_size: int, *, seed: int = 0, epoch: int | None = None) -> Iterator[B]:
        """One pass over `data` (a batch of everything, on the device): shuffled for an `epoch`, in order without."""
        indices = None if epoch is None else batching.order(len(data[0]), seed, epoch)
        return batching.batches(data, batch_size, indices)

    def steps(self, data: B, batch_size: int) -> int:
        """The number of batches in one pass of training."""
        return math.ceil(len(data[0]) / batch_size)

    @abstractmethod
    def objective(self, model: nn.Module, batch: B) -> Mean:
        """What is minimised, as a sum and the count it is summed over."""

    @property
    def apart(self) -> int:
        """How many neighbouring examples of a split share what they are measured on, as windows of a series do that overlap."""
        return 1

    @property
    @abstractmethod
    def reported(self) -> dict[str, Metric]:
        """The metrics by name, the first being the most important."""

    @abstractmethod
    def metrics(self, model: nn.Module, batch: B) -> dict[str, Mean]:
        """Each of `reported` over one batch, with one entry per example."""

    def update(self, model: nn.Module, batch: B, descend: Any) -> Mean:
        """One step of learning. Tasks whose learning is not one objective override this."""
        mean = self.objective(model, batch) if self.teacher is None else self.teacher(self, model, batch)
        descend(mean)
        return mean

    def parts(self, model: nn.Module, batch: B, pieces: int) -> Iterator[B]:
        """The batch in at most `pieces` micro-batches whose objectives add up to the batch's own."""
        split = zip(*(tensor.chunk(pieces) for tensor in batch), strict=True)
        return (type(batch)(*tensors) for tensors in split)

    def share(self, batch: B, rank: int, size: int) -> B:
        """The rows of process `rank` of `size`, whose objectives add up to the batch's own; none where there are too few."""
        split = zip(*(tensor.tensor_split(size) for tensor in batch), strict=True)
        return type(batch)(*list(split)[rank])

    def carried_axis(self, model: nn.Module) -> int:
        """The axis of the tensors in `carried` along which the rows of a batch lie."""
        return int(getattr(model, "state_axis", 0))

    def begin(self, model: nn.Module) -> str | None:
        """Gives a new model what it starts from besides random numbers, such as pretrained vectors, and says what. By default
        nothing. A run that is resumed or loaded takes its weights from there."""
        return None

    def calibrate(self, model: nn.Module, valid: B) -> None:
        """Learns, once the weights are chosen, what the validation split says of the model's certainty. By default nothing."""

    def fitting(self, data: B) -> tuple[Tensor, ...]:
        """What a model that brings its own `fit` is given: inputs and targets of the whole training split."""
        return tuple(data)

    def export(self, model: nn.Module, folder: Path) -> list[tuple[str, str]]:
        """Writes what other programs read of the trained model into the run, and says so, as (heading, sentence). By default nothing."""
        return []

    # For people

    @abstractmethod
    def read(self, raw: Any) -> E:
        """One raw thing to predict from (a path, an array, a text) as an example. Raises DataError."""

    @abstractmethod
    def answer(self, model: nn.Module, example: E) -> dict[str, Any]:
        """The answer for one example, decoded for a person, as JSON."""

    def answers(self, model: nn.Module, examples: Sequence[E], **options: Any) -> list[dict[str, Any]]:
        """What `answer` says of each of several examples. A task whose examples fit into one batch overrides this loop."""
        return [self.answer(model, example, **options) for example in examples]

    @abstractmethod
    def say(self, answer: dict[str, Any]) -> str:
        """An answer as a line or a paragraph for the terminal."""

    @abstractmethod
    def pictures(self, model: nn.Module, split: Split, data: dict[str, B]) -> list[Picture]:
        """What was learned, drawn for the report."""


def to_device(rows: B, device: torch.device) -> B:
    """The batch with every tensor on `device`."""
    return type(rows)(*(tensor.to(device) for tensor in rows))
