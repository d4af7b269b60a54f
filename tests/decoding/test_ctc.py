"""Connectionist temporal classification: sums over prefixes against every path there is, and against torch's loss."""

import itertools
import math
from collections import defaultdict
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from samoyed.decoding.ctc import Lexicon, greedy, prefix_beam
from samoyed.decoding.language import LanguageModel
from samoyed.models.gru import GRULanguageModel
from samoyed.models.lstm import LSTMLanguageModel
from samoyed.models.ngram import Ngram


def labelling(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(s for s, before in zip(path, (0, *path), strict=False) if s not in (0, before))


def by_paths(log_probs: Tensor) -> dict[tuple[int, ...], float]:
    """The probability of each labelling: the sum over its paths, all V^T of which are walked. log_probs [T, V]."""
    sums: dict[tuple[int, ...], float] = defaultdict(float)
    probs = log_probs.exp().tolist()
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        sums[labelling(path)] += math.prod(probs[t][s] for t, s in enumerate(path))
    return sums


def frames(seed: int, batch: int = 4, time: int = 6, symbols: int = 3) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return (1.5 * torch.randn(batch, time, symbols, generator=draw, dtype=torch.float64)).log_softmax(-1)


def test_prefix_probabilities_are_the_sums_over_all_paths() -> None:
    """729 paths, sequences of 3 to 6 frames in one batch; with width for all prefixes every sum is exact and in order."""
    log_probs, lengths = frames(0), torch.tensor([6, 5, 4, 3])
    found = prefix_beam(log_probs, lengths, width=200, n_best=20)
    for row, length in enumerate(lengths.tolist()):
        sums = by_paths(log_probs[row, :length])
        best = sorted(sums, key=lambda s: -sums[s])[:20]
        for n, symbols in enumerate(best):
            assert tuple(found.symbols[row, n, : int(found.lengths[row, n])].tolist()) == symbols
            assert float(found.log_probs[row, n]) == pytest.approx(math.log(sums[symbols]), abs=1e-9)


def test_the_sum_is_that_of_the_loss() -> None:
    log_probs, lengths = frames(1, batch=6, time=7, symbols=4), torch.tensor([7, 7, 6, 5, 4, 7])
    found = prefix_beam(log_probs, lengths, width=2000)
    loss = functional.ctc_loss(
        log_probs.transpose(0, 1), found.symbols[:, 0], lengths, found.lengths[:, 0], reduction="none"
    )
    assert torch.allclose(found.log_probs[:, 0], -loss, atol=1e-9)


def test_a_narrow_beam_underestimates_and_never_repeats_itself() -> None:
    log_probs, lengths = frames(2, batch=20, time=12, symbols=5), torch.full((20,), 12)
    found = prefix_beam(log_probs, lengths, width=8, n_best=8)
    for row in range(20):
        labellings = [tuple(found.symbols[row, n, : int(found.lengths[row, n])].tolist()) for n in range(8)]
        assert len(set(labellings)) == 8
        for n, symbols in enumerate(labellings):
            target = torch.tensor([symbols or (0,)])
            loss = functional.ctc_loss(
                log_probs[row : row + 1].transpose(0, 1), target, lengths[:1], torch.tensor([len(symbols)])
            , reduction="sum")  # fmt: skip
            assert float(found.log_probs[row, n]) <= -float(loss) + 1e-9


def test_greedy_merges_repeats_and_drops_blanks() -> None:
    log_probs, lengths = frames(3, batch=30, time=9, symbols=3), torch.arange(30) % 9 + 1
    found = greedy(log_probs, lengths)
    for row in range(30):
        best = tuple(log_probs[row, : int(lengths[row])].argmax(-1).tolist())
        assert tuple(found.symbols[row, 0, : int(found.lengths[row, 0])].tolist()) == labelling(best)
        total = float(log_probs[row, : int(lengths[row])].amax(-1).sum())
        assert float(found.log_probs[row, 0]) == pytest.approx(total)
        assert not found.symbols[row, 0, int(found.lengths[row, 0]) :].any()


def test_a_lexicon_leaves_the_best_of_what_it_allows() -> None:
    log_probs, lengths = frames(4), torch.tensor([6, 6, 5, 4])
    words = [[1], [1, 2], [2, 2], [2, 1, 2]]
    found = prefix_beam(log_probs, lengths, width=100, n_best=4, lexicon=Lexicon.of(words, 3))
    for row, length in enumerate(lengths.tolist()):
        sums = by_paths(log_probs[row, :length])
        best = sorted(map(tuple, words), key=lambda s: -sums.get(s, 0.0))
        for n, word in enumerate(best):
            if sums.get(word, 0.0) > 0:
                assert tuple(found.symbols[row, n, : int(found.lengths[row, n])].tolist()) == word
                assert float(found.log_probs[row, n]) == pytest.approx(math.log(sums[word]), abs=1e-9)


def test_words_of_a_lexicon_may_follow_one_another() -> None:
    """Symbol 3 parts words; only sequences of the words 1 and 2 2 are answers."""
    log_probs, lengths = frames(5, batch=3, time=6, symbols=4), torch.full((3,), 6)
    found = prefix_beam(log_probs, lengths, width=2000, lexicon=Lexicon.of([[1], [2, 2]], 4, between=3))
    allowed = {"1", "22"}
    for row in range(3):
        sums = {s: p for s, p in by_paths(log_probs[row]).items() if set("".join(map(str, s)).split("3")) <= allowed}
        best = max(sums, key=lambda s: sums[s])
        assert tuple(found.symbols[row, 0, : int(found.lengths[row, 0])].tolist()) == best
        assert float(found.log_probs[row, 0]) == pytest.approx(math.log(sums[best]), abs=1e-9)


def test_nothing_allowed_is_said_to_be_nothing() -> None:
    """A word of three symbols does not fit into two frames."""
    found = prefix_beam(frames(6, batch=1, time=2), torch.tensor([2]), lexicon=Lexicon.of([[1, 2, 1]], 3))
    assert float(found.log_probs[0, 0]) == -math.inf
    assert int(found.lengths[0, 0]) == 0


def test_width_is_checked() -> None:
    with pytest.raises(ValueError, match="at most width"):
        prefix_beam(frames(0), torch.full((4,), 6), width=2, n_best=3)


def spoken(kind: str) -> LanguageModel:
    """A language model of four tokens and the end of a line, over the symbols 1 to 3: n-grams of a text, or a network."""
    draw = torch.Generator().manual_seed(5)
    if kind == "ngram":
        model: Any = Ngram(vocab_size=5, order=3)
        model.fit(torch.randint(0, 5, (400,), generator=draw))
    else:
        torch.manual_seed(0)
        language: Any = {"lstm": LSTMLanguageModel, "gru": GRULanguageModel}[kind]
        model = language(vocab_size=5, embedding_size=4, hidden_size=6, num_layers=2, dropout=0.0).eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.8)
    return LanguageModel(model, torch.tensor([0, 3, 1, 2]), line=4, weight=0.7, bonus=0.35)


