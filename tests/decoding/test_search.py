"""Greedy, sampled and beam search: against every sentence there is, against a loop over hypotheses, and alone as in company."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from samoyed.decoding.search import Hypotheses, Scored, beam, beaming, greedy, sample, settled

END = 0
VOCABULARY = 4


def chain(seed: int, batch: int, order: float = 2.0, source: int = 3) -> tuple[Callable[..., Scored], Tensor]:
    """A decoder whose next token depends on the two before it, and its state at the beginning: [B, 1, 1 + V^2 V + ...]."""
    draw = torch.Generator().manual_seed(seed)
    table = order * torch.randn(batch, VOCABULARY, VOCABULARY, VOCABULARY, generator=draw, dtype=torch.float64)
    table = table.log_softmax(-1)
    focus = torch.randn(batch, VOCABULARY, source, generator=draw, dtype=torch.float64).softmax(-1)

    def step(last: Tensor, state: Tensor) -> Scored:
        rows = torch.arange(batch)[:, None]
        return Scored(table[rows, state[..., 0], last], last[..., None].clone(), focus[rows, last])

    return step, torch.zeros(batch, 1, 1, dtype=torch.int64)


def log_prob(step: Any, start: Tensor, row: int, tokens: tuple[int, ...]) -> tuple[float, Tensor]:
    """log p of one sentence's tokens and the end, one step at a time; and the attention summed over the steps."""
    total, state, last, covered = 0.0, start, torch.full((len(start), 1), END), 0.0
    for token in (*tokens, END):
        scored = step(last, state)
        total += float(scored.log_probs[row, 0, token])
        covered = covered + scored.attention[row, 0]
        last, state = torch.full((len(start), 1), token), scored.state
    return total, covered  # type: ignore[return-value]


def everything(longest: int) -> list[tuple[int, ...]]:
    words = [t for t in range(VOCABULARY) if t != END]
    return [s for n in range(longest) for s in itertools.product(words, repeat=n)]


def said(found: Hypotheses, row: int, n: int = 0) -> tuple[int, ...]:
    return tuple(found.tokens[row, n, : int(found.lengths[row, n])].tolist())


@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.0), (1.0, 0.0), (0.6, 0.4)])
def test_a_beam_of_full_width_finds_the_best_of_all(alpha: float, beta: float) -> None:
    """All 364 sentences of up to 5 words are scored one by one; the forced end at the limit counts in both."""
    batch, longest = 5, 6
    step, start = chain(1, batch)
    found = beam(
        step, start, END, END, torch.full((batch,), longest), width=3**5, n_best=4, length_penalty=alpha,
        coverage_penalty=beta, exact=True,
    )  # fmt: skip
    for row in range(batch):
        scores = {}
        for tokens in everything(longest):
            total, covered = log_prob(step, start, row, tokens)
            penalty = beta * float(covered.clamp(max=1.0).log().sum())
            scores[tokens] = (total / ((5 + len(tokens) + 1) / 6) ** alpha + penalty, total)
        best = sorted(scores, key=lambda s: -scores[s][0])[:4]
        assert [said(found, row, n) for n in range(4)] == best
        for n, tokens in enumerate(best):
            assert float(found.scores[row, n]) == pytest.approx(scores[tokens][0], abs=1e-5)
            assert float(found.log_probs[row, n]) == pytest.approx(scores[tokens][1], abs=1e-5)


def test_a_beam_is_never_less_probable_than_greedy() -> None:
    """200 decoders, widths 1 to 4; without the kept greedy hypothesis some beams are worse."""
    step, start = chain(3, 200, order=1.0)
    longest = torch.full((200,), 8)
    first = greedy(step, start, END, END, longest)
    for width in (1, 2, 3, 4):
        found = beam(step, start, END, END, longest, width=width)
        assert bool((found.log_probs[:, 0] >= first.log_probs[:, 0] - 1e-5).all())
    better = (found.log_probs > first.log_probs + 1e-5).float().mean()
    assert 0.2 < float(better) < 1.0


def by_hand(step: Any, start: Tensor, row: int, longest: int, width: int) -> float:
    """Plain beam search over one sentence, a hypothesis at a time, without the greedy one kept."""
    alive: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    done: list[float] = []
    for time in range(longest):
        grown = []
        for score, tokens in alive:
            state, last = start, torch.full((len(start), 1), END)
            for token in tokens:
                state, last = step(last, state).state, torch.full((len(start), 1), token)
            log_probs = step(last, state).log_probs[row, 0].tolist()
            done.append(score + log_probs[END])
            grown += [(score + log_probs[t], (*tokens, t)) for t in range(VOCABULARY) if t != END]
        alive = sorted(grown, reverse=True)[:width] if time < longest - 2 else grown
    return max(done)


