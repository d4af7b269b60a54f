"""A task small enough to be reckoned by hand: y from x in float64, squared error, and a watcher that keeps what it saw."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from samoyed.objectives import Mean
from samoyed.tasks import Metric, Task


class Rows(NamedTuple):
    """x [B, 3], y [B], number int64 [B]: which row it is."""

    x: Tensor
    y: Tensor
    number: Tensor


class Fit(Task[Any, Rows]):
    """Squared error of a model's first output. `seen` holds the rows of each update, `modes` what the model was in."""

    watch = "loss"

    def __init__(self) -> None:
        self.seen: list[list[int]] = []
        self.modes: list[tuple[str, bool]] = []

    def objective(self, model: nn.Module, batch: Rows) -> Mean:
        self.seen.append(batch.number.tolist())
        self.modes.append(("objective", model.training))
        return Mean((model(batch.x)[:, 0] - batch.y).square().sum(), torch.tensor(float(len(batch.y))))

    @property
    def reported(self) -> dict[str, Metric]:
        return {"loss": Metric("squares")}

    def metrics(self, model: nn.Module, batch: Rows) -> dict[str, Mean]:
        self.modes.append(("metrics", model.training))
        return {"loss": Mean.of((model(batch.x)[:, 0] - batch.y).square())}

    def split(self, *given: Any) -> Any: ...
    def found(self, *given: Any) -> Any: ...
    def fit(self, examples: Any) -> None: ...
    def state(self) -> Any: ...
    def restore(self, state: Any) -> None: ...
    def sizes(self) -> Any: ...
    def collate(self, examples: Any) -> Any: ...
    def read(self, raw: Any) -> Any: ...
    def answer(self, model: Any, example: Any) -> Any: ...
    def say(self, answer: Any) -> Any: ...
    def pictures(self, *given: Any) -> Any: ...


class Watching:
    """Keeps the weights after every step and epoch; asks to stop after `stop` steps, if given."""

    def __init__(self, model: nn.Module, stop: int | None = None) -> None:
        self.model, self.stop = model, stop
        self.weights = [self._copy()]
        self.at_epochs: list[dict[str, Tensor]] = []
        self.said: list[tuple[int, int, int]] = []
        self.warned: list[str] = []

    def stepped(self, epoch: int, done: int, of: int, loss: float) -> None:
        self.weights.append(self._copy())
        self.said.append((epoch, done, of))

    def passed(self, epoch: Any, left: float) -> None:
        self.at_epochs.append(self._copy())

    def stopping(self) -> bool:
        return self.stop is not None and len(self.weights) > self.stop

    def due(self, epoch: bool = False) -> bool:
        return False

    def save(self, snapshot: Any) -> None: ...

    def warn(self, text: str) -> None:
        self.warned.append(text)

    def _copy(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}


@pytest.fixture
def fit() -> Fit:
    return Fit()


@pytest.fixture
def watching() -> type[Watching]:
    return Watching


@pytest.fixture
def rows() -> Callable[..., Rows]:
    """rows(count, seed=0): a noisy line in three dimensions."""

    def make(count: int, seed: int = 0) -> Rows:
        draw = torch.Generator().manual_seed(seed)
        x = torch.randn(count, 3, generator=draw, dtype=torch.float64)
        noise = torch.randn(count, generator=draw, dtype=torch.float64)
        return Rows(x, x @ torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64) + 0.1 * noise, torch.arange(count))

    return make


@pytest.fixture
def network() -> Callable[..., nn.Module]:
    """network(hidden=0, dropout=0.0): the same small model in float64 each time; a line if it has no hidden units."""

    def make(hidden: int = 0, dropout: float = 0.0) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            if not hidden:
                return nn.Linear(3, 1).double()
            return nn.Sequential(nn.Linear(3, hidden), nn.Tanh(), nn.Dropout(dropout), nn.Linear(hidden, 1)).double()

    return make


@pytest.fixture
def same() -> Callable[[dict[str, Tensor], dict[str, Tensor]], bool]:
    """Whether two sets of weights are equal bit for bit."""
    return lambda a, b: a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
