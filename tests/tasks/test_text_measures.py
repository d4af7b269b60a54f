"""How texts are measured: a few steps at a time, per character, and beside n-grams."""

import math

import pytest
import torch

from samoyed import objectives
from samoyed.examples import Text
from samoyed.models.feedforward import FeedforwardLanguageModel
from samoyed.models.gru import GRULanguageModel
from samoyed.models.ngram import Ngram
from samoyed.tasks._ngrams import bits_by_order
from samoyed.tasks._tokens import as_tokens
from samoyed.tasks.text_generation import TextGeneration

TEXT = "the cat saw the dog, and the dog saw the cat again. " * 12


@pytest.mark.parametrize("kind", [GRULanguageModel, FeedforwardLanguageModel])
def test_a_few_steps_at_a_time_are_the_whole(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, tokens = kind(vocab_size=11, hidden_size=8).eval(), torch.randint(11, (3, 20))
    with torch.no_grad():
        whole = objectives.token_scores(model, tokens, 11)
        log_probs = model(tokens[:, :-1])[0].log_softmax(-1)
        assert torch.allclose(whole[0], log_probs.gather(-1, tokens[:, 1:, None])[..., 0], atol=1e-6)
        assert torch.equal(whole[1], log_probs.argmax(-1))
        monkeypatch.setattr(objectives, "_MOST_NUMBERS", 3 * 11 * 4)
        lengths = []
        model.register_forward_pre_hook(lambda module, given: lengths.append(given[0].shape[1]))
        parts = objectives.token_scores(model, tokens, 11)
    assert lengths == [4, 4, 4, 4, 3]
    for mine, other in zip(parts, whole, strict=True):
        assert torch.allclose(mine, other, atol=1e-5)


@pytest.mark.parametrize("kind", ["characters", "words", "subwords"])
def test_bits_are_per_character_of_the_text(kind: str) -> None:
    if kind == "subwords":
        pytest.importorskip("sentencepiece")
    task = TextGeneration(tokens=kind, vocab_limit=300 if kind == "subwords" else None)  # type: ignore[arg-type]
    task.fit([Text(TEXT, "here")])
    rows = task.collate([Text(TEXT, "here")])
    model = Ngram(vocab_size=len(task.vocabulary), order=3)
    model.fit(*task.fitting(rows))
    measured = task.metrics(model, as_tokens(rows.tokens))
    first = task.vocabulary.text(rows.tokens[0, :1])
    assert float(measured["bits"].count) == len(TEXT) - len(first)
    assert float(measured["bits"].total) * math.log(2) == pytest.approx(float(measured["loss"].total), rel=1e-6)


def test_n_grams_of_every_order_stand_beside() -> None:
    task = TextGeneration()
    task.fit([Text(TEXT, "here")])
    train = task.collate([Text(TEXT, "here")]).tokens[0]
    test = task.vocabulary.encode("the dog saw the cat, and the cat saw the bird")
    found = bits_by_order(train, test, task.vocabulary.lengths())
    assert len(found) == 8
    for order in (1, 3, 8):
        model = Ngram(vocab_size=len(task.vocabulary), order=order)
        model.fit(train)
        nats = -float(model.score(test[None, :-1], test[None, 1:])[0].double().sum())
        assert found[order - 1] == pytest.approx(nats / math.log(2) / (len(test) - 1), rel=1e-6)
