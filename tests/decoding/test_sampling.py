"""Drawing tokens: distributions against brute force, frequencies against chi-square, and the same seed twice."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from samoyed.decoding.sampling import continue_text, distribution


def cases(count: int = 12) -> list[Tensor]:
    draw = torch.Generator().manual_seed(0)
    return [torch.randn(9, generator=draw, dtype=torch.float64) * (1 + i % 4) for i in range(count)]


def softmax(logits: Tensor, temperature: float) -> list[float]:
    powers = [math.exp(z / temperature) for z in logits.tolist()]
    return [p / sum(powers) for p in powers]


def ranked(probs: list[float]) -> list[int]:
    return sorted(range(len(probs)), key=lambda i: (-probs[i], i))


def restricted(probs: list[float], keep: set[int]) -> list[float]:
    rest = sum(probs[i] for i in keep)
    return [p / rest if i in keep else 0.0 for i, p in enumerate(probs)]


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_temperature_divides_the_logits(temperature: float) -> None:
    for logits in cases():
        assert distribution(logits, temperature).tolist() == pytest.approx(softmax(logits, temperature), rel=1e-12)


def test_temperature_zero_is_the_likeliest_alone() -> None:
    for logits in cases():
        probs = distribution(logits, 0.0, top_k=3, top_p=0.5)
        assert probs.tolist() == [float(i == int(logits.argmax())) for i in range(9)]
    assert distribution(torch.tensor([1.0, 3.0, 3.0]), 0.0).tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("temperature", [1e-3, 1e-30, 1e-45])
def test_a_temperature_near_zero_is_nearly_zero(temperature: float) -> None:
    probs = distribution(torch.tensor([1.0, 3.0, -2.0]), temperature)
    assert probs.tolist() == pytest.approx([0.0, 1.0, 0.0], abs=1e-9)


@pytest.mark.parametrize("top_k", [1, 2, 5, 9, 100])
def test_top_k_keeps_the_k_likeliest(top_k: int) -> None:
    for logits in cases():
        probs = softmax(logits, 0.7)
        wanted = restricted(probs, set(ranked(probs)[:top_k]))
        assert distribution(logits, 0.7, top_k=top_k).tolist() == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("top_p", [0.01, 0.3, 0.5, 0.9, 0.999, 1.0])
def test_top_p_keeps_the_smallest_set_that_reaches_it(top_p: float) -> None:
    for logits in cases():
        probs = softmax(logits, 1.0)
        sets = [set(c) for size in range(1, 10) for c in itertools.combinations(range(9), size)]
        reaching = [s for s in sets if sum(probs[i] for i in s) >= top_p - 1e-12]
        smallest = min(map(len, reaching))
        keep = max((s for s in reaching if len(s) == smallest), key=lambda s: sum(probs[i] for i in s))
        assert distribution(logits, 1.0, top_p=top_p).tolist() == pytest.approx(restricted(probs, keep), rel=1e-9)


def test_both_restrictions_hold_at_once() -> None:
    logits = torch.tensor([0.5, 0.2, 0.15, 0.1, 0.05]).log()
    assert distribution(logits, top_k=2, top_p=0.99).tolist() == pytest.approx([5 / 7, 2 / 7, 0, 0, 0], abs=1e-6)
    assert distribution(logits, top_k=4, top_p=0.6).tolist() == pytest.approx([5 / 7, 2 / 7, 0, 0, 0], abs=1e-6)


def test_alike_tokens_are_kept_in_their_order() -> None:
    assert distribution(torch.zeros(4), top_k=2).tolist() == [0.5, 0.5, 0.0, 0.0]


def test_leading_axes_are_kept_apart() -> None:
    both = torch.stack(cases(2))
    for given in ({}, {"top_k": 3}, {"top_p": 0.6}, {"temperature": 0.0}):
        found = distribution(both, **given)  # type: ignore[arg-type]
        for row in range(2):
            assert torch.equal(found[row], distribution(both[row], **given))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"temperature": -0.1}, "temperature is -0.1; it is at least 0"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"top_k": 0}, "top_k is 0; it is at least 1"),
        ({"top_p": 0.0}, "top_p is 0.0; it is above 0 and at most 1"),
        ({"top_p": 1.1}, "top_p is 1.1; it is above 0 and at most 1"),
        ({"top_p": math.nan}, "top_p is nan"),
    ],
)
def test_what_makes_no_distribution_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        distribution(torch.zeros(3), **given)


class Bigrams(nn.Module):
    """The next token's logits depend on the last token alone; the state counts the tokens that were given."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.table, self.calls = table, []

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, int]:
        self.calls.append(tokens.tolist())
        return self.table[tokens], (state or 0) + tokens.shape[1]


@pytest.mark.parametrize("given", [{}, {"temperature": 0.5}, {"top_k": 2}, {"top_p": 0.8}])
def test_tokens_come_as_often_as_they_should(given: dict[str, Any]) -> None:
    """Chi-square of each token's followers over 6,000 draws of a fixed seed, at 5 deviations."""
    table = torch.stack(cases(9))[:, :5][:5]
    written, _ = continue_text(Bigrams(table), torch.tensor([0]), 6_000, **{"temperature": 1.0, **given}, seed=1)
    tokens = [0, *written.tolist()]
    for before in set(tokens[:-1]):
        followers = [b for a, b in itertools.pairwise(tokens) if a == before]
        probs = distribution(table[before], **given).tolist()
        counts = [followers.count(i) for i in range(5)]
        assert all(count == 0 for count, p in zip(counts, probs, strict=True) if p == 0)
        some = [(c, p * len(followers)) for c, p in zip(counts, probs, strict=True) if p * len(followers) >= 5]
        chi = sum((c - e) ** 2 / e for c, e in some)
        assert chi <= len(some) + 5 * (2 * len(some)) ** 0.5


def test_greedy_follows_the_likeliest() -> None:
    table = torch.stack(cases(9))[:, :9]
    written, _ = continue_text(Bigrams(table), torch.tensor([4, 2]), 20, temperature=0.0)
    token, wanted = 2, []
    for _ in range(20):
        token = int(table[token].argmax())
        wanted.append(token)
    assert written.tolist() == wanted


def test_the_seed_decides_the_text() -> None:
    table = torch.zeros(9, 9)
    torch.manual_seed(0)
    first, _ = continue_text(Bigrams(table), torch.tensor([0]), 50, seed=3)
    before = torch.get_rng_state()
    again, _ = continue_text(Bigrams(table), torch.tensor([0]), 50, seed=3)
    other, _ = continue_text(Bigrams(table), torch.tensor([0]), 50, seed=4)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before), "torch's own generator is left alone"
    longer, _ = continue_text(Bigrams(table), torch.tensor([0]), 80, seed=3)
    assert torch.equal(longer[:50], first)


def test_each_token_costs_one_step_and_state_is_carried() -> None:
    model = Bigrams(torch.stack(cases(9))[:, :9])
    written, following = continue_text(model, torch.tensor([1, 2, 3]), 4, temperature=0.0)
    assert model.calls == [[[1, 2, 3]], *([[token]] for token in written[:-1].tolist())]  # nothing follows the last
    assert following.tolist() == pytest.approx(softmax(model.table[3], 1.0))
    nothing, following = continue_text(model, torch.tensor([1, 2, 3]), 0)
    assert nothing.tolist() == []
    assert following.tolist() == pytest.approx(softmax(model.table[3], 1.0))
