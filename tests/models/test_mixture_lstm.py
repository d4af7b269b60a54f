"""The mixture-density LSTM against its equations, one step at a time in NumPy float64, and against finite differences."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from samoyed.explaining.gradient_check import check_gradients
from samoyed.models.mixture_lstm import MixtureLSTM

Array = NDArray[np.float64]
SIZES: dict[str, Any] = {"point_size": 3, "hidden_size": 5, "components": 2, "windows": 2}


def logistic(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def lstm(x: Array, h: Array, c: Array, w: dict[str, Array], n: int) -> tuple[Array, Array]:
    of = {name: w[f"layers.{n}.{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    i, f, g, o = np.split(of["weight_ih"] @ x + of["bias_ih"] + of["weight_hh"] @ h + of["bias_hh"], 4)
    peep = w.get(f"layers.{n}.weight_peephole_l0", np.zeros((3, len(h))))
    c = logistic(f + peep[1] * c) * c + logistic(i + peep[0] * c) * np.tanh(g)
    return logistic(o + peep[2] * c) * np.tanh(c), c


def by_hand(w: dict[str, Array], points: Array, text: list[int] | None, letters: int, layers: int) -> Array:
    """points [T, 3] -> [T, 6 M + 2], the equations of the docstring."""
    h, c = np.zeros((layers, 5)), np.zeros((layers, 5))
    k, v = np.zeros(2), np.zeros(letters)
    said = []
    for x in points:
        h[0], c[0] = lstm(np.concatenate([x, v]), h[0], c[0], w, 0)
        if text is not None:
            a, b, ahead = np.split(np.exp(w["window.weight"] @ h[0] + w["window.bias"]), 3)
            k = k + ahead
            v = np.zeros(letters)
            for u, letter in enumerate(text, 1):
                v[letter] += sum(a[j] * np.exp(-b[j] * (k[j] - u) ** 2) for j in range(2))
        for n in range(1, layers):
            h[n], c[n] = lstm(np.concatenate([x, v, h[n - 1]]), h[n], c[n], w, n)
        said.append(w["output.weight"] @ h.reshape(-1) + w["output.bias"])
    return np.stack(said)


@pytest.mark.parametrize("peephole", [False, True])
@pytest.mark.parametrize("layers", [1, 3])
def test_it_is_its_equations(layers: int, peephole: bool, weights: Callable[[nn.Module], dict[str, Array]]) -> None:
    model = MixtureLSTM(alphabet_size=4, num_layers=layers, peephole=peephole, **SIZES).double().eval()
    w = weights(model)
    points, text = torch.randn(2, 9, 3, dtype=torch.float64), torch.tensor([[1, 3, 2], [2, 1, 0]])
    found, _ = model(points, text, torch.tensor([3, 2]))
    for row, letters in enumerate(([1, 3, 2], [2, 1])):
        assert np.abs(found[row].detach().numpy() - by_hand(w, points[row].numpy(), letters, 4, layers)).max() < 1e-12
    bare = MixtureLSTM(alphabet_size=0, num_layers=layers, peephole=peephole, **SIZES).double().eval()
    w = weights(bare)
    assert np.abs(bare(points)[0][1].detach().numpy() - by_hand(w, points[1].numpy(), None, 0, layers)).max() < 1e-12


def test_gradients_are_those_of_finite_differences() -> None:
    model = MixtureLSTM(alphabet_size=3, num_layers=2, **SIZES).double().eval()
    points, text = torch.randn(2, 5, 3, dtype=torch.float64), torch.tensor([[1, 2, 0], [2, 2, 1]])

    def loss() -> torch.Tensor:
        total: torch.Tensor = model(points, text, torch.tensor([2, 3]))[0].tanh().sum()
        return total

    assert check_gradients(loss, dict(model.named_parameters()), samples=12).ok()


@pytest.mark.parametrize("letters", [0, 4])
def test_steps_are_those_of_the_whole(letters: int) -> None:
    """State carried from point to point, and from chunk to chunk."""
    model = MixtureLSTM(alphabet_size=letters, num_layers=2, **SIZES).eval()
    points, text = torch.randn(2, 8, 3), torch.tensor([[1, 3, 2], [2, 1, 0]])
    whole, _ = model(points, text)
    parts, state = [], None
    for chunk in (points[:, :1], points[:, 1:4], points[:, 4:]):
        said, state = model(chunk, text, state=state)
        parts.append(said)
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-6)


@pytest.mark.parametrize("letters", [0, 4])
def test_padding_changes_nothing(letters: int) -> None:
    model = MixtureLSTM(alphabet_size=letters, num_layers=2, **SIZES).eval()
    points, text, lengths = (
        torch.randn(3, 8, 3),
        torch.tensor([[1, 3, 2], [2, 1, 3], [3, 3, 1]]),
        torch.tensor([8, 3, 5]),
    )
    whole, _ = model(points, text, torch.tensor([3, 2, 1]), lengths)
    for row, (length, many) in enumerate(((8, 3), (3, 2), (5, 1))):
        alone, _ = model(points[row : row + 1, :length], text[row : row + 1, :many])
        assert torch.allclose(whole[row, :length], alone[0], atol=1e-6)


def test_the_window_counts_the_letters_that_are_left() -> None:
    model = MixtureLSTM(alphabet_size=4, num_layers=1, **SIZES).eval()
    text, lengths = torch.tensor([[1, 3, 2], [2, 1, 0]]), torch.tensor([3, 2])
    with torch.no_grad():
        model.window.weight.zero_()
        model.window.bias.zero_()
        model.window.bias[4:] = 0.0  # the window goes on by one letter at every point
    seen = []
    state = None
    for _ in range(4):
        _, state = model(torch.randn(2, 1, 3), text, lengths, state=state)
        seen.append(model.letters_left(state, lengths).tolist())
    assert seen == [[2, 1], [1, 0], [0, -1], [-1, -2]]
    bare = MixtureLSTM(alphabet_size=0, **SIZES)
    assert bare.letters_left(None, lengths).tolist() == [0, 0]


def test_a_text_that_is_needed_must_be_given() -> None:
    with pytest.raises(ValueError, match="given none"):
        MixtureLSTM(alphabet_size=4, **SIZES)(torch.zeros(1, 2, 3))
