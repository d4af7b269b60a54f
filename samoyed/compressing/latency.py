"""How long networks take for one example, measured in turns, so that whatever else the machine does meets all of them alike."""

import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from samoyed.tasks import Task

_BUDGET = 1.0  # seconds for all of them
_FEWEST, _MOST = 5, 100


def latencies(task: Task[Any, Any], models: Sequence[nn.Module], batch: Any) -> list[float]:
    """The median milliseconds that each of the models takes to measure `batch`, one example."""
    spent: list[list[float]] = [[] for _ in models]
    carried = task.carried
    with torch.inference_mode():
        began = time.perf_counter()
        while len(spent[0]) < _FEWEST or (len(spent[0]) < _MOST and time.perf_counter() - began < _BUDGET):
            for model, times in zip(models, spent, strict=True):
                model.eval()
                at = time.perf_counter()
                task.metrics(model, batch)
                if task.device.type == "cuda":
                    torch.cuda.synchronize(task.device)
                times.append(1000 * (time.perf_counter() - at))
    task.carried = carried
    return [statistics.median(times) for times in spent]
