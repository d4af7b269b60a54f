"""Functions as operators of torch, which it differentiates, compiles and exports.

As torch.library.custom_op does it, but for one thing: the first call of an operator so made imports torch's compiler, seconds of work that
a program which compiles nothing need not wait for.
"""

from collections.abc import Callable
from typing import Any

import torch


def operator(name: str, run: Callable[..., Any]) -> Any:
    """The operator samoyed::`name`, whose schema is read off `run`, which returns new tensors and changes none that it is given."""
    whole = f"samoyed::{name}"
    torch.library.define(whole, torch.library.infer_schema(run, mutates_args=()), tags=torch.Tag.pt2_compliant_tag)
    torch.library.impl(whole, "default", run)
    return getattr(torch.ops.samoyed, name).default
