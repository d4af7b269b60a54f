"""Each cell against its equations, written as a NumPy loop in float64 over single sequences and steps."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from .conftest import parts, start

Array = NDArray[np.float64]


def s(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def normalised(x: Array, gain: Array, shift: Array) -> Array:
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * gain + shift


def rnn(p: dict[str, Array], relu: bool, x: Array, h: Array, *older: Array) -> Array:
    a = p["weight_ih"] @ x + p["bias_ih"] + p["weight_hh"] @ h + p["bias_hh"]
    for lag, state in enumerate(older):
        a = a + p["weight_lags"][:, lag * len(h) : (lag + 1) * len(h)] @ state
    return np.maximum(a, 0) if relu else np.tanh(a)


def gru(p: dict[str, Array], before: bool, x: Array, h: Array) -> Array:
    w_r, w_z, w_n = np.split(p["weight_ih"], 3)
    u_r, u_z, u_n = np.split(p["weight_hh"], 3)
    b_r, b_z, b_n = np.split(p["bias_ih"], 3)
    d_r, d_z, d_n = np.split(p["bias_hh"], 3)
    r = s(w_r @ x + b_r + u_r @ h + d_r)
    z = s(w_z @ x + b_z + u_z @ h + d_z)
    n = np.tanh(w_n @ x + b_n + (u_n @ (r * h) + d_n if before else r * (u_n @ h + d_n)))
    return (1 - z) * n + z * h


def lstm(p: dict[str, Array], forget: str, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
    if "weight_norm_ih" in p:
        a = normalised(p["weight_ih"] @ x, p["weight_norm_ih"], p["bias_ih"])
        a = a + normalised(p["weight_hh"] @ h, p["weight_norm_hh"], p["bias_hh"])
    else:
        a = p["weight_ih"] @ x + p["bias_ih"] + p["weight_hh"] @ h + p["bias_hh"]
    zeros = np.zeros_like(c)
    if forget == "gate":
        a_i, a_f, a_g, a_o = np.split(a, 4)
        p_i, p_f, p_o = p.get("weight_peephole", (zeros, zeros, zeros))
    else:
        a_i, a_g, a_o = np.split(a, 3)
        p_i, p_o = p.get("weight_peephole", (zeros, zeros))
    i = s(a_i + p_i * c)
    f = s(a_f + p_f * c) if forget == "gate" else np.ones_like(c) if forget == "none" else 1 - i
    c = f * c + i * np.tanh(a_g)
    o = s(a_o + p_o * c)
    shown = normalised(c, p["weight_norm_c"], p["bias_norm_c"]) if "weight_norm_c" in p else c
    h = o * np.tanh(shown)
    return (p["weight_hr"] @ h if "weight_hr" in p else h), c


def by_equations(layer: Any, x: Array, state: list[Array], suffix: str = "_l0") -> tuple[Array, list[Array]]:
    """One sequence x [T, I] through one layer: (h of each step [T, R], the state at the end)."""
    p = {name.removesuffix(suffix): v.detach().double().numpy() for name, v in layer.named_parameters()}
    answers = []
    for x_t in x:
        if layer.cell.gates == 1:
            state = [rnn(p, layer.nonlinearity == "relu", x_t, *state), *state[:-1]]
        elif layer.cell.states == 2:
            state = list(lstm(p, layer.cell.forget, x_t, *state))
        else:
            state = [gru(p, layer.cell.reset == "before", x_t, *state)]
        answers.append(state[0])
    return np.stack(answers), state


@pytest.mark.parametrize(("engine", "dtype", "tolerance"), [("auto", "float32", 2e-6), ("reference", "float64", 1e-12)])
def test_each_cell_is_its_equations(any_cell: Callable[..., Any], engine: Any, dtype: str, tolerance: float) -> None:
    torch.manual_seed(0)
    layer = any_cell(5, 7, dtype=getattr(torch, dtype), engine=engine)
    for parameter in layer.parameters():
        torch.nn.init.uniform_(parameter, -1, 1)
    x = torch.randn(11, 3, 5, dtype=getattr(torch, dtype))
    hx = start(layer, 3, requires_grad=False)
    output, state = layer(x, hx)
    for b in range(3):
        before = [part[0, b].double().numpy() for part in parts(hx)]
        expected, after = by_equations(layer, x[:, b].double().numpy(), before)
        assert np.abs(output[:, b].detach().numpy() - expected).max() < tolerance * max(1.0, np.abs(expected).max())
        for part, value in zip(parts(state), after, strict=True):
            assert np.abs(part[0, b].detach().numpy() - value).max() < tolerance * max(1.0, np.abs(value).max())


def test_forget_bias_and_identity_start_where_they_say() -> None:
    from samoyed.layers.recurrence import LSTM, RNN

    layer = LSTM(3, 4, num_layers=2, forget_bias=1.5)
    for suffix in ("_l0", "_l1"):
        both = getattr(layer, "bias_ih" + suffix) + getattr(layer, "bias_hh" + suffix)
        assert torch.equal(both[4:8], torch.full((4,), 1.5))
        assert not (both[:4] == both[:4].round()).any()
    memory = RNN(3, 4, nonlinearity="relu", identity=True)
    assert torch.equal(memory.weight_hh_l0, torch.eye(4))
    h = torch.rand(1, 2, 4)
    assert torch.equal(memory(torch.zeros(50, 2, 3), h)[1], h)


def test_a_gradient_comes_back_in_fewer_steps_over_lags() -> None:
    """The first input's share of the last state's slope: of 30 steps a third are left where each state sees three back."""
    from samoyed.layers.recurrence import RNN

    reach = []
    for lags in (1, 3):
        torch.manual_seed(0)
        layer = RNN(3, 16, lags=lags, dtype=torch.float64)
        for parameter in layer.parameters():
            torch.nn.init.normal_(parameter, std=0.4 / (16 * lags) ** 0.5)
        x = torch.randn(30, 8, 3, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(layer(x)[0][-1].sum(), x)
        reach.append(float(slope[0].norm() / slope[-1].norm()))
    assert reach[1] > 1e4 * reach[0]
