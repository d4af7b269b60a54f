"""The kernels against the reference: sizes of every kind, every instruction set, threads, lengths, layouts."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from samoyed.layers.recurrence import LSTM, build
from samoyed.layers.recurrence.library import library

from .conftest import CELLS, assert_same, everything, parts, start

kernels = library() if build.compiler() else None
pytestmark = pytest.mark.skipif(kernels is None, reason="no C compiler")
SIZES = [(1, 1, 1, 1), (4, 1, 3, 16), (1, 5, 2, 17), (6, 7, 5, 15), (5, 13, 40, 33), (9, 3, 1, 64), (3, 25, 4, 70)]
CODES = ["avx512", "avx2", "portable"]


@pytest.fixture(params=CODES)
def code(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set that this processor has."""
    assert kernels is not None
    if kernels.samoyed_choose(request.param.encode()) is None:
        pytest.skip(f"this processor has no {request.param}")
    yield request.param
    kernels.samoyed_choose(None)


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets torch's number of threads, and puts it back."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def pair(cell: Callable[..., Any], inputs: int, hidden: int, **how: Any) -> tuple[Any, Any]:
    """A layer by the kernels in float32, and by the reference in float64, with equal parameters."""
    layer = cell(inputs, hidden, engine="kernel", **how)
    reference = cell(inputs, hidden, engine="reference", dtype=torch.float64, **how)
    reference.load_state_dict(layer.state_dict())
    return layer, reference


def rounding(layer: Any) -> float:
    """How many times as much rounding a cell leaves: a normalisation divides by what may be small, forward and backward."""
    return 5.0 if getattr(layer.cell, "layer_norm", False) else 1.0


def exact(layer: Any, *size: int) -> torch.Tensor:
    """An input of `size`, such that W x + b holds no rounding: torch's product may then sum in any order."""
    for name, parameter in layer.named_parameters():
        if not name.startswith("weight_hh"):
            parameter.data.mul_(64).round_().div_(64)
    return (torch.randn(*size) * 4).round().div(4).requires_grad_()


def wide(state: Any) -> Any:
    """A state in float64, as leaves."""
    return tuple(map(wide, state)) if isinstance(state, tuple) else state.detach().double().requires_grad_()


@pytest.mark.parametrize(("steps", "batch", "inputs", "hidden"), SIZES)
@pytest.mark.parametrize("reverse", [False, True])
def test_sizes(
    cell: Callable[..., Any], code: str, steps: int, batch: int, inputs: int, hidden: int, reverse: bool
) -> None:
    torch.manual_seed(0)
    layer, reference = pair(cell, inputs, hidden, bidirectional=reverse)
    x, hx = torch.randn(steps, batch, inputs, requires_grad=True), start(layer, batch)
    there = x.detach().double().requires_grad_()
    assert_same(everything(layer, x, hx), everything(reference, there, wide(hx)), 1e-5 * rounding(layer))


