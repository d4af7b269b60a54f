"""A recurrent layer over whole sequences with int8 matrices, by the kernels: only forward.

Legend: B batch, I input, H hidden, G gates per unit, N rows (valid steps of all sequences), T steps.
"""

import ctypes
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from samoyed.layers.recurrence.calls import KINDS, biases, in_pieces, loaded, pointer, room
from samoyed.layers.recurrence.cells import Cell, State, Weights
from samoyed.layers.recurrence.library import Call, available
from samoyed.layers.recurrence.reference import scan
from samoyed.layers.recurrence.whole import Whole, room_of

_SMALL = 2**20  # multiplications that are not worth a second thread


def in_int8(weights: Weights, whole: dict[str, Whole], suffix: str) -> Weights:
    """The parameters of a layer and direction with their matrices in int8, `whole` by the parameters' names."""
    matrices: Any = {name: whole[name + suffix] for name in ("weight_ih", "weight_hh")}
    return weights._replace(**matrices)


def runner(cell: Cell, engine: str, sizes: Sequence[int], first: Tensor) -> Any:
    """What takes a cell through time: the kernels, or the cell's own equations step by step."""
    kernel = None if getattr(cell, "layer_norm", False) else cell.kernel
    if kernel is None or engine == "reference" or not available("cpu"):
        return partial(scan, cell, sizes=sizes)
    return partial(forward, first=first, cell=kernel)


def forward(x: Tensor, weights: Weights, state: State, first: Tensor, cell: str, reverse: bool) -> tuple[Tensor, State]:
    """x [N, I], rows ordered by time as in torch's PackedSequence, the state at the start, each part [B, H], first int64 [T + 1]
    the first row of each step -> (y [N, H], the state at the end). x, h and, of a GRU that resets before its product, r h are
    rounded row by row."""
    ih: Any = weights.weight_ih
    hh: Any = weights.weight_hh
    hidden, places, kernels = hh.numbers.shape[1], first.tolist(), loaded()
    bias, bias_candidate = biases(cell, hidden, weights.bias_ih, weights.bias_hh)
    y, h = room(x, x.shape[0], hidden), state[0].clone(memory_format=torch.contiguous_format)
    c = state[1].clone(memory_format=torch.contiguous_format) if len(state) > 1 else x.new_empty(0)
    packed = hh.packed(2 * hidden if cell.startswith("gru") else 0)
    rounded = torch.empty(len(h) * room_of(hidden), dtype=torch.uint8)
    threads = 1 if len(x) * hh.numbers.numel() < _SMALL else min(torch.get_num_threads(), len(h))
    call = Call(cell=KINDS.index(cell), hidden=hidden, steps=len(first) - 1, reverse=reverse, threads=threads)
    call.first, call.h, call.c = first.data_ptr(), h.data_ptr(), c.data_ptr()
    call.whole, call.scales, call.rounded = packed.data_ptr(), hh.scales.data_ptr(), rounded.data_ptr()
    peephole = None if weights.weight_peephole is None else weights.weight_peephole.contiguous()
    call.peephole, call.bias = pointer(peephole), pointer(bias_candidate)
    for call.begin, call.end in in_pieces(places, backward=reverse):
        start, stop = places[call.begin], places[call.end]
        gates = ih.product(x[start:stop], bias)
        extra = x.new_empty(0 if cell.startswith("rnn") else stop - start, hidden)
        call.gates, call.extra, call.y = gates.data_ptr(), extra.data_ptr(), y[start:stop].data_ptr()
        kernels.samoyed_forward(ctypes.byref(call))
    return y, (h, c) if len(state) > 1 else (h,)
