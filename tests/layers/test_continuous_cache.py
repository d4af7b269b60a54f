"""The continuous cache against the paper's formula, one place at a time; and what a run makes of it."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

import samoyed
from samoyed.layers.continuous_cache import Cached
from samoyed.models.lstm import LSTMLanguageModel
from samoyed.run import Run
from samoyed.tasks.text_generation import TextGeneration


@pytest.mark.parametrize("size", [3, 50])
def test_it_is_the_formula(size: int) -> None:
    torch.manual_seed(0)
    model = LSTMLanguageModel(vocab_size=5, embedding_size=4, hidden_size=6).eval()
    tokens, share, theta = torch.randint(5, (2, 13)), 0.3, 2.0
    with torch.no_grad():
        cached, state, found, best = Cached(model, size, share, theta), None, [], []
        for begin, end in ((0, 4), (4, 5), (5, 12)):  # in parts, with the memory carried on
            scores, likeliest, state = cached.score(tokens[:, begin:end], tokens[:, begin + 1 : end + 1], state)
            found.append(scores)
            best.append(likeliest)
        hidden, _ = model.hidden(tokens[:, :-1])
        probs = model.read_out(hidden).softmax(-1)
        plain, remembered, _ = cached.chances(tokens[:, :-1], tokens[:, 1:], None)
    for row in range(2):
        for t in range(12):
            wanted = probs[row, t].clone()
            weights = {i: math.exp(theta * float(hidden[row, t] @ hidden[row, i])) for i in range(max(0, t - size), t)}
            if weights:
                cache = torch.zeros(5)
                for i, weight in weights.items():
                    cache[tokens[row, i + 1]] += weight / sum(weights.values())
                wanted = (1 - share) * wanted + share * cache
            target = tokens[row, t + 1]
            assert float(torch.cat(found, 1)[row, t].exp()) == pytest.approx(float(wanted[target]), rel=1e-4)
            assert float(wanted[torch.cat(best, 1)[row, t]]) == pytest.approx(float(wanted.max()), rel=1e-5)
            both = (1 - share) * plain[row, t] + share * remembered[row, t]
            assert float(both) == pytest.approx(float(wanted[target]), rel=1e-4)


def test_names_that_come_back_are_expected(tmp_path: Path) -> None:
    """In a text whose paragraphs each repeat a word of their own, the cache helps, is saved, and answers again alike."""
    text = "\n".join(f"{name} went to {name} and {name} saw {name} there" for name in map(str, range(1000, 1900)))
    (tmp_path / "book.txt").write_text(text, "utf-8")
    given: dict[str, Any] = {
        "tokens": "words", "epochs": 2, "hidden_size": 16, "embedding_size": 16, "quiet": True, "vocab_limit": 2000,
        "sequence_length": 32,
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextGeneration, "pictures", lambda *given: [])
        run = samoyed.train("text-generation", tmp_path / "book.txt", out=tmp_path / "a", cache=100, **given)
        bare = samoyed.train("text-generation", tmp_path / "book.txt", out=tmp_path / "b", **given)
    assert run.task.cached.share > 0
    assert run.metrics["valid"]["loss"]["value"] < bare.metrics["valid"]["loss"]["value"]
    assert Run.load(run.path).evaluate() == run.metrics["test"]
