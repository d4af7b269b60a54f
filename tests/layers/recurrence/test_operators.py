"""The kernels as operators: what torch.compile, export, autocast and autograd ask of them, and every order of derivative."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from samoyed.layers.recurrence import GRU, LSTM, RNN, build
from samoyed.layers.recurrence.library import available

from .conftest import assert_same, everything, parts, start

with_kernels = pytest.mark.skipif(build.compiler() is None, reason="no C compiler")


def test_derivatives_of_the_reference(any_cell: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    layer = any_cell(2, 3, bidirectional=True, engine="reference", dtype=torch.float64)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, 0.1, 0.9)  # ReLUs stay on one side
    x, hx = torch.rand(3, 2, 2, dtype=torch.float64).requires_grad_(), start(layer, 2)
    names = [name for name, _ in layer.named_parameters()]
    lengths = torch.tensor([2, 3])

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        state, weights = rest[: layer.cell.states], dict(zip(names, rest[layer.cell.states :], strict=True))
        given = state if len(state) > 1 else state[0]
        output, last = torch.func.functional_call(layer, weights, (x, given, lengths))
        return output, *parts(last)

    leaves = (x, *parts(hx), *(p.detach().clone().requires_grad_() for p in layer.parameters()))
    assert torch.autograd.gradcheck(run, leaves, fast_mode=True)
    assert torch.autograd.gradgradcheck(run, leaves, fast_mode=True)


@with_kernels
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("sizes", [[3, 3, 3, 3, 3], [4, 3, 3, 1]])
def test_opcheck(cell: Callable[..., Any], sizes: list[int], reverse: bool) -> None:
    from samoyed.layers.recurrence import kernel, normed

    torch.manual_seed(0)
    layer = cell(3, 5)
    w = layer._weights("_l0")
    first = torch.tensor([0, *sizes]).cumsum(0)
    h, *c = (part[0] for part in parts(start(layer, sizes[0])))
    states = (h.detach().requires_grad_(), c[0].detach().requires_grad_() if c else None)
    rest = (w.weight_peephole, *states, first, layer.cell.kernel, reverse, True)
    if getattr(layer.cell, "layer_norm", False):
        a = torch.randn(sum(sizes), len(w.weight_hh), requires_grad=True)
        own = (w.weight_hh, w.bias_hh, w.weight_norm_hh, w.weight_norm_c, w.bias_norm_c)
        torch.library.opcheck(normed.normed_recurrence, (a, *own, *rest))
    else:
        x = torch.randn(sum(sizes), 3, requires_grad=True)
        torch.library.opcheck(kernel.recurrence, (x, *w[:4], *rest))


@with_kernels
def test_a_second_derivative_is_refused(cell: Callable[..., Any]) -> None:
    layer = cell(3, 5, engine="kernel")
    x = torch.randn(4, 2, 3, requires_grad=True)
    (dx,) = torch.autograd.grad(layer(x)[0].square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivative; build the layer with engine='reference'"):
        dx.sum().backward()


@with_kernels
def test_backward_runs_again_on_a_kept_graph(cell: Callable[..., Any]) -> None:
    layer = cell(3, 5, engine="kernel")
    x = torch.randn(4, 2, 3, requires_grad=True)
    loss = layer(x)[0].square().sum()
    first = torch.autograd.grad(loss, [x, *layer.parameters()], retain_graph=True)
    second = torch.autograd.grad(loss, [x, *layer.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@with_kernels
@pytest.mark.parametrize("form", [LSTM, GRU, RNN])
def test_compile_in_one_graph(form: Any) -> None:
    layer = form(3, 5, num_layers=2, bidirectional=True)
    x, hx = torch.randn(6, 4, 3, requires_grad=True), start(layer, 4)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    assert_same(everything(Same(compiled, layer), x, hx), everything(layer, x, hx), 1e-6)


@with_kernels
@pytest.mark.parametrize("form", [LSTM, GRU, RNN, lambda *sizes, **how: LSTM(*sizes, layer_norm=True, **how)])
def test_an_answer_is_that_of_the_operator(form: Any) -> None:
    layer = form(3, 5, num_layers=2, bidirectional=True)
    x, hx = torch.randn(6, 4, 3), start(layer, 4)
    with torch.no_grad():
        operator = layer(x, hx)
    with torch.inference_mode():
        assert_same([layer(x, hx)[0]], [operator[0]], 0.0)
        compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
        assert_same([compiled(x, hx)[0]], [operator[0]], 1e-6)


def test_what_is_constant_bears_the_mark_of_torch() -> None:
    def other() -> bool:
        return True

    torch.compiler.assume_constant_result(other)  # type: ignore[no-untyped-call]
    assert vars(other)
    assert vars(other).items() <= vars(available).items()


class Same(nn.Module):
    """A compiled layer that lists the parameters of the layer itself."""

    def __init__(self, compiled: Any, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.run = layer, compiled

    def parameters(self, recurse: bool = True) -> Any:
        return self.layer.parameters(recurse)

    def forward(self, x: Tensor, hx: Any) -> Any:
        return self.run(x, hx)


@with_kernels
def test_export() -> None:
    layer = GRU(3, 5, engine="kernel").eval()
    x = torch.randn(6, 4, 3)
    exported = torch.export.export(layer, (x,))
    assert any("samoyed.recurrence" in str(node.target) for node in exported.graph.nodes)
    assert_same([exported.module()(x)[0]], [layer(x)[0]], 1e-6)


@with_kernels
def test_autocast_computes_what_it_can_in_float32() -> None:
    x = torch.randn(6, 4, 3)
    for layer in (LSTM(3, 8, peephole=True), GRU(3, 8, reset="before")):
        expected = layer(x)[0]
        with torch.autocast("cpu", torch.bfloat16):
            found = layer(x.bfloat16().float())[0]
        assert found.dtype == torch.float32
        assert_same([found], [expected], 0.02)
    torchs = LSTM(3, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert_same([torchs(x)[0].float()], [torchs.float()(x)[0].float()], 0.02)


def test_other_precisions_and_short_sequences_run_in_pytorch(any_cell: Callable[..., Any]) -> None:
    for dtype, steps in ((torch.float64, 9), (torch.float32, 2)):
        layer = any_cell(3, 5, dtype=dtype)
        x = torch.randn(steps, 2, 3, dtype=dtype, requires_grad=True)
        found = everything(layer, x)
        layer.engine = "reference"
        assert_same(found, everything(layer, x), 1e-10 if dtype == torch.float64 else 1e-5)


def test_layers_are_copied_and_saved(any_cell: Callable[..., Any], tmp_path: Any) -> None:
    import copy

    layer, x = any_cell(3, 5, num_layers=2), torch.randn(6, 2, 3)
    assert_same(everything(copy.deepcopy(layer), x), everything(layer, x), 0)
    torch.save(layer.state_dict(), tmp_path / "weights.pt")
    other = any_cell(3, 5, num_layers=2)
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert_same(everything(other, x), everything(layer, x), 0)
    assert repr(layer).startswith(f"{type(layer).__name__}(3, 5, num_layers=2")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LSTM(0, 5), "must be at least 1"),
        (lambda: LSTM(3, 5, dropout=1.5), "dropout must be a number from 0 to 1, not 1.5"),
        (lambda: LSTM(3, 5, proj_size=5), "smaller than hidden_size"),
        (lambda: LSTM(3, 5, forget="some"), "forget must be 'gate', 'none' or 'coupled', not 'some'"),
        (lambda: LSTM(3, 5, forget="none", forget_bias=1.0), "forget_bias needs forget='gate'"),
        (lambda: LSTM(3, 5, proj_size=2, engine="kernel"), "no kernel for projections or lags"),
        (lambda: GRU(3, 5, reset="never"), "reset must be 'after' or 'before', not 'never'"),
        (lambda: RNN(3, 5, nonlinearity="sine"), "nonlinearity must be 'tanh' or 'relu', not 'sine'"),
        (lambda: RNN(3, 5, engine="gpu"), "engine must be"),
    ],
)
def test_settings_that_do_not_exist(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m(torch.zeros(4, 2, 7)), "must have 3 features of torch.float32, not 7"),
        (lambda m: m(torch.zeros(4, 2, 3).double()), "of torch.float64"),
        (lambda m: m(torch.zeros(4, 2, 3, 3)), "must have 3 axes"),
        (lambda m: m(torch.zeros(0, 2, 3)), "at least one step"),
        (lambda m: m(torch.zeros(4, 2, 3), torch.zeros(1, 3, 5)), r"must have shape \[1, 2, 5\], not \[1, 3, 5\]"),
        (lambda m: m(torch.zeros(4, 2, 3), torch.zeros(1, 2, 5).double()), "the state must be torch.float32"),
        (lambda m: m(torch.zeros(4, 2, 3), lengths=torch.tensor([4])), "2 whole numbers"),
        (lambda m: m(torch.zeros(4, 2, 3), lengths=torch.tensor([4.0, 2.0])), "2 whole numbers"),
        (lambda m: m(torch.zeros(4, 2, 3), lengths=torch.tensor([0, 4])), "from 1 to 4"),
        (lambda m: m(torch.zeros(4, 2, 3), lengths=torch.tensor([5, 4])), "from 1 to 4"),
    ],
)
def test_inputs_that_do_not_fit(call: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(GRU(3, 5))
