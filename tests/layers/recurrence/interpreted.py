"""Run by itself with TRITON_INTERPRET=1: the largest relative error of every cell's Triton code against autograd, as JSON."""

import json

import torch

from samoyed.layers.recurrence import gpu
from samoyed.layers.recurrence.reference import scan
from tests.layers.recurrence.conftest import CELLS

NAMES = [name for name in CELLS if CELLS[name](1, 1).cell.on_gpus]


def error(name: str, sizes: list[int], reverse: bool) -> float:
    """Outputs, states and gradients of one cell over sequences that end at different steps."""
    torch.manual_seed(0)
    layer = CELLS[name](5, 37)
    w, rows, batch = layer._weights("_l0"), sum(sizes), sizes[0]
    x = torch.randn(rows, 5, requires_grad=True)
    state = tuple(torch.randn(batch, 37, requires_grad=True) for _ in range(layer.cell.states))
    y, ends = scan(layer.cell, x, w, state, sizes, reverse)
    slopes = [torch.randn_like(t) for t in (y, *ends)]
    leaves = [x, w.weight_ih, w.weight_hh, w.bias_ih, w.bias_hh, w.weight_peephole, *state]
    given = [t for t in leaves if t is not None]
    expected = [y, *ends, *torch.autograd.grad([y, *ends], given, slopes)]
    with torch.no_grad():
        h0, c0 = state[0], state[1] if len(state) > 1 else None
        first = torch.tensor([0, *sizes]).cumsum(0)
        kind = str(layer.cell.kernel)
        y, h, c, gates, extra = gpu.forward(x, *w[:4], w.weight_peephole, h0, c0, first, kind, reverse, True)
        dc = slopes[2] if c0 is not None else None
        found = gpu.backward(
            slopes[0], slopes[1], dc, x, w.weight_ih, w.weight_hh, w.weight_peephole, h0, c0, y, gates, extra, first,
            kind, reverse, True,
        )  # fmt: skip
    answers = [y, h] + ([c] if c0 is not None else []) + [t for t in found if t.numel()]
    assert len(answers) == len(expected)
    return max(
        float((a - b).detach().abs().max() / b.detach().abs().max().clamp(min=1))
        for a, b in zip(answers, expected, strict=True)
    )


if __name__ == "__main__":
    cases = ([3, 3, 3, 3], [4, 3, 3, 1])
    print(json.dumps({name: max(error(name, s, r) for s in cases for r in (False, True)) for name in NAMES}))
