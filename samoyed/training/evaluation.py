"""Measuring a model on a split, with intervals. A metric is pooled from sums and counts, exactly, whatever the batches were."""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from samoyed.tasks import Metric, Task
from samoyed.training.world import ALONE, World

OVERFLOWN = 1.7976931348623157e308  # what stands for a figure that is infinite
_RESAMPLES = 1000
_WORK = 10**8  # numbers that the resamples of a figure of all rows go through, where they would be more than 200
_Z = 1.959963984540054  # the normal quantile of 97.5 %


class Result(NamedTuple):
    """One reported figure: the value and its 95 % interval in `unit`, and the number of examples it is over."""

    value: float
    low: float
    high: float
    unit: str
    better: str
    count: int  # type: ignore[assignment]

    def bare(self) -> str:
        """The value and its interval without the unit."""
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"


def evaluate(
    task: Task[Any, Any],
    model: nn.Module,
    data: Any,
    batch_size: int = 256,
    intervals: bool = True,
    world: World = ALONE,
) -> dict[str, Result]:
    """Every metric of the task over all of `data`, in evaluation mode and without gradients.

    Without `intervals` they are left at the value, which spares their cost while training. The processes of a world divide each
    batch, and all of them have all results.
    """
    entries = entries_of(task, model, data, batch_size, world)
    return {name: pool(entries[name], metric, intervals) for name, metric in task.reported.items()}


def entries_of(
    task: Task[Any, Any], model: nn.Module, data: Any, batch_size: int = 256, world: World = ALONE
) -> dict[str, NDArray[np.float64]]:
    """What each metric is pooled from: totals and counts per example, [2, N] or [2, N, K], in the order of `data`."""
    entries: dict[str, list[NDArray[np.float64]]] = {}
    training, carried, weight = model.training, task.carried, world.weight
    model.eval()
    with torch.no_grad():
        for batch in task.batches(data, batch_size):
            for name, mean in task.metrics(model, world.share(task, batch)).items():
                pair = torch.stack([_by_example(mean.total), _by_example(mean.count)])
                entries.setdefault(name, []).append((pair if world.weight else pair[:, :0]).cpu().numpy())
    model.train(training)
    task.carried, world.weight = carried, weight  # a training that is stopped within an epoch goes on with its own
    if world.size > 1:
        entries = {name: in_order(parts, world) for name, parts in entries.items()}
    return {name: np.concatenate(parts, axis=1) for name, parts in entries.items()}


def in_order(parts: list[NDArray[np.float64]], world: World) -> list[NDArray[np.float64]]:
    """This process's entries [2, n] of each batch -> those of all processes, in the order of batches and then of processes."""
    lengths = world.rows(torch.tensor([[part.shape[1] for part in parts]]))  # [processes, batches]
    values = world.rows(torch.from_numpy(np.concatenate(parts, axis=1)), axis=1).numpy()
    ends = np.cumsum(lengths.flatten().numpy())[:-1]
    pieces = np.split(values, ends, axis=1)
    return [pieces[rank * len(parts) + i] for i in range(len(parts)) for rank in range(world.size)]


def rank_of(results: dict[str, Result], watch: str) -> tuple[float, ...]:
    """What the best epoch has least of: the watched metric, and where that ties, as on few examples, the loss."""
    kept = [results[name] for name in (watch, "loss") if name in results]
    return tuple(r.value if r.better == "lower" else -r.value for r in kept)


def _by_example(part: torch.Tensor) -> torch.Tensor:
    """One entry per example [B], or one for each of K things per example [B, K]; a scalar is the entry of one."""
    return (part if part.dim() == 2 else part.reshape(-1)).double()


def pool(entries: NDArray[np.float64], metric: Metric, interval: bool = True) -> Result:
    """entries [2, N], totals and counts per example -> the pooled figure; or [2, N, K], of which the figure is the mean of K
    pooled ones, such as the errors of K classes. One of the K that counts nothing is left out.

    The interval of a share of things right or wrong is Wilson's (1927); of anything else, the bootstrap percentile over examples
    with 1,000 resamples and a fixed seed (Efron 1979), or the normal interval of a ratio above 20,000 examples. Neighbouring
    examples of a text or series depend on each other, so that there the interval is a lower bound on the doubt.
    """
    with np.errstate(all="ignore"):
        if metric.whole is not None:
            return _pool_whole(entries, metric, interval)
        return (_pool if metric.pooled is None else _pool_statistics)(entries, metric, interval)


