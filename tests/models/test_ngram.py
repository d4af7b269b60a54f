"""N-grams against a hand-worked corpus, a reference written from the paper in plain Python, and KenLM's numbers."""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Sequence

import pytest
import torch
from safetensors.torch import load, save

from samoyed.layers.kneser_ney import FALLBACK, Counts, discounts
from samoyed.models.ngram import Ngram

Gram = tuple[int, ...]


class Reference:
    """Chen & Goodman 1999, one n-gram at a time; -1 begins the text."""

    def __init__(self, tokens: Sequence[int], vocab_size: int, order: int) -> None:
        self.vocab_size, self.order = vocab_size, order
        text = [-1, *tokens]
        raw = [Counter(tuple(text[i : i + n]) for i in range(len(text) - n + 1)) for n in range(order + 2)]
        self.count: list[dict[Gram, int]] = [{}]
        for n in range(1, order + 1):
            before: dict[Gram, set[int]] = defaultdict(set)
            for gram in raw[n + 1]:
                before[gram[1:]].add(gram[0])
            found = {g: raw[n][g] if n == order or g[0] == -1 else len(before[g]) for g in raw[n]}
            self.count.append({g: c for g, c in found.items() if g != (-1,)})
        self.discount = [(0.0,)] + [self.of(list(counts.values())) for counts in self.count[1:]]

    def of(self, counts: list[int]) -> tuple[float, ...]:
        n = [sum(c == k for c in counts) for k in range(5)]
        if 0 in n[1:4]:
            return (0.0, 0.5, 1.0, 1.5)
        y = n[1] / (n[1] + 2 * n[2])
        d = (0.0, 1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3])
        return d if all(0 <= d[k] <= k for k in (1, 2, 3)) else (0.0, 0.5, 1.0, 1.5)

    def prob(self, context: Gram, token: int) -> float:
        n = len(context) + 1
        below = 1 / self.vocab_size if n == 1 else self.prob(context[1:], token)
        after = {g: c for g, c in self.count[n].items() if g[:-1] == context}
        if not after:
            return below
        total, d = sum(after.values()), self.discount[n]
        c = after.get((*context, token), 0)
        return (c - d[min(c, 3)]) / total + sum(d[min(k, 3)] for k in after.values()) / total * below


def fitted(tokens: Sequence[int], vocab_size: int, order: int | None) -> Ngram:
    model = Ngram(vocab_size=vocab_size, order=order)
    model.fit(torch.tensor(tokens))
    return model


def drawn(seed: int, length: int, vocab_size: int) -> list[int]:
    """Tokens of which some are rare and some never occur."""
    chosen = random.Random(seed)
    return [min(int(chosen.expovariate(0.6)), vocab_size - 2) for _ in range(length)]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize(("seed", "length"), [(0, 60), (1, 400), (2, 3)])
def test_it_is_the_reference(seed: int, length: int, order: int) -> None:
    tokens, held = drawn(seed, length, 9), drawn(seed + 10, 40, 9)
    reference, model = Reference(tokens, 9, order), fitted(tokens, 9, order)
    logits, _ = model(torch.tensor([held]))
    for place in range(len(held)):
        context = tuple([-1, *held[: place + 1]][-(order - 1) :]) if order > 1 else ()
        wanted = [reference.prob(context, token) for token in range(9)]
        assert sum(wanted) == pytest.approx(1, abs=1e-12)
        assert logits[0, place].exp().tolist() == pytest.approx(wanted, rel=2e-6)


