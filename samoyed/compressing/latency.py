"""How long networks take, measured in turns, each going first in every other round, so that whatever else the machine does meets all alike.

A scheduler hands out slices of a few milliseconds, and a round that takes as long has the same network stopped each time: hence
the change of order, and the lower quartile instead of the median.
"""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from samoyed.tasks import Task

_BUDGET = 1.0  # seconds for all of them
_FEWEST, _MOST = 5, 100


def latencies(task: Task[Any, Any], models: Sequence[nn.Module], batch: Any) -> list[float]:
    """The lower quartile of the milliseconds that each of the models takes to measure `batch`."""
    spent: list[list[float]] = [[] for _ in models]
    carried = task.carried
    with torch.inference_mode():
        began = time.perf_counter()
        while len(spent[0]) < _FEWEST or (len(spent[0]) < _MOST and time.perf_counter() - began < _BUDGET):
            turns = list(zip(models, spent, strict=True))
            for model, times in turns if len(spent[0]) % 2 else turns[::-1]:
                model.eval()
                at = time.perf_counter()
                task.metrics(model, batch)
                if task.device.type == "cuda":
                    torch.cuda.synchronize(task.device)
                times.append(1000 * (time.perf_counter() - at))
    task.carried = carried
    return [float(np.quantile(times, 0.25)) for times in spent]
