"""The kernels as PyTorch operators: one layer in one direction, forward and backward, with what torch.compile needs to know.

Time is taken in pieces of about `PIECE` rows, so that what the matrix products write is still in the cache when the cells read
it, and backward needs room for the gradients before the nonlinearities of one piece only.

Legend: B batch, I input, H hidden, G gates per unit, N rows (valid steps of all sequences), T steps.
"""

import ctypes
from typing import Any

import torch
from torch import Tensor

from samoyed.layers.recurrence import gpu
from samoyed.layers.recurrence.calls import (
    add,
    biases,
    candidate_first,
    in_pieces,
    loaded,
    pointer,
    prepared,
    room,
    with_previous,
)
from samoyed.layers.recurrence.operators import operator


def forward(
    x: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None,
    bias_hh: Tensor | None,
    peephole: Tensor | None,
    h0: Tensor,
    c0: Tensor | None,
    first: Tensor,
    cell: str,
    reverse: bool,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """x [N, I] -> (y [N, H], h_n [B, H], c_n [B, H] or empty, gates [N, G H] or empty, extra [N, H] or empty).

    Rows are ordered by time, as in torch's PackedSequence; first int64 [T + 1] is the first row of each step, on the CPU. The
    last two are what backward needs, and are empty unless `keep`. Everything else is float32, on the CPU or,
    for the cells that cuDNN lacks, on a GPU.
    """
    rows, hidden, wide = x.shape[0], weight_hh.shape[1], weight_hh.shape[0]
    kernels, places = loaded(), first.tolist()
    call, packed = prepared(cell, weight_hh, first, reverse, backward=False)
    bias, bias_candidate = biases(cell, hidden, bias_ih, bias_hh)
    plain = cell.startswith("rnn")
    pieces = list(in_pieces(places, backward=reverse))
    kept = rows if keep else max(places[end] - places[begin] for begin, end in pieces)
    y, h = room(x, rows, hidden), h0.clone(memory_format=torch.contiguous_format)
    c = x.new_empty(0) if c0 is None else c0.clone(memory_format=torch.contiguous_format)
    gates = x.new_empty(0) if plain else room(x, kept, wide)
    extra = x.new_empty(0) if plain else room(x, kept, hidden)
    peephole = None if peephole is None else peephole.contiguous()
    call.peephole, call.bias, call.h, call.c = pointer(peephole), pointer(bias_candidate), h.data_ptr(), c.data_ptr()
    transposed = weight_ih.t()
    for call.begin, call.end in pieces:
        start, stop = places[call.begin], places[call.end]
        answer = y[start:stop]
        at = start if keep else 0
        projected = answer if plain else gates[at : at + stop - start]
        if bias is None:
            torch.mm(x[start:stop], transposed, out=projected)
        else:
            torch.addmm(bias, x[start:stop], transposed, out=projected)
        call.gates, call.y = projected.data_ptr(), answer.data_ptr()
        call.extra = None if plain else extra[at:].data_ptr()
        kernels.samoyed_forward(ctypes.byref(call))
    del packed
    empty = x.new_empty(0)
    return y, h, c, gates if keep else empty, extra if keep else empty.clone()


recurrence = operator("recurrence", forward)


@torch.library.register_fake(recurrence)  # type: ignore[untyped-decorator]
def _(
    x: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None,
    bias_hh: Tensor | None,
    peephole: Tensor | None,
    h0: Tensor,
    c0: Tensor | None,
    first: Tensor,
    cell: str,
    reverse: bool,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    rows, hidden, wide = x.shape[0], weight_hh.shape[1], weight_hh.shape[0]
    saves = keep and not cell.startswith("rnn")
    return (
        x.new_empty(rows, hidden),
        h0.new_empty(h0.shape),
        x.new_empty(0) if c0 is None else c0.new_empty(c0.shape),
        x.new_empty(rows, wide) if saves else x.new_empty(0),
        x.new_empty(rows, hidden) if saves else x.new_empty(0),
    )


def backward(
    dy: Tensor | None,
    dh: Tensor | None,
    dc: Tensor | None,
    x: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    peephole: Tensor | None,
    h0: Tensor,
    c0: Tensor | None,
    y: Tensor,
    gates: Tensor,
    extra: Tensor,
    first: Tensor,
    cell: str,
    reverse: bool,
    need_x: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients by x (empty unless `need_x`), weight_ih, weight_hh, bias_ih, bias_hh, peephole, h0 and c0 (empty if absent)."""
    hidden, wide = weight_hh.shape[1], weight_hh.shape[0]
    kernels, places = loaded(), first.tolist()
    call, packed = prepared(cell, weight_hh, first, reverse, backward=True)
    pieces = list(in_pieces(places, backward=not reverse))
    longest = max(places[end] - places[begin] for begin, end in pieces)
    peepholes = 0 if peephole is None else peephole.numel()
    width = wide + hidden if cell == "gru_after" else wide

    dy = None if dy is None else dy.contiguous()
    h0, c0 = h0.contiguous(), None if c0 is None else c0.contiguous()
    dh = torch.zeros_like(h0) if dh is None else dh.clone(memory_format=torch.contiguous_format)
    none = x.new_empty(0)
    if dc is None:
        dc = none.clone() if c0 is None else torch.zeros_like(c0)
    else:
        dc = dc.clone(memory_format=torch.contiguous_format)
    peephole = None if peephole is None else peephole.contiguous()
    d = room(x, longest, width)
    sums = x.new_zeros(call.threads, width + peepholes)
    scratch = torch.empty_like(h0)
    call.dy, call.h, call.c, call.h0, call.c0 = map(pointer, (dy, dh, dc, h0, c0))
    call.y, call.gates, call.extra, call.peephole = map(pointer, (y, gates, extra, peephole))
    call.dgates, call.sums, call.scratch = map(pointer, (d, sums, scratch))

    # The kernel writes the gradients of a GRU that resets after the product as n, r, z, n * r: the first three belong to W x,
    # the last three to U h.
    turn = cell == "gru_after"
    into_x = candidate_first(weight_ih, hidden) if turn else weight_ih
    dx = torch.empty_like(x, memory_format=torch.contiguous_format) if need_x else none.clone()
    d_ih, d_hh = torch.empty_like(into_x), weight_hh.new_empty(weight_hh.shape)
    for number, (call.begin, call.end) in enumerate(pieces):
        start, stop = places[call.begin], places[call.end]
        kernels.samoyed_backward(ctypes.byref(call))
        fresh = number == 0
        piece = d[: stop - start]
        by_x, by_h = (piece[:, :wide], piece[:, hidden:]) if turn else (piece, piece)
        if need_x:
            torch.mm(by_x, into_x, out=dx[start:stop])
        add(d_ih, by_x, x[start:stop], fresh)
        if cell == "gru_before":
            add(d_hh[2 * hidden :], by_h[:, 2 * hidden :], extra[start:stop], fresh)
            by_h = by_h[:, : 2 * hidden]
        if not len(piece):
            d_hh.zero_()  # an empty batch
        for some, previous in with_previous(call, places, by_h, y, h0):
            add(d_hh[: some.shape[1]], some, previous, fresh)
            fresh = False
    del packed
    total = sums.sum(0)
    d_peephole = none.clone() if peephole is None else total[width:].clone().view_as(peephole)
    if turn:
        d_ih = torch.cat([d_ih[hidden:], d_ih[:hidden]])
        d_b, d_d = torch.cat([total[hidden:wide], total[:hidden]]), total[hidden:width].clone()
    else:
        d_b, d_d = total[:width].clone(), total[:width].clone()
    return dx, d_ih, d_hh, d_b, d_d, d_peephole, dh, dc


recurrence_backward = operator("recurrence_backward", backward)


@torch.library.register_fake(recurrence_backward)  # type: ignore[untyped-decorator]
def _(
    dy: Tensor | None,
    dh: Tensor | None,
    dc: Tensor | None,
    x: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    peephole: Tensor | None,
    h0: Tensor,
    c0: Tensor | None,
    y: Tensor,
    gates: Tensor,
    extra: Tensor,
    first: Tensor,
    cell: str,
    reverse: bool,
    need_x: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    def like(tensor: Tensor | None) -> Tensor:
        return x.new_empty(0) if tensor is None else tensor.new_empty(tensor.shape)

    bias = x.new_empty(weight_hh.shape[0])
    dx = like(x if need_x else None)
    return dx, like(weight_ih), like(weight_hh), bias, like(bias), like(peephole), like(h0), like(c0)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, weight_ih, weight_hh, bias_ih, _, peephole, h0, c0, first, cell, reverse, keep = inputs
    y, _, c, gates, extra = output
    if not keep:
        raise RuntimeError("samoyed::recurrence keeps nothing for backward; call it with keep=True")
    ctx.save_for_backward(x, weight_ih, weight_hh, peephole, h0, c0, y, gates, extra, first)
    ctx.cell, ctx.reverse, ctx.biased = cell, reverse, bias_ih is not None
    ctx.mark_non_differentiable(gates, extra, *([c] if c0 is None else []))
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, dy: Tensor | None, dh: Tensor | None, dc: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
    x, weight_ih, weight_hh, peephole, h0, c0, y, gates, extra, first = ctx.saved_tensors
    dx, d_ih, d_hh, d_b, d_d, d_p, d_h0, d_c0 = recurrence_backward(
        dy, dh, None if c0 is None else dc, x, weight_ih, weight_hh, peephole, h0, c0, y, gates, extra, first,
        ctx.cell, ctx.reverse, ctx.needs_input_grad[0],
    )  # fmt: skip
    return (
        dx if ctx.needs_input_grad[0] else None,
        d_ih,
        d_hh,
        d_b if ctx.biased else None,
        d_d if ctx.biased else None,
        None if peephole is None else d_p,
        d_h0,
        None if c0 is None else d_c0,
        *(None,) * 4,
    )


def _twice(ctx: Any, *_: Any) -> None:
    raise RuntimeError("recurrent kernels have no second derivative; build the layer with engine='reference' for it")


gpu.register(recurrence, recurrence_backward)
torch.library.register_autograd(recurrence, _backward, setup_context=_remember)
torch.library.register_autograd(recurrence_backward, _twice)