def _pool_statistics(entries: NDArray[np.float64], metric: Metric, interval: bool) -> Result:
    """A figure of the sums of statistics [N, K], which are the totals; the interval is the bootstrap percentile."""
    assert metric.pooled is not None
    rows = entries[0].reshape(entries.shape[1], -1)
    value = low = high = metric.pooled(rows.sum(axis=0))
    if interval and len(rows) > 1:
        draws = np.random.default_rng(0).multinomial(len(rows), [1 / len(rows)] * len(rows), _RESAMPLES)
        low, high = np.quantile([metric.pooled(sums) for sums in draws @ rows], (0.025, 0.975))
    value, low, high = (_finite(float(figure)) for figure in (value, min(low, value), max(high, value)))
    return Result(value, low, high, metric.unit, metric.better, len(rows))


def _pool_whole(entries: NDArray[np.float64], metric: Metric, interval: bool) -> Result:
    """A figure of all rows [N, K] at once, which are the totals; the interval is the bootstrap percentile."""
    assert metric.whole is not None
    rows = entries[0].reshape(entries.shape[1], -1)
    figure = metric.whole(rows)
    value = low = high = figure(np.ones(len(rows)))
    if interval and len(rows) > 1:
        resamples = max(200, min(_RESAMPLES, _WORK // rows.size))
        draws = np.random.default_rng(0).multinomial(len(rows), [1 / len(rows)] * len(rows), resamples)
        low, high = np.quantile([figure(draw.astype(float)) for draw in draws], (0.025, 0.975))
    value, low, high = (_finite(float(found)) for found in (value, min(low, value), max(high, value)))
    return Result(value, low, high, metric.unit, metric.better, len(rows))


def _pool(entries: NDArray[np.float64], metric: Metric, interval: bool) -> Result:
    if entries.ndim == 2:
        entries = entries[..., None]
    _, examples, many = entries.shape
    total, count = entries.sum(axis=1)
    ratio = total / count
    mean = float(np.nanmean(ratio)) if np.isfinite(ratio).any() else math.nan
    if not interval or not np.isfinite(mean):
        low = high = mean
    elif many == 1 and metric.percent and np.isin(entries[0], (0.0, 1.0)).all() and (entries[1] == 1).all():
        low, high = wilson(float(total[0]), float(count[0]))
    elif examples < 2:
        low = high = mean
    elif examples > 20_000:
        shares = np.nan_to_num((entries[0] - ratio * entries[1]) / count) / np.isfinite(ratio).sum()
        spread = _Z * math.sqrt((shares.sum(axis=1) ** 2).sum())
        low, high = mean - spread, mean + spread
    else:
        draws = np.random.default_rng(0).multinomial(examples, [1 / examples] * examples, _RESAMPLES)
        ratios = (draws @ entries[0]) / (draws @ entries[1])
        some = np.isfinite(ratios)  # a resample may hold nothing that counts
        ratios = np.where(some, ratios, 0).sum(axis=1)[some.any(axis=1)] / some.sum(axis=1)[some.any(axis=1)]
        low, high = (float(bound) for bound in np.quantile(ratios, (0.025, 0.975))) if len(ratios) else (mean, mean)
    value, low, high = (_finite(metric.show(float(figure))) for figure in (mean, low, high))
    return Result(value, low, high, metric.unit, metric.better, int(count[0]) if many == 1 else examples)


def _finite(figure: float) -> float:
    """A figure that overflowed as the largest there is, since JSON has no infinity; a mean of nothing that is a number too."""
    return figure if math.isfinite(figure) else math.copysign(OVERFLOWN, figure)


def wilson(successes: float, count: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion (1927).

    >>> [round(x, 4) for x in wilson(0, 100)]
    [0.0, 0.037]
    """
    p, z2 = successes / count, _Z**2
    centre = (p + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z / (1 + z2 / count) * math.sqrt(p * (1 - p) / count + z2 / (4 * count**2))
    return min(p, max(0.0, centre - half)), max(p, min(1.0, centre + half))
