"""Bengio's neural language model against its equation, position by position in NumPy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from samoyed.models.feedforward import FeedforwardLanguageModel


def model_of(context: int, direct: bool) -> FeedforwardLanguageModel:
    return (
        FeedforwardLanguageModel(vocab_size=7, context_size=context, embedding_size=3, hidden_size=5, direct=direct)
        .double()
        .eval()
    )


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("context", [1, 2, 4])
def test_it_is_its_equation(context: int, direct: bool, weights: Callable[..., dict[str, np.ndarray]]) -> None:
    """y = b + W x + U tanh(d + H x), x the embeddings of the last n tokens, zeros before the first."""
    model = model_of(context, direct)
    w, tokens = weights(model), torch.randint(7, (2, 9))
    logits, _ = model(tokens)
    for row in range(2):
        for t in range(9):
            x = np.zeros((context, 3))
            for back in range(context):
                if t - back >= 0:
                    x[context - 1 - back] = w["embedding.weight"][tokens[row, t - back]]
            hidden = np.tanh(np.einsum("hek,ke->h", w["hidden.weight"], x) + w["hidden.bias"])
            wanted = w["output.weight"] @ hidden + w["output.bias"]
            if direct:
                wanted = wanted + np.einsum("vek,ke->v", w["direct.weight"], x)
            assert np.abs(logits[row, t].detach().numpy() - wanted).max() < 1e-12


@pytest.mark.parametrize("parts", [(9,), (4, 5), (1,) * 9, (2, 1, 6)])
@pytest.mark.parametrize("context", [1, 2, 5])
def test_a_sequence_in_parts_is_the_whole(context: int, parts: tuple[int, ...]) -> None:
    model = model_of(context, True)
    tokens = torch.randint(7, (2, 9))
    whole, end = model(tokens)
    state, found = None, []
    for chunk in tokens.split(parts, dim=1):
        part, state = model(chunk, state)
        assert state.shape == (2, context - 1, 3)
        found.append(part)
    assert torch.allclose(torch.cat(found, 1), whole, rtol=0, atol=1e-13)
    assert torch.equal(state, end)


def test_it_sees_no_further_back_and_never_ahead() -> None:
    model = model_of(3, True)
    tokens = torch.randint(7, (1, 10))
    before, _ = model(tokens)
    other = tokens.clone()
    other[0, 4] = (other[0, 4] + 1) % 7
    changed = (model(other)[0] - before).abs().amax(-1)[0] > 1e-9
    assert changed.tolist() == [4 <= t <= 6 for t in range(10)]