def test_a_beam_is_that_of_a_loop_over_hypotheses() -> None:
    step, start = chain(5, 6)
    found = beam(step, start, END, END, torch.full((6,), 5), width=3)
    for row in range(6):
        assert float(found.log_probs[row, 0]) >= by_hand(step, start, row, 5, 3) - 1e-5


def test_greedy_takes_the_likeliest_each_time() -> None:
    step, start = chain(7, 8)
    longest = torch.tensor([1, 2, 3, 4, 5, 6, 7, 8])
    found = greedy(step, start, END, END, longest)
    for row in range(8):
        state, last, tokens = start, torch.full((8, 1), END), []
        for _ in range(int(longest[row]) - 1):
            scored = step(last, state)
            token = int(scored.log_probs[row, 0].argmax())
            if token == END:
                break
            tokens.append(token)
            state, last = scored.state, torch.full((8, 1), token)
        assert said(found, row) == tuple(tokens)
        assert float(found.log_probs[row, 0]) == pytest.approx(log_prob(step, start, row, tuple(tokens))[0], abs=1e-5)


def test_samples_come_as_often_as_they_are_probable() -> None:
    """20,000 draws of one decoder: each of the commonest sentences within 5 standard deviations of its probability."""
    count = 20_000
    one, start = chain(9, 1)

    def step(last: Tensor, state: Tensor) -> Scored:
        scored = one(last.view(1, -1), state.view(1, -1, 1))
        return Scored(scored.log_probs[0][:, None], scored.state[0][:, None])

    found = sample(step, start.expand(count, 1, 1), END, END, torch.full((count,), 4), seed=3)
    drawn: dict[tuple[int, ...], int] = {}
    for row in range(count):
        drawn[said(found, row)] = drawn.get(said(found, row), 0) + 1
    for tokens in everything(3):  # those that are not forced to end
        p = math.exp(log_prob(one, start, 0, tokens)[0])
        assert abs(drawn.get(tokens, 0) - count * p) < 5 * math.sqrt(count * p * (1 - p)) + 1
    again = sample(step, start.expand(count, 1, 1), END, END, torch.full((count,), 4), seed=3)
    assert torch.equal(again.tokens, found.tokens)


def test_sentences_do_not_meet() -> None:
    """The answers to 6 sentences at once are those to each alone."""
    step, start = chain(11, 6)
    together = beam(step, start, END, END, torch.tensor([2, 3, 4, 5, 6, 7]), width=3, n_best=2, length_penalty=0.7)
    for row in range(6):

        def alone(last: Tensor, state: Tensor, row: int = row) -> Scored:
            whole = step(last.expand(6, -1), state.expand(6, -1, -1))
            return Scored(whole.log_probs[row : row + 1], whole.state[row : row + 1])

        found = beam(alone, start[:1], END, END, torch.tensor([row + 2]), width=3, n_best=2, length_penalty=0.7)
        assert [said(found, 0, n) for n in range(2)] == [said(together, row, n) for n in range(2)]
        assert torch.allclose(found.scores[0], together.scores[row])


@pytest.mark.parametrize("given", [{"width": 0}, {"width": 2, "n_best": 3}, {"length_penalty": -1.0}])
def test_senseless_settings_are_refused(given: dict[str, Any]) -> None:
    step, start = chain(0, 1)
    with pytest.raises(ValueError, match="at least"):
        beam(step, start, END, END, torch.tensor([3]), **given)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_what_is_settled_is_how_the_answer_begins(penalty: float) -> None:
    """After every step of 40 searches: what is settled grows, and the answer begins with it; at the end it is the answer."""
    early = 0
    for seed in range(40):
        step, start = chain(seed, 1, order=3.0)
        given: Any = {"width": 3, "length_penalty": penalty}
        answer = beam(step, start, END, END, torch.tensor([12]), **given)
        right = answer.tokens[0, 0, : int(answer.lengths[0, 0])].tolist()
        before: list[int] = []
        for standing in beaming(step, start, END, END, torch.tensor([12]), **given):
            said = settled(standing).tolist()
            assert right[: len(said)] == said
            assert said[: len(before)] == before
            early += 0 < len(said) < len(right)
            before = said
    assert early > 20  # something is said before the end
