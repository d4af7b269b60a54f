"""Training a forecaster on windows of a series, or on the series as a stream with the state carried along it."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from samoyed import batching
from samoyed.errors import UsageError
from samoyed.examples import Series
from samoyed.objectives import Mean, full, squared_error
from samoyed.tasks import Task
from samoyed.tasks._carried import along, in_parts
from samoyed.tasks._windows import Windows, steps_of


class Chunk(NamedTuple):
    """Some steps of several stretches of one series: seen float32 [B, T, F], the columns as differences from the step before;
    ahead float32 [B, T, horizon], as differences from the step; fresh bool [B]: whether no state is carried into the row."""

    seen: Tensor
    ahead: Tensor
    fresh: Tensor


class Stretches(Task[Series, Windows]):
    """What forecasting trains on: windows in any order, or stretches of the series, one after another, with the state carried."""

    carry: bool | None
    streams = False  # what `carry` comes to with the model at hand
    columns: list[str]
    steps_back: int

    @abstractmethod
    def forecast(self, model: nn.Module, past: Tensor) -> Tensor:
        """past [B, T, F] -> future [B, horizon], both scaled."""

    def begin(self, model: nn.Module) -> str | None:
        stateful = hasattr(model, "state_axis")
        if self.carry and not stateful:
            raise UsageError("this model has no state", remedy="use model=rnn, lstm or gru, or leave out carry=")
        if self.carry and self.steps_back < 2:
            raise UsageError("differences take two steps", remedy="set context=2 or more, or leave out carry=")
        self.streams = stateful and self.steps_back > 1 and self.carry is not False
        return None

    def batches(self, data: Any, batch_size: int, *, seed: int = 0, epoch: int | None = None) -> Iterator[Any]:
        if epoch is None or not self.streams:
            return super().batches(data, batch_size, seed=seed, epoch=epoch)
        return chunks(data, len(self.columns), batch_size, self.steps_back, seed, epoch)

    def steps(self, data: Windows, batch_size: int) -> int:
        return passes(len(data[0]), batch_size, self.steps_back) if self.streams else super().steps(data, batch_size)

    def parts(self, model: nn.Module, batch: Any, pieces: int) -> Iterator[Any]:
        if isinstance(batch, Chunk):
            return in_parts(self, model, batch, batch.fresh, pieces)
        return super().parts(model, batch, pieces)

    def objective(self, model: nn.Module, batch: Windows | Chunk) -> Mean:
        if isinstance(batch, Windows):
            return squared_error(self.forecast(model, batch.past), batch.future)
        ahead, state = model(batch.seen, None if bool(batch.fresh[0]) else self.carried, every=True)
        self.carried = along(state, Tensor.detach)
        return squared_error(full(ahead), batch.ahead)


def chunks(data: Windows, columns: int, batch_size: int, length: int, seed: int, epoch: int) -> Iterator[Chunk]:
    """One pass over consecutive windows as parallel stretches of the series, `length` steps of each at a time.

    Step n ends where the past of window n does, so that nothing is forecast with less behind it than a window has. Each epoch
    begins elsewhere, so that the cuts move.
    """
    count, device = len(data.past), data.past.device
    rows = batching.rows_of(count, batch_size, length)
    most = max(1, min(length, count // 4) - rows + 1)
    first = int(torch.randint(most, (), generator=batching.generator(seed, epoch)))
    for places, fresh in batching.streams(torch.arange(first, count + 1, device=device), rows, length, rest=False):
        at = places[:, :-1]
        seen = steps_of(data.past[:, -2:][at.flatten()], columns).view(*at.shape, -1)
        ahead = data.future[at] - data.past[:, -1, :1][at]
        yield Chunk(seen, ahead, torch.full((len(at),), fresh, device=device))


def passes(count: int, batch_size: int, length: int) -> int:
    """The number of chunks in a pass over so many windows."""
    rows = batching.rows_of(count, batch_size, length)
    return -(-(count // rows) // length)
