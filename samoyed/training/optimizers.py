"""torch's optimizers, without its compiler.

The methods of torch.optim.Optimizer are wrapped for torch.compile, and the first call of any of them imports the compiler: seconds of
work at the start of every training, most of which compile nothing. These classes have the same methods unwrapped.
"""

import inspect
from typing import TypeVar

import torch

T = TypeVar("T", bound=torch.optim.Optimizer)


def _bare(kind: type[T]) -> type[T]:
    """`kind` with the functions themselves as its methods."""
    step = inspect.unwrap(kind.step)
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in _WRAPPED}
    return type(
        kind.__name__, (kind,), {**methods, "step": torch.no_grad()(step), "__doc__": f"torch.optim.{kind.__name__}."}
    )


_WRAPPED = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")

SGD, Adam, AdamW = _bare(torch.optim.SGD), _bare(torch.optim.Adam), _bare(torch.optim.AdamW)
