"""What is exported of a run."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn


class Graph(NamedTuple):
    """A module, example inputs of two rows, names, which axes of the inputs vary, facts for the description, and what the run itself
    makes of inputs, by the task's own code."""

    module: nn.Module
    inputs: tuple[Tensor, ...]
    names: tuple[tuple[str, ...], tuple[str, ...]]
    axes: dict[str, dict[int, str]]
    facts: dict[str, Any]
    reference: Callable[[list[Tensor]], list[Tensor]]
