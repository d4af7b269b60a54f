"""Text in parallel streams: every token but the first is predicted exactly once, and state is carried only where text goes on."""

import itertools
import math
from typing import Any

import pytest
import torch

from samoyed import catalog
from samoyed.batching import streams
from samoyed.examples import Text
from samoyed.run import build
from samoyed.tasks.text_generation import TextGeneration, Tokens
from samoyed.training.evaluation import evaluate

GRID = list(itertools.product((2, 3, 7, 64, 65, 129, 500), (1, 2, 3, 8, 32), (1, 2, 7, 64, 1000)))


@pytest.mark.parametrize("count", sorted({count for count, _, _ in GRID}))
def test_every_token_but_the_first_is_predicted_once(count: int) -> None:
    for _, rows, length in (case for case in GRID if case[0] == count):
        targets: list[int] = []
        for chunk, _ in streams(torch.arange(count), rows, length):
            assert (chunk[:, 1:] == chunk[:, :-1] + 1).all(), "a row is a piece of the text"
            assert chunk.shape[0] <= rows
            assert 2 <= chunk.shape[1] <= max(length, rows) + 1
            targets += chunk[:, 1:].flatten().tolist()
        assert sorted(targets) == list(range(1, count)), (count, rows, length)


@pytest.mark.parametrize(("count", "rows", "length"), [case for case in GRID if case[0] >= 64 and case[2] < 1000])
def test_state_is_carried_only_where_the_text_goes_on(count: int, rows: int, length: int) -> None:
    chunks = list(streams(torch.arange(count), rows, length))
    assert chunks[0][1] is True
    for (before, _), (chunk, fresh) in itertools.pairwise(chunks):
        goes_on = before.shape[0] == chunk.shape[0] and bool((before[:, -1] == chunk[:, 0]).all())
        assert fresh or goes_on, "state would be carried to another place"


def test_one_stream_carries_its_state_to_its_end() -> None:
    fresh = [fresh for _, fresh in streams(torch.arange(1000), 1, 64)]
    assert fresh == [True] + [False] * 15


def fitted(length: int, text: str) -> tuple[TextGeneration, Tokens]:
    task = TextGeneration(sequence_length=length)
    task.fit([Text(text, "here")])
    return task, task.collate([Text(text, "here")])


def letters(count: int, seed: int = 0) -> str:
    draw = torch.Generator().manual_seed(seed)
    return "".join("abcdefg"[i] for i in torch.randint(7, (count,), generator=draw).tolist())


@pytest.mark.parametrize(
    ("rows", "length", "count"), [(1, 10, 100), (4, 10, 403), (8, 5, 77), (32, 128, 50), (3, 7, 22)]
)
def test_steps_are_counted_before_they_are_made(rows: int, length: int, count: int) -> None:
    task, data = fitted(length, letters(count))
    assert task.steps(data, rows) == len(list(streams(data.tokens[0], rows, length, rest=False)))


@pytest.mark.parametrize(("rows", "length", "count"), [(1, 10, 101), (4, 10, 401), (8, 5, 81), (4, 10, 403)])
def test_an_epoch_of_training_has_no_more_steps_than_were_counted(rows: int, length: int, count: int) -> None:
    """Budget, schedule and progress bar are reckoned from the count, and each epoch begins the text elsewhere."""
    task, data = fitted(length, letters(count))
    made = [len(list(task.batches(data, rows, seed=0, epoch=epoch))) for epoch in range(1, 30)]
    assert max(made) <= task.steps(data, rows)


def test_epochs_cut_the_text_elsewhere_and_lose_less_than_a_chunk() -> None:
    task, data = fitted(16, letters(1000))
    firsts = set()
    for epoch in range(1, 40):
        batches = list(task.batches(data, 4, seed=1, epoch=epoch))
        again = list(task.batches(data, 4, seed=1, epoch=epoch))
        assert all(torch.equal(a.tokens, b.tokens) for a, b in zip(batches, again, strict=True))
        assert 0 <= 999 - sum(b.tokens[:, 1:].numel() for b in batches) < 16
        firsts.add(tuple(batches[0].tokens[0].tolist()))
    assert len(firsts) > 8


def language_model(task: TextGeneration, name: str) -> Any:
    form = catalog.model(catalog.task("text-generation"), name)
    torch.manual_seed(0)
    return build(task, form, {"hidden_size": 24}).double().eval()


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "feedforward"])
def test_carried_state_makes_chunks_into_one_text(name: str) -> None:
    """One stream in chunks of 16 measures what the whole text in one piece measures."""
    text = letters(400)
    task, data = fitted(16, text)
    model = language_model(task, name)
    found = evaluate(task, model, data, batch_size=1)["loss"]
    with torch.no_grad():
        logits, _ = model(data.tokens[:, :-1])
    surprise = torch.nn.functional.cross_entropy(logits[0], data.tokens[0, 1:])
    assert found.value == pytest.approx(float(surprise), rel=1e-10)
    assert found.count == 399


@pytest.mark.parametrize("length", [1, 16, 399])
def test_perplexity_does_not_depend_on_the_length_of_chunks(length: int) -> None:
    text = letters(400)
    one, other = (fitted(size, text) for size in (length, 37))
    model = language_model(one[0], "lstm")
    found = [evaluate(task, model, data, batch_size=1)["perplexity"].value for task, data in (one, other)]
    assert found[0] == pytest.approx(found[1], rel=1e-9)


@pytest.mark.parametrize("batch_size", [4, 256])
def test_what_is_measured_does_not_depend_on_how_many_streams_measure_it(batch_size: int) -> None:
    """A text that repeats 20 letters, and a model that is sure of the next one wherever it has seen the 20 before.

    The perplexity of a text is one number: cutting it into streams for speed must not make the model forget.
    """
    task, data = fitted(32, letters(20, seed=3) * 200)

    class Remembers(torch.nn.Module):
        def forward(self, tokens: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, torch.Tensor]:
            past = tokens if state is None else torch.cat([state, tokens], 1)
            before = past.shape[1] - tokens.shape[1]
            logits = torch.zeros(*tokens.shape, len(task.vocabulary))
            for t in range(max(0, 19 - before), tokens.shape[1]):
                logits[torch.arange(len(tokens)), t, past[:, before + t - 19]] = 20.0
            return logits, past

    one = evaluate(task, Remembers(), data, batch_size=1)["perplexity"]
    many = evaluate(task, Remembers(), data, batch_size=batch_size)["perplexity"]
    assert one.value == pytest.approx(math.exp(19 * math.log(8) / 3999), rel=1e-3)
    assert many.value == pytest.approx(one.value, rel=0.02)
    assert many.count == one.count == 3999
