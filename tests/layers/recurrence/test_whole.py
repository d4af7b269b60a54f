"""Int8 arithmetic against whole numbers in NumPy: products exactly, and every cell step by step, whatever the instructions."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from samoyed.layers import int8
from samoyed.layers.recurrence import LSTM, RNN, library, whole_steps
from samoyed.layers.recurrence.whole import Whole

from .conftest import parts

Floats = NDArray[np.float32]


@pytest.fixture(params=["vnni", "avx2", "portable", "pytorch"])
def instructions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each set of instructions that this processor has, and no kernels at all."""
    if request.param == "pytorch":
        monkeypatch.setattr("samoyed.layers.recurrence.whole.library", lambda: None)
        monkeypatch.setattr(whole_steps, "available", lambda device: False)
        yield request.param
        return
    kernels = library.library()
    if kernels is None or kernels.samoyed_whole_choose(request.param.encode()) is None:
        pytest.skip(f"no {request.param} here")
    yield request.param
    kernels.samoyed_whole_choose(None)


def rounded(x: Floats) -> tuple[NDArray[np.int64], Floats]:
    """x [N, K] -> whole numbers [N, K] and the scale of each row [N, 1]."""
    largest = np.abs(x).max(axis=1, keepdims=True)
    largest[largest == 0] = 1
    return np.rint(x * (np.float32(127) / largest)).astype(np.int64), largest / np.float32(127)


def by_hand(x: Floats, matrix: Whole, bias: Floats | None = None) -> Floats:
    """x M^T + b, summed in int64."""
    q, scale = rounded(x)
    sums = q @ matrix.numbers.numpy().astype(np.int64).T
    assert np.abs(sums).max() < 2**31
    y = sums.astype(np.float32) * (scale * matrix.scales.numpy())
    return y if bias is None else y + bias


def drawn(outputs: int, depth: int, seed: int = 0) -> Whole:
    draw = torch.Generator().manual_seed(seed)
    numbers = torch.randint(-127, 128, (outputs, depth), generator=draw, dtype=torch.int8)
    return Whole(numbers, 0.001 + 0.01 * torch.rand(outputs, generator=draw))


@pytest.mark.parametrize(
    ("rows", "depth", "outputs"), [(1, 1, 1), (1, 64, 160), (2, 7, 130), (5, 33, 17), (40, 130, 50)]
)
def test_products_are_those_of_whole_numbers(instructions: str, rows: int, depth: int, outputs: int) -> None:
    matrix, draw = drawn(outputs, depth), torch.Generator().manual_seed(1)
    x = torch.randn(rows, depth, generator=draw) * torch.logspace(-6, 6, rows)[:, None]
    bias = torch.randn(outputs, generator=draw)
    assert np.array_equal(matrix.product(x).numpy(), by_hand(x.numpy(), matrix))
    with_bias = matrix.product(x.view(1, rows, depth), bias)[0]
    assert np.allclose(with_bias, by_hand(x.numpy(), matrix, bias.numpy()), rtol=1e-6, atol=1e-6)


def test_the_largest_sums_do_not_overflow(instructions: str) -> None:
    matrix = Whole(torch.full((3, 60_000), -127, dtype=torch.int8), torch.ones(3))
    x = torch.ones(2, 60_000) * torch.tensor([[1.0], [-3.0]])
    assert np.array_equal(matrix.product(x).numpy(), by_hand(x.numpy(), matrix))


def test_zeros_stay_zeros_and_what_is_no_number_is_shown(instructions: str) -> None:
    x = torch.zeros(4, 9)
    x[1, 3], x[2], x[3] = float("nan"), 1e-38, 1.0
    y = drawn(5, 9).product(x)
    assert (y[[0, 2]] == 0).all()
    assert y[1].isnan().all()
    assert y[3].isfinite().all()


def test_a_row_does_not_depend_on_the_others(instructions: str) -> None:
    matrix, x = drawn(90, 70), torch.randn(23, 70)
    whole = matrix.product(x)
    for i in range(23):
        assert torch.equal(matrix.product(x[i : i + 1]), whole[i : i + 1])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_divide_rows_or_outputs(threads: int) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        for rows in (1, 30):
            matrix, x = drawn(601, 517), torch.randn(rows, 517)
            assert np.array_equal(matrix.product(x).numpy(), by_hand(x.numpy(), matrix))
    finally:
        torch.set_num_threads(before)