def test_a_corpus_worked_by_hand() -> None:
    """a b a c a b, begun by a symbol ^. Bigrams: ^a 1, ab 2, ba 1, ac 1, ca 1; no bigram occurs three times, so that D falls
    back to 1/2, 1, 3/2. What precedes: a has ^, b, c; b has a; c has a: counts 3, 1, 1, whose n_2 is 0: the same D.
    Of 4 tokens (one is never seen): g = (3/2 + 1/2 + 1/2) / 5 = 1/2, p(a) = (3 - 3/2)/5 + 1/8 = 17/40, p(b) = p(c) = 1/10 + 1/8
    = 9/40, p(d) = 1/8. After a: ab 2, ac 1 of 3: g = (1 + 1/2)/3 = 1/2; p(b | a) = 1/3 + 9/80, p(c | a) = 1/6 + 9/80."""
    tree = Counts(torch.tensor([0, 1, 0, 2, 0, 1]), 4).smoothed(2)
    grams = {(int(k) // 5, int(k) % 5): float(p) for k, p in zip(tree.keys, tree.probs, strict=True)}
    assert [grams[0, token] for token in range(4)] == pytest.approx([17 / 40, 9 / 40, 9 / 40, 1 / 8], abs=1e-15)
    assert grams[1, 1] == pytest.approx(1 / 3 + 9 / 80, abs=1e-15)
    assert grams[1, 2] == pytest.approx(1 / 6 + 9 / 80, abs=1e-15)
    assert (1, 0) not in grams
    model = fitted([0, 1, 0, 2, 0, 1], 4, 2)
    after_a = model(torch.tensor([[0]]))[0][0, 0].exp()
    assert after_a.tolist() == pytest.approx([17 / 80, 1 / 3 + 9 / 80, 1 / 6 + 9 / 80, 1 / 16], rel=1e-6)


def test_discounts_are_the_papers_or_fall_back() -> None:
    counts = torch.tensor([1] * 100 + [2] * 30 + [3] * 15 + [4] * 8 + [9] * 20)
    y = 100 / 160
    assert discounts(counts) == pytest.approx((0, 1 - 2 * y * 0.3, 2 - 3 * y * 0.5, 3 - 4 * y * 8 / 15), abs=1e-15)
    for few in ([], [1], [1, 1, 2], [2, 3, 3], [1, 2, 3, 4, 4, 4, 4, 4, 4]):
        assert discounts(torch.tensor(few, dtype=torch.int64)) == FALLBACK


def test_every_distribution_sums_to_one() -> None:
    tokens = drawn(3, 5_000, 40)
    model = fitted(tokens, 40, 4)
    logits, _ = model(torch.tensor(drawn(4, 1_500, 40)).view(3, 500))
    assert float((logits.double().exp().sum(-1) - 1).abs().max()) < 1e-6
    tree = Counts(torch.tensor(tokens), 40).smoothed(4)
    assert float(tree.probs[:41].sum()) == pytest.approx(1, abs=1e-14)


def test_scores_are_the_distributions() -> None:
    model = fitted(drawn(5, 2_000, 12), 12, 4)
    tokens = torch.tensor(drawn(6, 303, 12)).view(3, 101)
    logits, end = model(tokens[:, :-1])
    found, likeliest, state = model.score(tokens[:, :-1], tokens[:, 1:])
    assert torch.equal(end, state)
    assert torch.allclose(found, logits.gather(-1, tokens[:, 1:, None])[..., 0], rtol=0, atol=1e-6)
    highest = logits.max(-1).values
    assert torch.allclose(logits.gather(-1, likeliest[..., None])[..., 0], highest, rtol=0, atol=1e-6)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_a_text_in_parts_is_the_whole(order: int) -> None:
    model = fitted(drawn(7, 500, 8), 8, order)
    tokens = torch.tensor(drawn(8, 80, 8)).view(2, 40)
    whole, end = model(tokens)
    state, parts = None, []
    for part in tokens.split((1, 1, 20, 18), dim=1):
        logits, state = model(part, state)
        parts.append(logits)
    assert torch.equal(torch.cat(parts, 1), whole)
    assert torch.equal(state, end)
    if order > 2:
        assert not torch.equal(model(tokens[:, 5:])[0][:, 0], whole[:, 5])


def test_the_order_is_chosen_on_text_held_out() -> None:
    """A text whose every third token is that of three before wants contexts of three."""
    chosen = random.Random(0)
    text = [chosen.randrange(6) for _ in range(3)]
    while len(text) < 6_000:
        text.append((text[-3] * 5 + 1) % 6 if chosen.random() < 0.9 else chosen.randrange(6))
    assert int(fitted(text, 6, None).longest) == 4


def test_it_survives_being_saved() -> None:
    model, fresh = fitted(drawn(9, 300, 7), 7, 3), Ngram(vocab_size=7)
    fresh.load_state_dict(load(save(model.state_dict())))
    tokens = torch.tensor([drawn(1, 30, 7)])
    assert torch.equal(fresh(tokens)[0], model(tokens)[0])


@pytest.mark.parametrize("wrong", [{"likeliest": 7}, {"longest": 10**9}, {"probs": None}])
def test_weights_that_do_not_fit_are_refused(wrong: dict[str, int | None]) -> None:
    state = fitted(drawn(9, 300, 7), 7, 3).state_dict()
    for name, value in wrong.items():
        state[name] = state[name][:-1] if value is None else torch.full_like(state[name], value)
    with pytest.raises(ValueError, match="the n-grams"):
        Ngram(vocab_size=7).load_state_dict(state)


@pytest.mark.parametrize(("tokens", "vocab_size"), [([0, 0], 1), ([1, 1], 3), ([0] * 30, 1), ([2, 1], 3)])
def test_texts_that_say_little(tokens: list[int], vocab_size: int) -> None:
    for order in (None, 1, 6):
        logits, _ = fitted(tokens, vocab_size, order)(torch.tensor([tokens]))
        assert float((logits.exp().sum(-1) - 1).abs().max()) < 1e-6
        assert math.isfinite(float(logits.min()))
