"""Every cell, and a way to hold two layers against each other: outputs, states and all gradients."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from samoyed.layers.recurrence import GRU, LSTM, RNN

CELLS: dict[str, Callable[..., Any]] = {
    "rnn": RNN,
    "rnn_relu": lambda *a, **k: RNN(*a, nonlinearity="relu", **k),
    "irnn": lambda *a, **k: RNN(*a, nonlinearity="relu", identity=True, **k),
    "lstm": LSTM,
    "lstm_peephole": lambda *a, **k: LSTM(*a, peephole=True, **k),
    "lstm_no_forget": lambda *a, **k: LSTM(*a, forget="none", **k),
    "lstm_no_forget_peephole": lambda *a, **k: LSTM(*a, forget="none", peephole=True, **k),
    "lstm_coupled": lambda *a, **k: LSTM(*a, forget="coupled", **k),
    "lstm_coupled_peephole": lambda *a, **k: LSTM(*a, forget="coupled", peephole=True, **k),
    "lstm_layer_norm": lambda *a, **k: LSTM(*a, layer_norm=True, **k),
    "lstm_layer_norm_no_forget": lambda *a, **k: LSTM(*a, layer_norm=True, forget="none", **k),
    "lstm_layer_norm_peephole": lambda *a, **k: LSTM(*a, layer_norm=True, peephole=True, **k),
    "lstm_layer_norm_coupled_peephole": lambda *a, **k: LSTM(*a, layer_norm=True, forget="coupled", peephole=True, **k),
    "gru": GRU,
    "gru_before": lambda *a, **k: GRU(*a, reset="before", **k),
}
IN_PYTORCH: dict[str, Callable[..., Any]] = {
    "rnn_two_lags": lambda *a, **k: RNN(*a, lags=2, **k),
    "rnn_relu_three_lags": lambda *a, **k: RNN(*a, nonlinearity="relu", lags=3, **k),
    "lstm_projected": lambda *a, **k: LSTM(*a, proj_size=2, **k),
}


@pytest.fixture(params=sorted(CELLS))
def cell(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Each cell that has a kernel."""
    return CELLS[request.param]


@pytest.fixture(params=sorted(CELLS | IN_PYTORCH))
def any_cell(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Each cell."""
    return (CELLS | IN_PYTORCH)[request.param]


def parts(state: Any) -> tuple[Tensor, ...]:
    """A state as a tuple."""
    return (state,) if isinstance(state, Tensor) else tuple(state)


def start(layer: Any, batch: int, requires_grad: bool = True) -> Any:
    """A state at random for `layer`, as it takes it."""
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    like = next(layer.parameters())
    widths = [layer.proj_size or layer.hidden_size] + [layer.hidden_size] * (layer.cell.states - 1)
    state = tuple(torch.randn(count, batch, w, dtype=like.dtype).requires_grad_(requires_grad) for w in widths)
    return state if len(state) > 1 else state[0]


def everything(layer: Any, x: Tensor, hx: Any = None, **how: Any) -> list[Tensor]:
    """Output, states, and the gradients of a random sum of them by the input, the state and the parameters."""
    given = [t for t in (x, *(() if hx is None else parts(hx))) if t.requires_grad]
    output, state = layer(x, hx, **how)
    answers = [output, *parts(state)]
    generator = torch.Generator().manual_seed(1)
    loss = sum((a * torch.randn(a.shape, generator=generator, dtype=torch.float64).to(a.dtype)).sum() for a in answers)
    assert isinstance(loss, Tensor)
    return [*answers, *torch.autograd.grad(loss, [*given, *layer.parameters()])]


def assert_same(found: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    """Each tensor within `tolerance` of the other, relative to its largest entry if that is above 1."""
    assert len(found) == len(expected)
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert a.shape == b.shape
        if b.numel():
            a, b = a.detach().double(), b.detach().double()
            error = float((a - b).abs().max() / b.abs().max().clamp(min=1))
            assert error <= tolerance, f"tensor {i}: {error}"