def s(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def step_by_hand(layer: Any, gates: list[Whole], x: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats]:
    """One step of any cell in NumPy: x [B, I], h and c [B, H] -> h and c."""
    ih, hh = gates
    b, d = layer.bias_ih_l0.detach().numpy(), layer.bias_hh_l0.detach().numpy()
    kind, size = layer.cell.kernel, layer.hidden_size
    a = by_hand(x, ih, b)
    if kind.startswith("gru"):
        u = by_hand(h, hh[: 2 * size], d[: 2 * size])
        r, z = s(a[:, :size] + u[:, :size]), s(a[:, size : 2 * size] + u[:, size:])
        if kind == "gru_after":
            n = np.tanh(a[:, 2 * size :] + r * by_hand(h, hh[2 * size :], d[2 * size :]))
        else:
            n = np.tanh(a[:, 2 * size :] + by_hand((r * h).astype(np.float32), hh[2 * size :], d[2 * size :]))
        return (1 - z) * n + z * h, c
    a = a + by_hand(h, hh, d)
    if kind.startswith("rnn"):
        return (np.tanh(a) if kind == "rnn_tanh" else np.maximum(a, 0)), c
    p = layer.weight_peephole_l0.detach().numpy() if layer.cell.peephole else np.zeros((3, size), np.float32)
    pieces = np.split(a, layer.cell.gates, 1)
    i, g, o = pieces[0], pieces[-2], pieces[-1]
    i = s(i + p[0] * c)
    f = {"lstm": lambda: s(pieces[1] + p[1] * c), "lstm_no_forget": lambda: 1.0, "lstm_coupled": lambda: 1 - i}[kind]()
    c = f * c + i * np.tanh(g)
    return s(o + p[-1] * c) * np.tanh(c), c


def engaged(layer: Any) -> Any:
    """The layer with its matrices in int8 and its parameters rounded alike."""
    for name, p in layer.named_parameters():
        if name.startswith(("weight_ih", "weight_hh")):
            p.data = p.data * 3
            scales = p.detach().abs().amax(1) / 127
            layer.whole[name] = Whole.of(p, scales)
            p.data = layer.whole[name].numbers * scales[:, None]
    return layer.eval()


@torch.no_grad()
def test_every_cell_is_its_equation_in_whole_numbers(cell: Callable[..., Any], instructions: str) -> None:
    """Step by step, from the state that the layer itself had: rounding has no slack that could hide an error."""
    torch.manual_seed(0)
    layer = engaged(cell(13, 21))
    if getattr(layer.cell, "layer_norm", False):
        pytest.skip("no kernel in int8")
    gates = [layer.whole["weight_ih_l0"], layer.whole["weight_hh_l0"]]
    x = torch.randn(12, 5, 13)
    y, _ = layer(x)
    h = c = np.zeros((5, 21), np.float32)
    for t in range(12):
        expected, c = step_by_hand(layer, gates, x[t].numpy(), h, c)
        assert np.allclose(y[t].numpy(), expected, rtol=1e-5, atol=1e-5), t
        h = y[t].numpy()


@torch.no_grad()
def test_directions_layers_lengths_and_pieces(cell: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernels make of a ragged batch is what the equations in PyTorch make of each sequence alone."""
    torch.manual_seed(1)
    layer = engaged(cell(6, 10, num_layers=2, bidirectional=True, batch_first=True))
    x, lengths = torch.randn(4, 9, 6), torch.tensor([9, 5, 9, 1])
    monkeypatch.setattr("samoyed.layers.recurrence.calls.PIECE", 7)
    y, state = layer(x, lengths=lengths)
    layer.engine = "reference"
    for i, length in enumerate(lengths.tolist()):
        alone, end = layer(x[i : i + 1, :length])
        assert torch.allclose(y[i, :length], alone[0], atol=1e-5)
        assert (y[i, length:] == 0).all()
        for ours, theirs in zip(parts(state), parts(end), strict=True):
            assert torch.allclose(ours[:, i], theirs[:, 0], atol=1e-5)


@torch.no_grad()
def test_every_cell_is_near_its_float32(any_cell: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    layer = engaged(any_cell(6, 10))
    x = torch.randn(7, 3, 6)
    y, _ = layer(x)
    layer.whole = {}
    exact, _ = layer(x)
    assert 0 < (y - exact).abs().max() < 0.1 * exact.abs().max()


def test_what_learns_is_float32() -> None:
    torch.manual_seed(0)
    layer, x = engaged(LSTM(4, 8)), torch.randn(6, 2, 4)
    plain = copy.deepcopy(layer)
    plain.whole = {}
    with_gradient, _ = layer(x)
    assert torch.equal(with_gradient, plain(x)[0])
    assert with_gradient.requires_grad
    with torch.no_grad():
        assert not torch.equal(layer(x)[0], plain(x)[0])
        assert torch.equal(layer.train()(x)[0], plain(x)[0])


def test_a_network_is_engaged_and_released() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(300, 500), nn.ReLU(), nn.Linear(500, 5), RNN(5, 200)).eval()
    scales = {}
    for name, p in model.named_parameters():
        if p.dim() > 1:
            scales[name] = p.detach().abs().amax(1) / 127
            p.data = Whole.of(p, scales[name]).numbers * scales[name][:, None]
    x, names = torch.randn(6, 300), list(model.state_dict())
    with torch.no_grad():
        before = model(x)[0]
        assert int8.engage(model, scales) == ["0", "3"]  # the other is too small to gain
        after = model(x)[0]
        assert 0 < (after - before).abs().max() < 0.05
        with int8.released(model):
            assert torch.equal(model(x)[0], before)
        assert torch.equal(model(x)[0], after)
        assert list(model.state_dict()) == names
    assert torch.equal(model(x)[0], before)  # under autograd
    int8.release(model)
    with torch.no_grad():
        assert torch.equal(model(x)[0], before)


def test_numbers_come_back_from_one_scale_for_all_rows() -> None:
    numbers = torch.randint(-90, 90, (6, 40), dtype=torch.int8)
    made = Whole.of(numbers.float() * 0.013, torch.tensor([0.013]))
    assert torch.equal(made.numbers, numbers)
    assert torch.equal(made.scales, torch.full((6,), 0.013))


@pytest.mark.parametrize("vnni", [True, False])
@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 1, 1), (2, 0, 1), ((1, 2), (2, 1), 2)])
def test_convolutions_are_those_of_whole_numbers(
    monkeypatch: pytest.MonkeyPatch, vnni: bool, stride: Any, padding: Any, dilation: Any
) -> None:
    if vnni and not int8._vnni():
        pytest.skip("no VNNI here")
    monkeypatch.setattr(int8, "_vnni", lambda: vnni)
    torch.manual_seed(0)
    layer = nn.Conv2d(32, 40, 3, stride, padding, dilation).eval()
    scales = layer.weight.detach().abs().amax((1, 2, 3)) / 127
    assert int8.engage(nn.Sequential(layer), {"0.weight": scales}) == ["0"]
    x = torch.randn(5, 32, 9, 11) * torch.logspace(-3, 3, 5).view(-1, 1, 1, 1)
    x[4] = 0
    with torch.no_grad():
        y = layer(x)
    pictures = torch.nn.functional.unfold(x, 3, dilation, padding, stride)  # [B, 32 9, places]
    numbers = layer.whole.numbers.numpy().astype(np.int64)
    for picture, whole, found in zip(pictures, x, y, strict=True):
        largest = np.float32(max(float(whole.abs().max()), 1e-20))
        q = np.rint(picture.numpy() * (np.float32(127) / largest)).astype(np.int64)
        sums = (numbers @ q).astype(np.float32)
        expected = sums * (largest / np.float32(127)) * scales.numpy()[:, None] + layer.bias.detach().numpy()[:, None]
        assert np.allclose(found.flatten(1).numpy(), expected, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        assert torch.equal(layer(x[1:2]), y[1:2])  # alone as together
        exact = nn.functional.conv2d(x[:4], layer.weight, layer.bias, stride, padding, dilation)
        off = (y[:4] - exact).abs().amax((1, 2, 3)) / exact.abs().amax((1, 2, 3))
        assert (off < 0.03).all()
    copy.deepcopy(layer)
    few = nn.Conv2d(3, 40, 3)
    assert int8.engage(nn.Sequential(few), {"0.weight": torch.ones(40)}) == []
