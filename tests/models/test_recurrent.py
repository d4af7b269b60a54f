"""Recurrent models against their equations, one step at a time in NumPy float64, from their own weights.

Legend: B batch, T time, H hidden. torch.nn stores the gates of a layer below one another: i, f, g, o and r, z, n.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from samoyed.models.gru import GRUForecaster, GRUImageClassifier, GRULanguageModel
from samoyed.models.lstm import LSTMForecaster, LSTMImageClassifier, LSTMLanguageModel
from samoyed.models.rnn import RNNForecaster, RNNImageClassifier, RNNLanguageModel

Array = NDArray[np.float64]
LANGUAGE = {"rnn": RNNLanguageModel, "lstm": LSTMLanguageModel, "gru": GRULanguageModel}
FORECAST = {"rnn": RNNForecaster, "lstm": LSTMForecaster, "gru": GRUForecaster}
SCAN = {"rnn": RNNImageClassifier, "lstm": LSTMImageClassifier, "gru": GRUImageClassifier}
each_kind = pytest.mark.parametrize("kind", LANGUAGE)
each_depth = pytest.mark.parametrize("layers", [1, 3])


def logistic(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def rnn(x: Array, h: Array, c: Array, w: Array, u: Array, b: Array, d: Array) -> tuple[Array, Array]:
    return np.tanh(w @ x + b + u @ h + d), c


def lstm(x: Array, h: Array, c: Array, w: Array, u: Array, b: Array, d: Array) -> tuple[Array, Array]:
    i, f, g, o = np.split(w @ x + b + u @ h + d, 4)
    c = logistic(f) * c + logistic(i) * np.tanh(g)
    return logistic(o) * np.tanh(c), c


def gru(x: Array, h: Array, c: Array, w: Array, u: Array, b: Array, d: Array) -> tuple[Array, Array]:
    (r, z, n), (hr, hz, hn) = np.split(w @ x + b, 3), np.split(u @ h + d, 3)
    r, z = logistic(r + hr), logistic(z + hz)
    return (1 - z) * np.tanh(n + r * hn) + z * h, c


CELLS: dict[str, Callable[..., tuple[Array, Array]]] = {"rnn": rnn, "lstm": lstm, "gru": gru}


def recur(kind: str, w: dict[str, Array], sequence: Array, layers: int) -> tuple[Array, list[Array], list[Array]]:
    """sequence [T, F] -> the top layer's hidden states [T, H], and each layer's last h and c."""
    hidden, ends, cells = sequence, [], []
    for layer in range(layers):
        names = (f"recurrent.{kind}_l{layer}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        parts = [w[name] for name in names]
        h = c = np.zeros(parts[1].shape[1])
        rows = []
        for x in hidden:
            h, c = CELLS[kind](x, h, c, *parts)
            rows.append(h)
        hidden = np.stack(rows)
        ends.append(h)
        cells.append(c)
    return hidden, ends, cells


@each_depth
@each_kind
def test_language_models_are_their_equations(kind: str, layers: int, weights: Callable[..., dict[str, Array]]) -> None:
    model = LANGUAGE[kind](vocab_size=7, embedding_size=5, hidden_size=6, num_layers=layers).double().eval()
    w, tokens = weights(model), torch.randint(7, (3, 11))
    logits, state = model(tokens)
    assert logits.shape == (3, 11, 7)
    for row in range(3):
        embedded = w["embedding.weight"][tokens[row].numpy()]
        hidden, ends, cells = recur(kind, w, embedded, layers)
        wanted = hidden @ w["output.weight"].T + w["output.bias"]
        assert np.abs(logits[row].detach().numpy() - wanted).max() < 1e-12
        h = state[0] if kind == "lstm" else state
        assert np.abs(h[:, row].detach().numpy() - np.stack(ends)).max() < 1e-12
        if kind == "lstm":
            assert np.abs(state[1][:, row].detach().numpy() - np.stack(cells)).max() < 1e-12


@each_depth
@each_kind
def test_forecasters_are_their_equations(kind: str, layers: int, weights: Callable[..., dict[str, Array]]) -> None:
    model = FORECAST[kind](input_size=2, horizon=4, hidden_size=6, num_layers=layers).double().eval()
    w, past = weights(model), torch.randn(3, 9, 2).double()
    future = model(past)
    assert future.shape == (3, 4)
    for row in range(3):
        hidden, _, _ = recur(kind, w, past[row].numpy(), layers)
        wanted = w["output.weight"] @ hidden[-1] + w["output.bias"]
        assert np.abs(future[row].detach().numpy() - wanted).max() < 1e-12


@each_kind
@pytest.mark.parametrize("scan", ["rows", "pixels"])
def test_scanned_pictures_are_their_equations(kind: str, scan: str, weights: Callable[..., dict[str, Array]]) -> None:
    model = SCAN[kind](image_shape=(2, 3, 4), num_classes=5, scan=scan, hidden_size=6, num_layers=2).double()
    w = weights(model)
    images = np.random.default_rng(0).normal(size=(3, 2, 3, 4))
    found = model(torch.from_numpy(images)).detach().numpy()
    for image, logits in zip(images, found, strict=True):
        rows = [image[:, y].reshape(-1) for y in range(3)]
        pixels = [image[:, y, x] for y in range(3) for x in range(4)]
        hidden, _, _ = recur(kind, w, np.stack(rows if scan == "rows" else pixels), 2)
        np.testing.assert_allclose(logits, w["output.weight"] @ hidden[-1] + w["output.bias"], rtol=1e-10, atol=1e-12)


@each_depth
@each_kind
def test_a_sequence_in_parts_is_the_whole(kind: str, layers: int) -> None:
    model = LANGUAGE[kind](vocab_size=7, hidden_size=6, num_layers=layers).double().eval()
    tokens = torch.randint(7, (3, 12))
    whole, end = model(tokens)
    state: Any = None
    parts = []
    for chunk in tokens.split((5, 1, 4, 2), dim=1):
        part, state = model(chunk, state)
        parts.append(part)
    assert torch.allclose(torch.cat(parts, 1), whole, rtol=0, atol=1e-13)
    for mine, other in zip(flat(state), flat(end), strict=True):
        assert torch.allclose(mine, other, rtol=0, atol=1e-13)
    anew, _ = model(tokens[:, 5:])
    assert not torch.allclose(anew[:, 0], whole[:, 5]), "the state must matter"


def flat(state: Any) -> list[torch.Tensor]:
    return list(state) if isinstance(state, tuple) else [state]


@each_kind
def test_dropout_is_where_it_is_said_to_be(kind: str) -> None:
    """On the embedding, between layers and before the output in training; nowhere in evaluation."""
    for model, given in (
        (LANGUAGE[kind](vocab_size=7, num_layers=2, dropout=0.5), torch.randint(7, (2, 5))),
        (FORECAST[kind](input_size=1, horizon=2, num_layers=2, dropout=0.5), torch.randn(2, 5, 1)),
    ):
        assert model.recurrent.dropout == 0.5
        answers = [first(model.train()(given)) for _ in range(2)]
        assert not torch.equal(*answers)
        answers = [first(model.eval()(given)) for _ in range(2)]
        assert torch.equal(*answers)
    seen: list[torch.Tensor] = []
    single = LANGUAGE[kind](vocab_size=7, dropout=0.5).train()
    assert single.recurrent.dropout == 0.0  # one layer has nothing between
    for layer in (single.recurrent, single.output):
        layer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    single(torch.randint(7, (4, 50)))
    for inputs in seen:
        assert float((inputs == 0).float().mean()) == pytest.approx(0.5, abs=0.05)


def first(answer: Any) -> torch.Tensor:
    return answer[0] if isinstance(answer, tuple) else answer


@each_kind
def test_parameters_are_counted_by_hand(kind: str) -> None:
    gates = {"rnn": 1, "lstm": 4, "gru": 3}[kind]
    model: nn.Module = LANGUAGE[kind](vocab_size=11, embedding_size=5, hidden_size=6, num_layers=2)
    core = gates * (6 * 5 + 6 * 6 + 12) + gates * (6 * 6 + 6 * 6 + 12)
    assert sum(p.numel() for p in model.parameters()) == 11 * 5 + core + 6 * 11 + 11
    model = FORECAST[kind](input_size=3, horizon=4, hidden_size=6)
    assert sum(p.numel() for p in model.parameters()) == gates * (6 * 3 + 6 * 6 + 12) + 6 * 4 + 4


# Variants, and what keeps a network from learning by heart

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "no forget gate": ("lstm", {"forget": "none"}),
    "coupled gates": ("lstm", {"forget": "coupled"}),
    "peepholes": ("lstm", {"peephole": True}),
    "layer norm": ("lstm", {"layer_norm": True}),
    "reset before": ("gru", {"reset": "before"}),
    "irnn": ("rnn", {"nonlinearity": "relu", "identity": True}),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_its_cell(name: str) -> None:
    """Step by step through the cell's definition, which tests/layers/recurrence holds against the equations."""
    kind, given = VARIANTS[name]
    model = LANGUAGE[kind](vocab_size=7, embedding_size=5, hidden_size=6, **given)
    forecaster = FORECAST[kind](input_size=5, horizon=2, hidden_size=6, **given)
    forecaster.recurrent.load_state_dict(model.recurrent.state_dict())
    tokens = torch.randint(7, (3, 9))
    core = model.recurrent
    x, state = model.embedding(tokens), tuple(torch.zeros(3, 6) for _ in range(core.cell.states))
    for t in range(9):
        state = core.cell.step(core.cell.project(x[:, t], core._weights("_l0")), state, core._weights("_l0"))
        assert torch.allclose(model(tokens)[0][:, t], model.output(state[0]), atol=1e-5)
    assert torch.allclose(forecaster(x), forecaster.output(state[0]), atol=1e-5)
    plain = LANGUAGE[kind](vocab_size=7, embedding_size=5, hidden_size=6)
    assert str(plain.recurrent) != str(core)