@torch.no_grad()
def said(language: LanguageModel, symbols: tuple[int, ...]) -> float:
    """What the language model adds to a labelling, its end included: the whole line asked at once."""
    stream = torch.tensor([[4, *(int(language.tokens[s]) for s in symbols), 4]])
    log_probs = language.model(stream[:, :-1], None)[0].log_softmax(-1)
    found = log_probs.gather(2, stream[:, 1:, None]).sum()
    return language.weight * float(found) + language.bonus * len(symbols)


@pytest.mark.parametrize("kind", ["ngram", "lstm", "gru"])
@pytest.mark.parametrize("narrow", [False, True])
def test_with_a_language_model_the_best_is_that_of_every_labelling(kind: str, narrow: bool) -> None:
    """All labellings of 3 to 5 frames, scored by their paths and by the whole line in the model: a beam that drops nothing ranks them
    so to 1e-4, and a narrow one never scores one above its due."""
    language = spoken(kind)
    log_probs, lengths = frames(6, time=5, symbols=4).float(), torch.tensor([5, 5, 4, 3])
    found = prefix_beam(log_probs, lengths, width=6 if narrow else 400, n_best=6, language=language)
    for row, length in enumerate(lengths.tolist()):
        sums = by_paths(log_probs[row, :length].double())
        whole = {s: math.log(p) + said(language, s) for s, p in sums.items()}
        best = sorted(whole, key=lambda s: -whole[s])[:6]
        for n in range(6):
            symbols = tuple(found.symbols[row, n, : int(found.lengths[row, n])].tolist())
            if narrow:
                assert float(found.log_probs[row, n]) <= whole[symbols] + 1e-4
            else:
                assert symbols == best[n]
                assert float(found.log_probs[row, n]) == pytest.approx(whole[symbols], abs=1e-4)


def test_a_language_model_of_no_weight_changes_nothing() -> None:
    language = spoken("ngram")
    language.weight = language.bonus = 0.0
    log_probs, lengths = frames(7, batch=10, time=12, symbols=4).float(), torch.full((10,), 12)
    plain, with_ = prefix_beam(log_probs, lengths), prefix_beam(log_probs, lengths, language=language)
    assert torch.equal(plain.symbols, with_.symbols)
    assert torch.allclose(plain.log_probs, with_.log_probs)


def test_a_language_model_and_a_lexicon_go_together() -> None:
    language, allowed = spoken("ngram"), [[1, 2], [3], [2, 1, 3]]
    log_probs, lengths = frames(8, symbols=4).float(), torch.tensor([6, 5, 4, 3])
    found = prefix_beam(log_probs, lengths, width=50, lexicon=Lexicon.of(allowed, 4), language=language)
    for row, length in enumerate(lengths.tolist()):
        sums = by_paths(log_probs[row, :length].double())
        whole = {tuple(s): math.log(sums[tuple(s)]) + said(language, tuple(s)) for s in allowed if tuple(s) in sums}
        assert tuple(found.symbols[row, 0, : int(found.lengths[row, 0])].tolist()) == max(whole, key=lambda s: whole[s])


def test_what_lies_beside_a_sequence_does_not_change_it() -> None:
    language = spoken("lstm")
    log_probs, lengths = frames(9, batch=5, time=9, symbols=4).float(), torch.tensor([9, 4, 6, 1, 8])
    together = prefix_beam(log_probs, lengths, language=language)
    for row in range(5):
        alone = prefix_beam(log_probs[row : row + 1, : lengths[row]], lengths[row : row + 1], language=language)
        assert torch.allclose(alone.log_probs[0], together.log_probs[row], atol=1e-5)
        assert alone.symbols[0, 0].tolist() == together.symbols[row, 0, : alone.symbols.shape[2]].tolist()
