"""A state that flows from one batch into the next: nested tuples of tensors, the rows of the batch along one axis of each."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from samoyed.tasks import Task

Rows = TypeVar("Rows", bound=tuple[Tensor, ...])


def along(state: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The state with every tensor of it changed."""
    if isinstance(state, Tensor):
        return change(state)
    return None if state is None else tuple(along(part, change) for part in state)


def joined(states: list[Any], axis: int) -> Any:
    """One state from those of several parts of a batch."""
    if isinstance(states[0], Tensor):
        return torch.cat(states, axis)
    return None if states[0] is None else tuple(joined(list(parts), axis) for parts in zip(*states, strict=True))


def in_parts(task: Task[Any, Any], model: nn.Module, batch: Rows, fresh: Tensor, pieces: int) -> Iterator[Rows]:
    """Micro-batches of some rows each, every one with the state that those rows carry; `fresh` [B] says whether they carry none."""
    axis = task.carried_axis(model)
    whole, carried = None if bool(fresh[0]) else task.carried, []
    for rows in torch.arange(len(batch[0]), device=batch[0].device).chunk(pieces):
        task.carried = along(whole, partial(torch.index_select, dim=axis, index=rows))
        yield type(batch)(*(tensor[rows] for tensor in batch))
        carried.append(task.carried)
    task.carried = joined(carried, axis)
