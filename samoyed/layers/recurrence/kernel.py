"""The kernels as PyTorch operators: one layer in one direction, forward and backward, with what torch.compile needs to know.

Time is taken in pieces of about `PIECE` rows, so that what the matrix products write is still in the cache when the cells read
it, and backward needs room for the gradients before the nonlinearities of one piece only.

Legend: B batch, I input, H hidden, G gates per unit, N rows (valid steps of all sequences), T steps.
"""

import ctypes
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from samoyed.layers.recurrence.library import Call, library

PIECE = 1024  # rows
SMALL = 2**19  # multiplications that are not worth a second thread
LARGE = 2**22  # bytes from which an array asks for large pages
KINDS = ("rnn_tanh", "rnn_relu", "lstm", "lstm_no_forget", "lstm_coupled", "gru_after", "gru_before")
GATES = dict(zip(KINDS, (1, 1, 4, 3, 3, 3, 3), strict=True))


def _loaded() -> ctypes.CDLL:
    found = library()
    if found is None:
        raise RuntimeError("the recurrent kernels are not built on this machine; use engine='reference'")
    return found


def _room(like: Tensor, rows: int, width: int) -> Tensor:
    """An uninitialised array [rows, width]."""
    room = like.new_empty(rows, width)
    if room.nbytes >= LARGE:
        _loaded().samoyed_large_pages(room.data_ptr(), room.nbytes)
    return room


def _pieces(first: list[int], backward: bool) -> Iterator[tuple[int, int]]:
    """(begin, end) of successive pieces of time, in the order in which they are taken."""
    bounds = [0]
    while bounds[-1] < len(first) - 1:
        begin = bounds[-1]
        bounds.append(max(bisect_right(first, first[begin] + PIECE) - 1, begin + 1))
    pieces = list(pairwise(bounds))
    return reversed(pieces) if backward else iter(pieces)


def _call(cell: str, weight_hh: Tensor, first: Tensor, reverse: bool, backward: bool) -> tuple[Call, Tensor]:
    """A call with what is the same for all pieces, and the packed matrix that it points to."""
    kernels, kind, hidden = _loaded(), KINDS.index(cell), weight_hh.shape[1]
    packed = weight_hh.new_empty(kernels.samoyed_packed_size(kind, hidden))
    work = int(first[-1]) * weight_hh.numel()
    threads = 1 if work < SMALL else min(torch.get_num_threads(), int(first[1]))
    weight_hh = weight_hh.contiguous()
    kernels.samoyed_pack(kind, hidden, backward, threads, weight_hh.data_ptr(), packed.data_ptr())
    call = Call(cell=kind, hidden=hidden, steps=len(first) - 1, reverse=reverse, threads=threads)
    call.first, call.packed = first.data_ptr(), packed.data_ptr()
    return call, packed


def _biases(cell: str, hidden: int, ih: Tensor | None, hh: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """(what is added to W x, what is added to the candidate's product with h alone)."""
    if ih is None or hh is None:
        return None, None
    if cell != "gru_after":
        return ih + hh, None
    both = ih.clone()
    both[: 2 * hidden] += hh[: 2 * hidden]
    return both, hh[2 * hidden :].contiguous()


def _pointer(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


@torch.library.custom_op("samoyed::recurrence", mutates_args=())
def recurrence(
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
    last two are what backward needs, and are empty unless `keep`. Everything else is float32 on the CPU.
    """
    rows, hidden, wide = x.shape[0], weight_hh.shape[1], weight_hh.shape[0]
    kernels, places = _loaded(), first.tolist()
    call, packed = _call(cell, weight_hh, first, reverse, backward=False)
    bias, bias_candidate = _biases(cell, hidden, bias_ih, bias_hh)
    plain = cell.startswith("rnn")
    pieces = list(_pieces(places, backward=reverse))
    kept = rows if keep else max(places[end] - places[begin] for begin, end in pieces)
    y, h = _room(x, rows, hidden), h0.clone(memory_format=torch.contiguous_format)
    c = x.new_empty(0) if c0 is None else c0.clone(memory_format=torch.contiguous_format)
    gates = x.new_empty(0) if plain else _room(x, kept, wide)
    extra = x.new_empty(0) if plain else _room(x, kept, hidden)
    peephole = None if peephole is None else peephole.contiguous()
    call.peephole, call.bias, call.h, call.c = _pointer(peephole), _pointer(bias_candidate), h.data_ptr(), c.data_ptr()
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


@recurrence.register_fake
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


@torch.library.custom_op("samoyed::recurrence_backward", mutates_args=())
def recurrence_backward(
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
    kernels, places = _loaded(), first.tolist()
    call, packed = _call(cell, weight_hh, first, reverse, backward=True)
    pieces = list(_pieces(places, backward=not reverse))
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
    d = _room(x, longest, width)
    sums = x.new_zeros(call.threads, width + peepholes)
    scratch = torch.empty_like(h0)
    call.dy, call.h, call.c, call.h0, call.c0 = map(_pointer, (dy, dh, dc, h0, c0))
    call.y, call.gates, call.extra, call.peephole = map(_pointer, (y, gates, extra, peephole))
    call.dgates, call.sums, call.scratch = map(_pointer, (d, sums, scratch))

    # The kernel writes the gradients of a GRU that resets after the product as n, r, z, n * r: the first three belong to W x,
    # the last three to U h.
    turn = cell == "gru_after"
    into_x = _candidate_first(weight_ih, hidden) if turn else weight_ih
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
        _add(d_ih, by_x, x[start:stop], fresh)
        if cell == "gru_before":
            _add(d_hh[2 * hidden :], by_h[:, 2 * hidden :], extra[start:stop], fresh)
            by_h = by_h[:, : 2 * hidden]
        if not len(piece):
            d_hh.zero_()  # an empty batch
        for some, previous in _previous(call, places, by_h, y, h0):
            _add(d_hh[: some.shape[1]], some, previous, fresh)
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


def _add(total: Tensor, left: Tensor, right: Tensor, fresh: bool) -> None:
    """total (+)= left^T right; a fresh total holds nothing yet."""
    torch.addmm(total, left.t(), right, beta=0 if fresh else 1, out=total)


def _candidate_first(weight: Tensor, hidden: int) -> Tensor:
    return torch.cat([weight[2 * hidden :], weight[: 2 * hidden]])


def _previous(call: Call, places: list[int], d: Tensor, y: Tensor, h0: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows of `d`, the gradients of the call's piece, with the h that each of them multiplied the recurrent matrix by."""
    begin, end, steps, batch = call.begin, call.end, call.steps, h0.shape[0]
    start, stop = places[begin], places[end]
    if places[-1] != steps * batch:
        previous = _room(y, stop - start, y.shape[1])
        _loaded().samoyed_previous(ctypes.byref(call), previous.data_ptr())
        yield d, previous
    elif call.reverse:
        inside = stop - start - (batch if end == steps else 0)
        if inside < len(d):
            yield d[inside:], h0
        if inside:
            yield d[:inside], y[start + batch : start + batch + inside]
    else:
        outside = batch if begin == 0 else 0
        if outside:
            yield d[:outside], h0
        if outside < len(d):
            yield d[outside:], y[start + outside - batch : stop - batch]


@recurrence_backward.register_fake
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


recurrence.register_autograd(_backward, setup_context=_remember)
recurrence_backward.register_autograd(_twice)
