"""The kernels of LSTMs that normalise their product and their cell, as PyTorch operators: one layer in one direction.

W x is computed and normalised by PyTorch before; these take it on from there. As in kernel.py, time is taken in pieces.

Legend: B batch, H hidden, G gates per unit, N rows (valid steps of all sequences), T steps.
"""

import ctypes
from typing import Any

import torch
from torch import Tensor

from samoyed.layers.recurrence.calls import add, in_pieces, loaded, pointer, prepared, room, with_previous
from samoyed.layers.recurrence.library import Call
from samoyed.layers.recurrence.operators import operator

Gains = tuple[Tensor, Tensor | None, Tensor, Tensor, Tensor | None]  # norm, its shift, norm_c, its shift, peephole


def _given(
    call: Call, norm: Tensor, shift: Tensor | None, norm_c: Tensor, shift_c: Tensor, peephole: Tensor | None
) -> Gains:
    """The gains as they lie in memory, which the call points to while they live."""
    kept = tuple(None if t is None else t.contiguous() for t in (norm, shift, norm_c, shift_c, peephole))
    call.norm, call.norm_bias, call.norm_c, call.norm_c_bias, call.peephole = map(pointer, kept)
    return kept  # type: ignore[return-value]


def forward(
    a: Tensor,
    weight_hh: Tensor,
    bias_hh: Tensor | None,
    norm_hh: Tensor,
    norm_c: Tensor,
    bias_c: Tensor,
    peephole: Tensor | None,
    h0: Tensor,
    c0: Tensor,
    first: Tensor,
    cell: str,
    reverse: bool,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """a [N, G H], W x normalised -> (y [N, H], h_n [B, H], c_n [B, H], gates [N, G H], c [N, H], product [N, G H], scale [N]).

    Rows are ordered by time, as in torch's PackedSequence; first int64 [T + 1] is the first row of each step. The last four are
    what backward needs, and are empty unless `keep`. Everything else is float32 on the CPU.
    """
    rows, hidden, wide = a.shape[0], weight_hh.shape[1], weight_hh.shape[0]
    kernels, places = loaded(), first.tolist()
    call, packed = prepared(cell, weight_hh, first, reverse, backward=False)
    gains = _given(call, norm_hh, bias_hh, norm_c, bias_c, peephole)
    pieces = list(in_pieces(places, backward=reverse))
    kept = rows if keep else max(places[end] - places[begin] for begin, end in pieces)
    a = a.contiguous()
    y, h, c = room(a, rows, hidden), *(t.clone(memory_format=torch.contiguous_format) for t in (h0, c0))
    gates, extra, product = room(a, kept, wide), room(a, kept, hidden), room(a, kept, wide)
    scale = a.new_empty(kept)
    call.h, call.c = h.data_ptr(), c.data_ptr()
    for call.begin, call.end in pieces:
        start = places[call.begin]
        at = start if keep else 0
        call.input, call.y = a[start:].data_ptr(), y[start:].data_ptr()
        call.gates, call.extra, call.product, call.scale = (t[at:].data_ptr() for t in (gates, extra, product, scale))
        kernels.samoyed_forward(ctypes.byref(call))
    del packed, gains
    if not keep:
        gates, extra, product, scale = (a.new_empty(0) for _ in range(4))
    return y, h, c, gates, extra, product, scale


normed_recurrence = operator("normed_recurrence", forward)


@torch.library.register_fake(normed_recurrence)  # type: ignore[untyped-decorator]
def _(
    a: Tensor,
    weight_hh: Tensor,
    bias_hh: Tensor | None,
    norm_hh: Tensor,
    norm_c: Tensor,
    bias_c: Tensor,
    peephole: Tensor | None,
    h0: Tensor,
    c0: Tensor,
    first: Tensor,
    cell: str,
    reverse: bool,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    rows, hidden, wide = a.shape[0], weight_hh.shape[1], weight_hh.shape[0]
    shapes: list[tuple[int, ...]] = [(rows, wide), (rows, hidden), (rows, wide), (rows,)]
    gates, extra, product, scale = (a.new_empty(shape if keep else (0,)) for shape in shapes)
    y, h, c = a.new_empty(rows, hidden), h0.new_empty(h0.shape), c0.new_empty(c0.shape)
    return y, h, c, gates, extra, product, scale


def backward(
    dy: Tensor | None,
    dh: Tensor | None,
    dc: Tensor | None,
    weight_hh: Tensor,
    norm_hh: Tensor,
    norm_c: Tensor,
    bias_c: Tensor,
    peephole: Tensor | None,
    h0: Tensor,
    c0: Tensor,
    y: Tensor,
    gates: Tensor,
    extra: Tensor,
    product: Tensor,
    scale: Tensor,
    first: Tensor,
    cell: str,
    reverse: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients by a, weight_hh, bias_hh, norm_hh, norm_c, bias_c, peephole (empty if absent), h0 and c0."""
    hidden, wide = weight_hh.shape[1], weight_hh.shape[0]
    kernels, places = loaded(), first.tolist()
    call, packed = prepared(cell, weight_hh, first, reverse, backward=True)
    gains = _given(call, norm_hh, None, norm_c, bias_c, peephole)
    pieces = list(in_pieces(places, backward=not reverse))
    longest = max(places[end] - places[begin] for begin, end in pieces)
    peepholes = 0 if peephole is None else peephole.numel()
    dy = None if dy is None else dy.contiguous()
    h0, c0 = h0.contiguous(), c0.contiguous()
    dh, dc = (
        torch.zeros_like(start) if d is None else d.clone(memory_format=torch.contiguous_format)
        for d, start in ((dh, h0), (dc, c0))
    )
    da, into_product = room(y, len(y), wide), room(y, longest, wide)
    sums = y.new_zeros(call.threads, 2 * wide + 2 * hidden + peepholes)
    call.dy, call.h, call.c, call.h0, call.c0 = map(pointer, (dy, dh, dc, h0, c0))
    call.y, call.gates, call.extra, call.product, call.scale = map(pointer, (y, gates, extra, product, scale))
    call.dproduct, call.sums = map(pointer, (into_product, sums))
    d_hh = torch.zeros_like(weight_hh) if not len(y) else weight_hh.new_empty(weight_hh.shape)
    fresh = True
    for call.begin, call.end in pieces:
        start, stop = places[call.begin], places[call.end]
        call.dgates = da[start:].data_ptr()
        kernels.samoyed_backward(ctypes.byref(call))
        for some, previous in with_previous(call, places, into_product[: stop - start], y, h0):
            add(d_hh, some, previous, fresh)
            fresh = False
    del packed, gains
    parts = torch.split(sums.sum(0), [wide, peepholes, wide, hidden, hidden])
    d_b, d_p, d_norm, d_norm_c, d_c = (part.clone() for part in parts)
    return da, d_hh, d_b, d_norm, d_norm_c, d_c, d_p if peephole is None else d_p.view_as(peephole), dh, dc


normed_recurrence_backward = operator("normed_recurrence_backward", backward)


@torch.library.register_fake(normed_recurrence_backward)  # type: ignore[untyped-decorator]
def _(
    dy: Tensor | None,
    dh: Tensor | None,
    dc: Tensor | None,
    weight_hh: Tensor,
    norm_hh: Tensor,
    norm_c: Tensor,
    bias_c: Tensor,
    peephole: Tensor | None,
    h0: Tensor,
    c0: Tensor,
    y: Tensor,
    gates: Tensor,
    extra: Tensor,
    product: Tensor,
    scale: Tensor,
    first: Tensor,
    cell: str,
    reverse: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    def like(tensor: Tensor | None) -> Tensor:
        return y.new_empty(0 if tensor is None else tensor.shape)

    at_a, shift, gain = y.new_empty(len(y), len(weight_hh)), like(norm_hh), like(norm_hh)
    return at_a, like(weight_hh), shift, gain, like(norm_c), like(bias_c), like(peephole), like(h0), like(c0)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    _, weight_hh, bias_hh, norm_hh, norm_c, bias_c, peephole, h0, c0, first, cell, reverse, keep = inputs
    y, _, _, *kept = output
    if not keep:
        raise RuntimeError("samoyed::normed_recurrence keeps nothing for backward; call it with keep=True")
    ctx.save_for_backward(weight_hh, norm_hh, norm_c, bias_c, peephole, h0, c0, y, *kept, first)
    ctx.cell, ctx.reverse, ctx.biased = cell, reverse, bias_hh is not None
    ctx.mark_non_differentiable(*kept)
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, dy: Tensor | None, dh: Tensor | None, dc: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
    peephole = ctx.saved_tensors[4]
    da, d_hh, d_b, d_norm, d_norm_c, d_c, d_p, d_h0, d_c0 = normed_recurrence_backward(
        dy, dh, dc, *ctx.saved_tensors, ctx.cell, ctx.reverse
    )
    d_b, d_p = d_b if ctx.biased else None, None if peephole is None else d_p
    return da, d_hh, d_b, d_norm, d_norm_c, d_c, d_p, d_h0, d_c0, *(None,) * 4


def _twice(ctx: Any, *_: Any) -> None:
    raise RuntimeError("recurrent kernels have no second derivative; build the layer with engine='reference' for it")


torch.library.register_autograd(normed_recurrence, _backward, setup_context=_remember)
torch.library.register_autograd(normed_recurrence_backward, _twice)
