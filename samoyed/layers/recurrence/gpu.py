"""The cells that cuDNN lacks, on GPUs: the operators of kernel.py for CUDA, by Triton.

W x is one product for all steps. A step then is one product with U and one launch that does the rest of the cell; backward the
same, after which the gradients of the parameters are one product each. torch.nn's own cells are left to cuDNN.

Legend: B batch, H hidden, G gates per unit, N rows (valid steps of all sequences), n rows of a step.
"""

from collections.abc import Iterator
from functools import cache, wraps
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

_FORGET = {"lstm": "gate", "lstm_no_forget": "none", "lstm_coupled": "coupled"}
Places = list[int]  # the first row of each step, and the end of the last


@cache
def available() -> bool:
    """Whether Triton is there, as it is beside PyTorch for GPUs."""
    from importlib.util import find_spec

    return find_spec("triton") is not None


def forward(
    x: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None, bias_hh: Tensor | None,
    peephole: Tensor | None, h0: Tensor, c0: Tensor | None, first: Tensor, cell: str, reverse: bool, keep: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """As samoyed::recurrence. gates are kept after their nonlinearities; extra is c of every row, or r * h of a GRU."""
    from samoyed.layers.recurrence import triton_cells as cells

    places: Places = first.tolist()
    hidden, none = weight_hh.shape[1], x.new_empty(0)
    gates = x @ weight_ih.t()
    for bias in (bias_ih, bias_hh):
        gates = gates if bias is None else gates.add_(bias)
    y, extra = x.new_empty(len(x), hidden), x.new_empty(len(x), hidden)
    h, c = (
        h0.clone(memory_format=torch.contiguous_format),
        none if c0 is None else c0.clone(memory_format=torch.contiguous_format),
    )
    peephole = None if peephole is None else peephole.contiguous()
    for begin, end in _steps(places, reverse):
        a, size = gates[begin:end], end - begin
        if cell == "gru_before":
            a[:, : 2 * hidden] += h[:size] @ weight_hh[: 2 * hidden].t()
            cells.gru_gates(a, h, extra[begin:end])
            a[:, 2 * hidden :] += extra[begin:end] @ weight_hh[2 * hidden :].t()
            cells.gru_forward(a, h, y[begin:end])
        else:
            a.addmm_(h[:size], weight_hh.t())
            cells.lstm_forward(a, c, h, extra[begin:end], y[begin:end], peephole, _FORGET[cell])
    return y, h, c, gates if keep else none, extra if keep else none.clone()


def backward(
    dy: Tensor | None, dh: Tensor | None, dc: Tensor | None, x: Tensor, weight_ih: Tensor, weight_hh: Tensor,
    peephole: Tensor | None, h0: Tensor, c0: Tensor | None, y: Tensor, gates: Tensor, extra: Tensor, first: Tensor,
    cell: str, reverse: bool, need_x: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """As samoyed::recurrence_backward."""
    from samoyed.layers.recurrence import triton_cells as cells

    places: Places = first.tolist()
    hidden, none = weight_hh.shape[1], x.new_empty(0)
    dh = torch.zeros_like(h0) if dh is None else dh.clone(memory_format=torch.contiguous_format)
    if c0 is not None:
        dc = torch.zeros_like(c0) if dc is None else dc.clone(memory_format=torch.contiguous_format)
    peephole = None if peephole is None else peephole.contiguous()
    d = torch.empty_like(gates)
    h_before = _before(y, h0, places, reverse)
    c_before = none if c0 is None else _before(extra, c0, places, reverse)
    for begin, end in _steps(places, not reverse):
        da, a, size = d[begin:end], gates[begin:end], end - begin
        total = dh[:size] if dy is None else dh[:size] + dy[begin:end]
        if cell == "gru_before":
            cells.gru_backward(total, a, h_before[begin:end], da)
            reset = da[:, 2 * hidden :] @ weight_hh[2 * hidden :]
            cells.gru_gates_backward(total, reset, a, h_before[begin:end], da)
            dh[:size] = torch.addmm(total, da[:, : 2 * hidden], weight_hh[: 2 * hidden])
        else:
            assert dc is not None
            cells.lstm_backward(
                total, dc, a, c_before[begin:end], extra[begin:end], peephole, da, _FORGET[cell]
            )  # fmt: skip
            torch.mm(da, weight_hh, out=dh[:size])
    if cell == "gru_before":
        cut = 2 * hidden
        d_hh = torch.cat([d[:, :cut].t() @ h_before, d[:, cut:].t() @ extra])
    else:
        d_hh = d.t() @ h_before
    bias = d.sum(0)
    d_peephole = none.clone()
    if peephole is not None:  # the last is of the output gate, which sees c as it is after the step
        parts = d.view(len(d), -1, hidden)
        seen = [(parts[:, k] * c_before).sum(0) for k in range(len(peephole) - 1)]
        d_peephole = torch.stack([*seen, (parts[:, -1] * extra).sum(0)])
    dx = d @ weight_ih if need_x else none.clone()
    after = none.clone() if dc is None else dc
    return dx, d.t() @ x, d_hh, bias, bias.clone(), d_peephole, dh, after


def _steps(places: Places, backwards: bool) -> Iterator[tuple[int, int]]:
    pairs = list(pairwise(places))
    return reversed(pairs) if backwards else iter(pairs)


def _before(after: Tensor, start: Tensor, places: Places, reverse: bool) -> Tensor:
    """The state that each row began with [N, H], from the state that each ended with [N, H] and the start's [B, H]."""
    found = torch.empty_like(after)
    previous: tuple[int, int] | None = None
    for begin, end in _steps(places, reverse):
        alive = 0 if previous is None else min(previous[1] - previous[0], end - begin)
        if previous is not None:
            found[begin : begin + alive] = after[previous[0] : previous[0] + alive]
        found[begin + alive : end] = start[alive : end - begin]
        previous = (begin, end)
    return found


def register(forward_operator: Any, backward_operator: Any) -> None:
    """Gives the operators these as what they do on CUDA, in float32 under autocast too."""
    for operator, run in ((forward_operator, forward), (backward_operator, backward)):
        torch.library.impl(operator.name(), "cuda", _plainly(run))


def _plainly(run: Any) -> Any:
    @wraps(run)
    def on_cuda(*given: Any) -> Any:
        with torch.autocast("cuda", enabled=False):
            return run(*given)

    return on_cuda