def test_the_forget_gate_begins_where_it_is_told() -> None:
    model = LSTMLanguageModel(vocab_size=7, hidden_size=6, forget_bias=1.5)
    bias = model.recurrent.bias_ih_l0 + model.recurrent.bias_hh_l0
    assert torch.equal(bias[6:12], torch.full((6,), 1.5))


@pytest.mark.parametrize("size", [6, 5])
def test_tied_embeddings_write_and_read(size: int) -> None:
    model = GRULanguageModel(vocab_size=7, embedding_size=size, hidden_size=6, tied=True)
    model.bias.data.normal_()
    tokens = torch.randint(7, (2, 4))
    hidden, _ = model.recurrent(model.embedding(tokens))
    shown = hidden if size == 6 else hidden @ model.projection.weight.T
    wanted = shown @ model.embedding.weight.T + model.bias
    assert torch.allclose(model(tokens)[0], wanted, atol=1e-6)
    assert "output.weight" not in model.state_dict()
    assert sum(p.shape == (7, size) for p in model.parameters()) == 1


@pytest.mark.parametrize("engine", ["kernel", "reference", "torch"])
@each_kind
def test_variational_dropout_is_the_same_at_every_step(kind: str, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = LANGUAGE[kind](vocab_size=7, embedding_size=40, hidden_size=50, num_layers=2, dropout=0.5, variational=True)
    if engine == "torch":
        monkeypatch.setattr("samoyed.layers.recurrence.stack.available", lambda _: False)
    else:
        model.recurrent.engine = engine
    seen: list[torch.Tensor] = []
    whole = type(model.recurrent)._dropped
    monkeypatch.setattr(
        type(model.recurrent), "_dropped", lambda self, x, sizes: seen.append(whole(self, x, sizes)) or seen[-1]
    )
    for layer in (model.recurrent, model.output):
        layer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    model.train()(torch.randint(7, (3, 8)))
    assert len(seen) == 3
    for left in (seen[0], seen[1].view(8, 3, 50).transpose(0, 1), seen[2]):
        gone = left == 0
        assert torch.equal(gone, gone[:, :1].expand_as(gone))
        assert 0.3 < float(gone.float().mean()) < 0.7
        assert not torch.equal(gone[0], gone[1])
    tokens = torch.randint(7, (3, 8))
    assert torch.equal(model.eval()(tokens)[0], model(tokens)[0])


@each_kind
def test_variational_dropout_follows_lengths(kind: str) -> None:
    core = LANGUAGE[kind](vocab_size=7, hidden_size=50, num_layers=2, dropout=0.5, variational=True).recurrent.train()
    x = torch.ones(6, 4)  # rows of three steps of three, two and one sequences
    torch.manual_seed(1)
    dropped = core._dropped(x, [3, 2, 1])
    assert torch.equal(dropped[:2], dropped[3:5])
    assert torch.equal(dropped[0], dropped[5])


@pytest.mark.parametrize("engine", ["auto", "reference", "torch"])
@each_kind
def test_weight_dropout_is_of_the_recurrent_weights(kind: str, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all of U left out, as a network whose U is 0; in evaluation, nothing is."""
    model = LANGUAGE[kind](vocab_size=7, hidden_size=6, weight_dropout=0.999999).train()
    if engine == "torch":
        monkeypatch.setattr("samoyed.layers.recurrence.stack.available", lambda _: False)
    else:
        model.recurrent.engine = engine
    bare = LANGUAGE[kind](vocab_size=7, hidden_size=6)
    bare.load_state_dict(model.state_dict())
    bare.recurrent.weight_hh_l0.data.zero_()
    tokens = torch.randint(7, (2, 5))
    assert torch.allclose(model(tokens)[0], bare(tokens)[0], atol=1e-6)
    bare.load_state_dict(model.state_dict())
    assert torch.allclose(model.eval()(tokens)[0], bare(tokens)[0], atol=1e-6)
    some = LANGUAGE[kind](vocab_size=7, hidden_size=50, weight_dropout=0.5).train()
    used = some.recurrent._used("_l0").weight_hh
    assert float((used == 0).float().mean()) == pytest.approx(0.5, abs=0.1)
    kept = used != 0
    assert torch.allclose(used[kept], 2 * some.recurrent.weight_hh_l0[kept])
