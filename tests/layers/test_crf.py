"""A linear chain against every path written out in float64: sums, probabilities, marginals, the best path, gradients."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from samoyed.explaining.gradient_check import check_gradients
from samoyed.layers.crf import LinearChain
from samoyed.models.bilstm_crf import BiLSTMCRF

TAGS, STEPS = 3, 5
LENGTHS = torch.tensor([5, 1, 3, 2])


@pytest.fixture
def chain() -> LinearChain:
    torch.manual_seed(1)
    made = LinearChain(TAGS).double()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)
    return made


@pytest.fixture
def scores() -> Tensor:
    return 2 * torch.randn(len(LENGTHS), STEPS, TAGS, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def paths(chain: LinearChain, scores: Tensor, length: int) -> dict[tuple[int, ...], float]:
    """F of every path over the first `length` steps of one row."""
    first, last, between = (p.detach() for p in (chain.first, chain.last, chain.between))
    found = {}
    for path in itertools.product(range(TAGS), repeat=length):
        total = float(first[path[0]] + last[path[-1]])
        total += sum(float(scores[t, tag]) for t, tag in enumerate(path))
        found[path] = total + sum(float(between[a, b]) for a, b in itertools.pairwise(path))
    return found


def test_it_is_the_sum_over_all_paths(chain: LinearChain, scores: Tensor) -> None:
    tags = torch.randint(TAGS, (len(LENGTHS), STEPS), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        z, log_prob = chain.log_normaliser(scores, LENGTHS), chain.log_prob(scores, LENGTHS, tags)
        marginals, best = chain.log_marginals(scores, LENGTHS), chain.best(scores, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        every = paths(chain, scores[row], length)
        total = math.log(sum(map(math.exp, every.values())))
        assert float(z[row]) == pytest.approx(total, abs=1e-12)
        assert float(log_prob[row]) == pytest.approx(every[tuple(tags[row, :length].tolist())] - total, abs=1e-12)
        assert tuple(best[row, :length].tolist()) == max(every, key=lambda path: every[path])
        for t, tag in itertools.product(range(length), range(TAGS)):
            share = sum(math.exp(f - total) for path, f in every.items() if path[t] == tag)
            assert float(marginals[row, t, tag].exp()) == pytest.approx(share, abs=1e-12)


def test_gradients_are_those_of_finite_differences(chain: LinearChain, scores: Tensor) -> None:
    tags = torch.randint(TAGS, (len(LENGTHS), STEPS))
    leaf = scores.clone().requires_grad_()
    parameters = {"scores": leaf, **dict(chain.named_parameters())}
    assert check_gradients(lambda: chain.log_prob(leaf, LENGTHS, tags).sum(), parameters, samples=20).ok()
    assert check_gradients(lambda: chain.log_marginals(leaf, LENGTHS).tanh().sum(), parameters, samples=20).ok()


def test_padding_changes_nothing_and_marginals_are_distributions() -> None:
    torch.manual_seed(0)
    model = BiLSTMCRF(vocab_size=9, num_tags=4, embedding_size=5, hidden_size=6).eval()
    tokens, lengths = torch.randint(9, (3, 7)), torch.tensor([7, 2, 4])
    tags = torch.randint(4, (3, 7))
    with torch.no_grad():
        whole, best = model(tokens, lengths), model.best(tokens, lengths)
    assert torch.allclose(whole.exp().sum(-1), torch.ones(3, 7), atol=1e-5)
    losses = 0.0
    for row, length in enumerate(lengths.tolist()):
        cut, many = tokens[row : row + 1, :length], lengths[row : row + 1]
        assert torch.allclose(whole[row, :length], model(cut)[0].detach(), atol=1e-5)
        assert best[row, :length].tolist() == model.best(cut, many)[0].tolist()
        losses += model.loss(cut, many, tags[row : row + 1, :length]).item()
    assert model.loss(tokens, lengths, tags).item() == pytest.approx(losses, rel=1e-5)


def test_what_never_follows_is_never_said() -> None:
    """Scores alone would say tag 1 twice; the chain forbids it."""
    chain = LinearChain(2)
    with torch.no_grad():
        chain.between.zero_()
        chain.between[1, 1] = -100.0
    scores = torch.tensor([[[0.0, 1.0], [0.0, 2.0]]])
    assert chain.best(scores, torch.tensor([2])).tolist() == [[0, 1]]
