"""The element-wise part of a step of the cells that cuDNN lacks, forward and backward, in Triton.

Each program takes a block of the n H units of a step. Gates of a row lie one after the other, as in torch.nn: i, f, g, o without
those that a cell lacks, and r, z, n. tanh(x) is 2 s(2 x) - 1, s the logistic function. The interpreter of Triton
(TRITON_INTERPRET=1) runs the same on a CPU.

Legend: n rows of a step, H hidden, G gates per unit; p peepholes.
"""

from typing import Any

import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 1024


@triton.jit
def _tanh(x):
    return 2.0 * tl.sigmoid(2.0 * x) - 1.0


@triton.jit
def _lstm_forward(
    a, c, h, kept, y, p, size, hidden,
    GATES: tl.constexpr, FORGET: tl.constexpr, PEEPHOLE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    unit = at % hidden
    gate = a + at // hidden * (GATES * hidden) + unit
    before = tl.load(c + at, mask=inside, other=0.0)
    i = tl.load(gate, mask=inside, other=0.0)
    g = _tanh(tl.load(gate + (GATES - 2) * hidden, mask=inside, other=0.0))
    o = tl.load(gate + (GATES - 1) * hidden, mask=inside, other=0.0)
    if PEEPHOLE:
        i += tl.load(p + unit, mask=inside, other=0.0) * before
    i = tl.sigmoid(i)
    if FORGET == 0:
        f = tl.load(gate + hidden, mask=inside, other=0.0)
        if PEEPHOLE:
            f += tl.load(p + hidden + unit, mask=inside, other=0.0) * before
        f = tl.sigmoid(f)
        now = f * before + i * g
        tl.store(gate + hidden, f, mask=inside)
    elif FORGET == 1:
        now = before + i * g
    else:
        now = (1.0 - i) * before + i * g
    if PEEPHOLE:
        o += tl.load(p + (GATES - 2) * hidden + unit, mask=inside, other=0.0) * now
    o = tl.sigmoid(o)
    answer = o * _tanh(now)
    tl.store(gate, i, mask=inside)
    tl.store(gate + (GATES - 2) * hidden, g, mask=inside)
    tl.store(gate + (GATES - 1) * hidden, o, mask=inside)
    tl.store(c + at, now, mask=inside)
    tl.store(kept + at, now, mask=inside)
    tl.store(h + at, answer, mask=inside)
    tl.store(y + at, answer, mask=inside)


@triton.jit
def _lstm_backward(
    dh, dc, a, c_before, c, p, da, size, hidden,
    GATES: tl.constexpr, FORGET: tl.constexpr, PEEPHOLE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    unit = at % hidden
    row = at // hidden * (GATES * hidden) + unit
    before = tl.load(c_before + at, mask=inside, other=0.0)
    shown = _tanh(tl.load(c + at, mask=inside, other=0.0))
    i = tl.load(a + row, mask=inside, other=0.0)
    g = tl.load(a + row + (GATES - 2) * hidden, mask=inside, other=0.0)
    o = tl.load(a + row + (GATES - 1) * hidden, mask=inside, other=0.0)
    slope = tl.load(dh + at, mask=inside, other=0.0)
    d_o = slope * shown * o * (1.0 - o)
    memory = tl.load(dc + at, mask=inside, other=0.0) + slope * o * (1.0 - shown * shown)
    if PEEPHOLE:
        memory += d_o * tl.load(p + (GATES - 2) * hidden + unit, mask=inside, other=0.0)
    d_g = memory * i * (1.0 - g * g)
    if FORGET == 2:
        d_i = memory * (g - before) * i * (1.0 - i)
        back = memory * (1.0 - i)
    else:
        d_i = memory * g * i * (1.0 - i)
        back = memory
    if FORGET == 0:
        f = tl.load(a + row + hidden, mask=inside, other=0.0)
        d_f = memory * before * f * (1.0 - f)
        back = memory * f
        if PEEPHOLE:
            back += d_f * tl.load(p + hidden + unit, mask=inside, other=0.0)
        tl.store(da + row + hidden, d_f, mask=inside)
    if PEEPHOLE:
        back += d_i * tl.load(p + unit, mask=inside, other=0.0)
    tl.store(da + row, d_i, mask=inside)
    tl.store(da + row + (GATES - 2) * hidden, d_g, mask=inside)
    tl.store(da + row + (GATES - 1) * hidden, d_o, mask=inside)
    tl.store(dc + at, back, mask=inside)


@triton.jit
def _gru_gates(a, h, reset, size, hidden, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    gate = a + at // hidden * (3 * hidden) + at % hidden
    r = tl.sigmoid(tl.load(gate, mask=inside, other=0.0))
    z = tl.sigmoid(tl.load(gate + hidden, mask=inside, other=0.0))
    tl.store(gate, r, mask=inside)
    tl.store(gate + hidden, z, mask=inside)
    tl.store(reset + at, r * tl.load(h + at, mask=inside, other=0.0), mask=inside)


@triton.jit
def _gru_forward(a, h, y, size, hidden, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    gate = a + at // hidden * (3 * hidden) + at % hidden
    z = tl.load(gate + hidden, mask=inside, other=0.0)
    n = _tanh(tl.load(gate + 2 * hidden, mask=inside, other=0.0))
    answer = n + z * (tl.load(h + at, mask=inside, other=0.0) - n)
    tl.store(gate + 2 * hidden, n, mask=inside)
    tl.store(h + at, answer, mask=inside)
    tl.store(y + at, answer, mask=inside)


@triton.jit
def _gru_backward(dh, a, before, da, size, hidden, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    row = at // hidden * (3 * hidden) + at % hidden
    z = tl.load(a + row + hidden, mask=inside, other=0.0)
    n = tl.load(a + row + 2 * hidden, mask=inside, other=0.0)
    slope = tl.load(dh + at, mask=inside, other=0.0)
    tl.store(da + row + hidden, slope * (tl.load(before + at, mask=inside, other=0.0) - n) * z * (1.0 - z), mask=inside)
    tl.store(da + row + 2 * hidden, slope * (1.0 - z) * (1.0 - n * n), mask=inside)


@triton.jit
def _gru_gates_backward(dh, reset, a, before, da, size, hidden, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    row = at // hidden * (3 * hidden) + at % hidden
    r = tl.load(a + row, mask=inside, other=0.0)
    z = tl.load(a + row + hidden, mask=inside, other=0.0)
    slope = tl.load(reset + at, mask=inside, other=0.0)
    tl.store(da + row, slope * tl.load(before + at, mask=inside, other=0.0) * r * (1.0 - r), mask=inside)
    tl.store(dh + at, tl.load(dh + at, mask=inside, other=0.0) * z + slope * r, mask=inside)


_KINDS = {"gate": 0, "none": 1, "coupled": 2}


def _run(kernel: Any, units: Tensor, *given: Tensor, **constants: Any) -> None:
    """Launches a kernel over all units [n, H]."""
    if units.numel():
        blocks = triton.cdiv(units.numel(), _BLOCK)
        kernel[(blocks,)](*given, units.numel(), units.shape[1], **constants, BLOCK=_BLOCK)


def _lstm(p: Tensor | None, forget: str) -> dict[str, Any]:
    return {"GATES": 4 if forget == "gate" else 3, "FORGET": _KINDS[forget], "PEEPHOLE": p is not None}


def lstm_forward(a: Tensor, c: Tensor, h: Tensor, kept: Tensor, y: Tensor, p: Tensor | None, forget: str) -> None:
    """a [n, G H] before the nonlinearities becomes the gates; c, h [B, H] take a step; kept, y [n, H] are copies of them."""
    _run(_lstm_forward, y, a, c, h, kept, y, a if p is None else p, **_lstm(p, forget))


def lstm_backward(
    dh: Tensor, dc: Tensor, a: Tensor, c_before: Tensor, c: Tensor, p: Tensor | None, da: Tensor, forget: str
) -> None:
    """dh [n, H] and dc [B, H] after the step -> dc before it, in place, and the slope of the gates da [n, G H]."""
    _run(_lstm_backward, dh, dh, dc, a, c_before, c, a if p is None else p, da, **_lstm(p, forget))


def gru_gates(a: Tensor, h: Tensor, reset: Tensor) -> None:
    """r and z of a [n, 3 H] in place, and r * h [n, H]."""
    _run(_gru_gates, reset, a, h, reset)


def gru_forward(a: Tensor, h: Tensor, y: Tensor) -> None:
    """n of a [n, 3 H] in place; h [B, H] takes a step; y [n, H] is a copy of it."""
    _run(_gru_forward, y, a, h, y)


def gru_backward(dh: Tensor, a: Tensor, before: Tensor, da: Tensor) -> None:
    """dh [n, H] after the step -> the slopes of z and n in da [n, 3 H]."""
    _run(_gru_backward, dh, dh, a, before, da)


def gru_gates_backward(dh: Tensor, reset: Tensor, a: Tensor, before: Tensor, da: Tensor) -> None:
    """The slope of r * h [n, H] -> the slope of r in da [n, 3 H]; dh [n, H] becomes what reaches h before, but for U's part."""
    _run(_gru_gates_backward, dh, dh, reset, a, before, da)
