"""Where torch.nn has the cell, ours is the same: arguments, parameters, outputs, states, gradients."""

import inspect
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from samoyed.layers.recurrence import GRU, LSTM, RNN

from .conftest import assert_same, everything, parts, start

PAIRS = [
    (LSTM, nn.LSTM, {}),
    (LSTM, nn.LSTM, {"proj_size": 3}),
    (GRU, nn.GRU, {}),
    (RNN, nn.RNN, {}),
    (RNN, nn.RNN, {"nonlinearity": "relu"}),
]
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
SETTINGS: list[dict[str, Any]] = [
    {},
    {"bias": False},
    {"num_layers": 3},
    {"bidirectional": True, "batch_first": True},
    {"num_layers": 2, "bidirectional": True},
]
pairs = pytest.mark.parametrize(("ours", "theirs", "form"), PAIRS)
settings = pytest.mark.parametrize("setting", SETTINGS)


def both(ours: Any, theirs: Any, engine: str, **how: Any) -> tuple[Any, Any]:
    """Ours and theirs with equal parameters."""
    torch.manual_seed(0)
    reference = theirs(5, 9, **how)
    layer = ours(5, 9, engine="auto" if how.get("proj_size") and engine == "kernel" else engine, **how)
    layer.load_state_dict(reference.state_dict())
    return layer, reference


@pytest.mark.parametrize("engine", ["kernel", "reference", "auto"])
@settings
@pairs
def test_padded(ours: Any, theirs: Any, form: dict[str, Any], setting: dict[str, Any], engine: str) -> None:
    layer, reference = both(ours, theirs, engine, **form, **setting)
    x = torch.randn(8, 6, 5, requires_grad=True)
    hx = start(layer, 8 if layer.batch_first else 6)
    assert_same(everything(layer, x, hx), everything(reference, x, hx), 1e-5)
    assert_same(everything(layer, x), everything(reference, x), 1e-5)


@settings
@pairs
def test_the_reference_in_double_precision(
    ours: Any, theirs: Any, form: dict[str, Any], setting: dict[str, Any]
) -> None:
    layer, reference = both(ours, theirs, "reference", **form, **setting, dtype=torch.float64)
    x = torch.randn(8, 6, 5, dtype=torch.float64, requires_grad=True)
    hx = start(layer, 8 if layer.batch_first else 6)
    assert_same(everything(layer, x, hx), everything(reference, x, hx), 1e-10)


class Packed(nn.Module):
    """A layer of torch.nn over padded sequences, through torch's own packing."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Any, hx: Any, lengths: Any) -> Any:
        first = self.layer.batch_first
        packed = pack_padded_sequence(x, lengths, first, enforce_sorted=False)
        output, state = self.layer(packed, hx)
        return pad_packed_sequence(output, first, total_length=x.shape[1 if first else 0])[0], state


@pytest.mark.parametrize("engine", ["kernel", "reference", "auto"])
@settings
@pairs
def test_lengths(ours: Any, theirs: Any, form: dict[str, Any], setting: dict[str, Any], engine: str) -> None:
    layer, reference = both(ours, theirs, engine, **form, **setting)
    lengths = torch.tensor([3, 8, 1, 5, 8, 2])
    x = torch.randn((6, 8, 5) if layer.batch_first else (8, 6, 5), requires_grad=True)
    hx = start(layer, 6)
    assert_same(everything(layer, x, hx, lengths=lengths), everything(Packed(reference), x, hx, lengths=lengths), 1e-5)


@pytest.mark.parametrize("sorted_", [True, False])
@pairs
def test_packed(ours: Any, theirs: Any, form: dict[str, Any], sorted_: bool) -> None:
    layer, reference = both(ours, theirs, "kernel", num_layers=2, bidirectional=True, **form)
    lengths = torch.tensor([7, 4, 4, 1] if sorted_ else [4, 1, 7, 4])
    packed = pack_padded_sequence(torch.randn(7, 4, 5), lengths, enforce_sorted=sorted_)
    hx = start(layer, 4)
    (found, state), (expected, last) = layer(packed, hx), reference(packed, hx)
    assert isinstance(found, PackedSequence)
    assert torch.equal(found.batch_sizes, expected.batch_sizes)
    assert_same([found.data, *parts(state)], [expected.data, *parts(last)], 1e-5)
    assert torch.equal(pad_packed_sequence(found)[1], lengths)


@pairs
def test_a_single_sequence_without_a_batch(ours: Any, theirs: Any, form: dict[str, Any]) -> None:
    for first in (False, True):
        layer, reference = both(ours, theirs, "kernel", batch_first=first, **form)
        x = torch.randn(6, 5, requires_grad=True)
        state = start(layer, 1)
        hx = tuple(part[:, 0] for part in state) if isinstance(state, tuple) else state[:, 0]
        assert_same(everything(layer, x), everything(reference, x), 1e-5)
        found, expected = layer(x, hx), reference(x, hx)
        assert_same([found[0], *parts(found[1])], [expected[0], *parts(expected[1])], 1e-5)


@settings
@pairs
def test_parameters_go_both_ways(ours: Any, theirs: Any, form: dict[str, Any], setting: dict[str, Any]) -> None:
    layer, reference = ours(5, 9, **form, **setting), theirs(5, 9, **form, **setting)
    assert [(n, p.shape) for n, p in layer.named_parameters()] == [
        (n, p.shape) for n, p in reference.named_parameters()
    ]
    reference.load_state_dict(layer.state_dict())
    assert_same(everything(layer, x := torch.randn(4, 2, 5)), everything(reference, x), 1e-5)
    assert [[p.shape for p in some] for some in layer.all_weights] == [
        [p.shape for p in some] for some in reference.all_weights
    ]


@pairs
def test_the_same_seed_draws_the_same_parameters(ours: Any, theirs: Any, form: dict[str, Any]) -> None:
    torch.manual_seed(3)
    layer = ours(5, 9, num_layers=2, **form)
    torch.manual_seed(3)
    reference = theirs(5, 9, num_layers=2, **form)
    assert all(torch.equal(a, b) for a, b in zip(layer.parameters(), reference.parameters(), strict=True))


@pytest.mark.parametrize(("ours", "theirs"), [(LSTM, nn.LSTM), (GRU, nn.GRU), (RNN, nn.RNN)])
def test_arguments_stand_in_the_same_order(ours: Any, theirs: Any) -> None:
    names = [p.name for p in inspect.signature(ours).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    usual = ["input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional"]
    if theirs is nn.RNN:
        usual.insert(3, "nonlinearity")
    assert names == [*usual, *(["proj_size"] if theirs is nn.LSTM else []), "device", "dtype"]


def test_dropout_lies_between_layers_in_training_alone() -> None:
    layer, reference = both(LSTM, nn.LSTM, "kernel", num_layers=2, dropout=0.5)
    x = torch.randn(6, 3, 5)
    torch.manual_seed(1)
    first, _ = layer(x)
    second, _ = layer(x)
    assert not torch.equal(first, second)
    assert_same([layer.eval()(x)[0]], [reference.eval()(x)[0]], 1e-5)
    layer.train().dropout = 1.0  # nothing arrives in the second layer
    assert torch.equal(layer(x)[0], layer(torch.zeros_like(x))[0])
