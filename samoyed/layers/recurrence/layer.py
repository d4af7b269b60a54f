"""One layer in one direction by the kernels, whatever its cell."""

from typing import Any

import torch
from torch import Tensor

from samoyed.layers.recurrence import kernel, normed
from samoyed.layers.recurrence.cells import Cell, LSTMCell, State, Weights


def by_kernel(
    cell: Cell, first: Tensor, x: Tensor, weights: Weights, state: State, reverse: bool
) -> tuple[Tensor, State]:
    """x [N, I], rows ordered by time; first int64 [T + 1], the first row of each step; the state at the start, each part [B, H]
    -> (h of every row [N, H], state at the end of each sequence), in the type of x, computed in float32."""
    kind = x.dtype
    x, *state_ = (t.float() for t in (x, *state))
    used = Weights(*(None if t is None else t.float() for t in weights))  # type: ignore[arg-type]
    given: tuple[Any, ...] = tuple(t for t in (x, *used, *state_) if t is not None)
    keep = torch.is_grad_enabled() and any(t.requires_grad for t in given)
    h0, c0 = state_[0], state_[1] if len(state_) > 1 else None
    # an operator, where it is differentiated or compiled; its first call imports torch's compiler, seconds that a mere answer need not wait
    bare = not torch.compiler.is_compiling() and torch.is_inference_mode_enabled() and x.is_cpu
    y: Tensor
    if isinstance(cell, LSTMCell) and cell.layer_norm:
        with torch.autocast(x.device.type, enabled=False):
            a = cell.project(x, used)
        own = (used.weight_hh, used.bias_hh, used.weight_norm_hh, used.weight_norm_c, used.bias_norm_c)
        run: Any = normed.forward if bare else normed.normed_recurrence
        y, h, c, *_ = run(a, *own, used.weight_peephole, h0, c0, first, cell.kernel, reverse, keep)
    else:
        run = kernel.forward if bare else kernel.recurrence
        y, h, c, *_ = run(x, *used[:4], used.weight_peephole, h0, c0, first, cell.kernel, reverse, keep)
    ends = (h,) if c0 is None else (h, c)
    return y.to(kind), tuple(part.to(kind) for part in ends)