@pytest.mark.parametrize(
    "settings", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False, "batch_first": True}]
)
def test_lengths(cell: Callable[..., Any], settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer, reference = pair(cell, 6, 21, **settings)
    lengths = torch.randint(1, 12, (14,))
    x = torch.randn((14, 11, 6) if layer.batch_first else (11, 14, 6), requires_grad=True)
    hx, there = start(layer, 14), x.detach().double().requires_grad_()
    found = everything(layer, x, hx, lengths=lengths)
    assert_same(found, everything(reference, there, wide(hx), lengths=lengths), 1e-5 * rounding(layer))


def test_padding_changes_nothing_and_costs_nothing(any_cell: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    layer = any_cell(4, 9, num_layers=2, bidirectional=True, batch_first=True)
    lengths = torch.tensor([5, 2, 7, 1])
    x = torch.randn(4, 7, 4)
    rubbish = x.clone()
    for b, length in enumerate(lengths.tolist()):
        rubbish[b, length:] = float("nan") if b % 2 else 1e30
    found = everything(layer, x.requires_grad_(), lengths=lengths)
    again = everything(layer, rubbish.requires_grad_(), lengths=lengths)
    assert all(torch.equal(a, b) for a, b in zip(found, again, strict=True))
    for b, length in enumerate(lengths.tolist()):
        assert not found[0][b, length:].any()
        alone, _ = layer(x[b : b + 1, :length])
        assert_same([found[0][b : b + 1, :length]], [alone], 1e-5 * rounding(layer))


def test_long_sequences_are_taken_in_pieces(cell: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer = cell(3, 10, bidirectional=True, engine="kernel")
    x, hx = exact(layer, 23, 5, 3), start(layer, 5)
    for lengths in (None, torch.tensor([23, 9, 1, 14, 22])):
        whole = everything(layer, x, hx, lengths=lengths)
        with torch.no_grad():
            quiet, _ = layer(x, hx, lengths=lengths)
        for rows in (1, 12, 30):
            monkeypatch.setattr("samoyed.layers.recurrence.calls.PIECE", rows)
            assert_same(everything(layer, x, hx, lengths=lengths), whole, 2e-6)
            with torch.no_grad():
                assert torch.equal(layer(x, hx, lengths=lengths)[0], quiet)
        monkeypatch.undo()


@pytest.mark.parametrize("lengths", [None, [9, 30, 1, 30, 17, 4, 22, 8, 9, 10, 11]])
def test_threads_change_nothing(
    cell: Callable[..., Any], threads: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, lengths: Any
) -> None:
    monkeypatch.setattr("samoyed.layers.recurrence.calls.SMALL", 0)
    torch.manual_seed(0)
    layer = cell(5, 24, bidirectional=True, engine="kernel")
    x, hx = exact(layer, 30, 11, 5), start(layer, 11)
    how = {} if lengths is None else {"lengths": torch.tensor(lengths)}
    states = 1 + layer.cell.states
    with_threads = []
    for count in (1, 2, 3, 16):
        threads(count)
        with_threads.append(everything(layer, x, hx, **how))
    for other in with_threads[1:]:
        for a, b in zip(other[:states], with_threads[0][:states], strict=True):
            assert torch.equal(a, b)
        assert_same(other, with_threads[0], 5e-6)  # sums over the batch run in another order


def test_a_sequence_gets_the_same_numbers_in_every_batch(cell: Callable[..., Any]) -> None:
    layer = cell(4, 19, engine="kernel")
    x = exact(layer, 6, 40, 4)
    together, _ = layer(x)
    for some in (slice(0, 1), slice(5, 12), slice(20, 39)):
        assert torch.equal(layer(x[:, some])[0], together[:, some])


def test_layouts_and_parts_that_need_no_gradient(cell: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    layer, reference = pair(cell, 6, 12)
    base = torch.randn(6, 9, 14)
    for x in (base.permute(2, 1, 0), base.permute(2, 1, 0)[::2], torch.randn(1, 1, 6).expand(5, 3, 6)):
        assert not x.is_contiguous()
        assert_same(everything(layer, x), everything(reference, x.double()), 1e-5 * rounding(layer))
        leaf = x.detach().requires_grad_()
        (found,) = torch.autograd.grad(layer(leaf)[0].sum(), leaf)  # the gradient that arrives is expanded
        there = x.detach().double().requires_grad_()
        (expected,) = torch.autograd.grad(reference(there)[0].sum(), there)
        assert_same([found], [expected], 1e-5 * rounding(layer))
    for parameter in layer.parameters():
        parameter.requires_grad_(False)
    x = torch.randn(4, 3, 6, requires_grad=True)
    output, _ = layer(x)
    output.sum().backward()
    assert x.grad is not None
    assert not layer(x.detach())[0].requires_grad
    state_alone = layer(x)[1]
    first = state_alone[0] if isinstance(state_alone, tuple) else state_alone
    (by_state,) = torch.autograd.grad(first.sum(), x)
    (by_output,) = torch.autograd.grad(layer(x)[0][-1].sum(), x)
    assert_same([by_state], [by_output], 1e-6)


def test_infinity_and_nan_are_not_hidden(cell: Callable[..., Any], code: str) -> None:
    layer = cell(3, 20, engine="kernel")
    for value in (float("nan"), float("inf")):
        x = torch.zeros(5, 2, 3)
        x[2, 1] = value
        output, _ = layer(x)
        assert torch.isfinite(output[:, 0]).all()
        assert torch.isfinite(output[:2]).all()
        if value != value:
            assert torch.isnan(output[2:, 1]).all()
    large = cell(3, 20, engine="kernel")(torch.randn(5, 2, 3) * 1e6)[0]
    assert torch.isfinite(large).all()


def test_small_values_keep_their_precision(code: str) -> None:
    layer = CELLS["rnn"](1, 40, bias=False, engine="kernel")
    torch.nn.init.ones_(layer.weight_ih_l0)
    torch.nn.init.zeros_(layer.weight_hh_l0)
    x = torch.cat([torch.logspace(-30, 2, 4000), -torch.logspace(-30, 2, 4000)]).view(-1, 1, 1)
    with torch.no_grad():
        found = layer(x)[0][..., 0].double().squeeze()
    expected = torch.tanh(x.double()).squeeze()
    assert float(((found - expected) / expected).abs().max()) < 5e-7


def test_random_sizes(
    cell: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, threads: Callable[[int], None]
) -> None:
    draw = random.Random(0)
    torch.manual_seed(0)
    for _ in range(8):
        monkeypatch.setattr("samoyed.layers.recurrence.calls.SMALL", draw.choice([0, 2**19]))
        monkeypatch.setattr("samoyed.layers.recurrence.calls.PIECE", draw.choice([1, 7, 1024]))
        threads(draw.choice([1, 2, 3]))
        steps, batch, inputs, hidden = (
            draw.randint(1, 12),
            draw.randint(1, 20),
            draw.randint(1, 40),
            draw.randint(1, 80),
        )
        layer, reference = pair(cell, inputs, hidden, bidirectional=draw.random() < 0.5, num_layers=draw.choice([1, 2]))
        how = {"lengths": torch.randint(1, steps + 1, (batch,))} if draw.random() < 0.5 else {}
        x, hx = torch.randn(steps, batch, inputs, requires_grad=True), start(layer, batch)
        there = x.detach().double().requires_grad_()
        assert_same(
            everything(layer, x, hx, **how), everything(reference, there, wide(hx), **how), 2e-5 * rounding(layer)
        )


def test_an_empty_batch(cell: Callable[..., Any]) -> None:
    layer = cell(3, 5, engine="kernel")
    x = torch.zeros(4, 0, 3, requires_grad=True)
    output, _ = layer(x)
    assert output.shape == (4, 0, 5)
    output.sum().backward()
    assert all(p.grad is not None and not p.grad.any() for p in layer.parameters())


def test_inference_keeps_nothing() -> None:
    layer = LSTM(3, 8, engine="kernel")
    with torch.inference_mode():
        output, _ = layer(torch.randn(5, 2, 3))
    assert not output.requires_grad
    assert_same([layer(x := torch.randn(5, 2, 3))[0]], [layer(x.requires_grad_())[0]], 0)


def test_bfloat16_is_float32_rounded_once(cell: Callable[..., Any]) -> None:
    """Rows in bfloat16 are computed in float32: the answer is that of float32 on the same numbers, rounded at the end."""
    torch.manual_seed(0)
    narrow = cell(5, 24, engine="kernel", dtype=torch.bfloat16)
    wide = cell(5, 24, engine="kernel")
    wide.load_state_dict({name: value.float() for name, value in narrow.state_dict().items()})
    x = torch.randn(9, 4, 5).bfloat16().requires_grad_()
    lengths = torch.tensor([9, 3, 5, 1])
    slope = torch.randn(9, 4, 24).bfloat16()
    answers, slopes = [], []
    for layer, given in ((narrow, x), (wide, x.detach().float().requires_grad_())):
        output, state = layer(given, lengths=lengths)
        answers.append([output, *parts(state)])
        slopes.append(torch.autograd.grad(output, [given, *layer.parameters()], slope.to(output.dtype)))
    for found, expected in zip((*answers[0], *slopes[0]), (*answers[1], *slopes[1]), strict=True):
        assert found.dtype == torch.bfloat16
        assert torch.equal(found, expected.bfloat16())
