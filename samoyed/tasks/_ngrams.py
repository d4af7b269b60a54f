"""What the report shows of a language model: its texts, its surprise, and n-grams beside it, what counting alone makes of the same text."""

import math
from typing import Any

from torch import Tensor, nn

from samoyed.examples import Text
from samoyed.layers.kneser_ney import Counts
from samoyed.layers.ngrams import Ngrams
from samoyed.reporting import language
from samoyed.tasks import Picture, Split
from samoyed.tasks._tokens import Tokens, as_tokens

MOST_TOKENS = 3_000_000  # of the training text that are counted, which take a few seconds
_ORDERS = 8


def bits_by_order(train: Tensor, test: Tensor, letters: Tensor) -> list[float]:
    """train int64 [N], test int64 [M], letters float32 [V], how many characters each token stands for -> bits per character of
    the test text by n-grams of 1, 2, ... tokens, smoothed by interpolated modified Kneser-Ney."""
    ngrams, counts = Ngrams(len(letters)), Counts(train[-MOST_TOKENS:], len(letters))
    test = test[:MOST_TOKENS]
    characters = float(letters[test[1:]].double().sum())
    found: list[float] = []
    while len(found) < min(_ORDERS, len(train)):
        ngrams.keep(counts.smoothed(len(found) + 1), len(found) + 1)
        nats = -float(ngrams.score(test[None, :-1], test[None, 1:])[0].double().sum())
        found.append(nats / math.log(2) / max(characters, 1.0))
    return found


def pictures(task: Any, model: nn.Module, split: Split, data: dict[str, Tokens]) -> list[Picture]:
    """Samples at three temperatures, the surprise at each token of a test text, and n-grams of every order."""
    beginning = split.test[0].text[:80]
    samples = {t: task.answer(model, Text(beginning, "test"), 400, t)["continuation"] for t in (0.5, 0.8, 1.0)}
    end = min(401, data["test"].tokens.shape[1])
    window = as_tokens(data["test"].tokens[:, :end])
    surprise = task.surprise(model, window)[0]
    shown = [task.vocabulary.tokens[i] for i in window.tokens[0, 1:].tolist()]
    train, test = (data[name].tokens[0].cpu() for name in ("train", "test"))
    bits = [task.metrics(model, batch)["bits"] for batch in task.batches(data["test"], 256)]
    mine = sum(float(b.total.sum()) for b in bits) / max(1.0, sum(float(b.count.sum()) for b in bits))
    return [
        language.samples(beginning, samples),
        language.surprise(shown, surprise.cpu()),
        language.beside_ngrams(mine, bits_by_order(train, test, task.vocabulary.lengths())),
    ]
