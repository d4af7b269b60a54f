"""Tagging: words outside the vocabulary by their shape, and answers of a model that chooses tags together."""

import pytest
import torch
from torch import Tensor, nn

from samoyed import catalog
from samoyed.examples import TaggedText
from samoyed.run import build
from samoyed.tasks.sequence_tagging import SequenceTagging


def texts() -> list[TaggedText]:
    """Each name once, each other word often: a name is known by its shape alone."""
    names = ["Anna", "Berta", "Clara", "Dora", "Emilia", "Fedora"]
    return [
        TaggedText(("we", "saw", name, "there"), ("O", "O", "B-PER", "O"), f"text {i}") for i, name in enumerate(names)
    ]


def test_rare_words_are_told_by_their_shape() -> None:
    task = SequenceTagging()
    task.fit(texts())
    known = set(task.lexicon.tokens)
    assert {"we", "saw", "there", "\ufffdXx-a"} <= known
    rows = task.collate([TaggedText(("we", "saw", "Gisela", "x_1"), None, "new")])
    assert rows.tokens.tolist() == [[task.lexicon.index[t] for t in ("we", "saw", "\ufffdXx-a")] + [0]]
    again = SequenceTagging()
    again.restore(task.state())
    assert torch.equal(again.collate(texts()).tokens, task.collate(texts()).tokens)
    plain = SequenceTagging(shapes=False)
    plain.fit(texts())
    assert plain.collate([TaggedText(("we", "Gisela"), None, "new")]).tokens.tolist() == [
        [plain.lexicon.index["we"], 0]
    ]
    small = SequenceTagging(lowercase=True)
    small.fit(texts())
    assert "\ufffdxx-a" in small.lexicon.index
    assert small.collate([TaggedText(("WE", "Gisela"), None, "new")]).tokens.min() > 0


class Together(nn.Module):
    """Says O of every token, and B-PER of all where tags are chosen together."""

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        return torch.tensor([1.0, 0.0]).expand(*tokens.shape, 2)

    def best(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        return torch.ones_like(tokens)


def test_tags_that_are_chosen_together_are_the_answer() -> None:
    task = SequenceTagging()
    task.fit(texts())
    batch = next(task.batches(task.collate(texts()), 6))
    found = task.metrics(Together(), batch)
    assert float(found["error"].total.sum()) == 18  # of 24 tokens all but the names
    answer = task.answer(Together(), texts()[0])
    assert [tag for _, tag, _ in answer["tags"]] == ["B-PER"] * 4
    assert {round(p, 4) for *_, p in answer["tags"]} == {0.2689}


@pytest.mark.parametrize("name", ["lstm", "bilstm_crf"])
def test_texts_are_tagged_together_as_alone(name: str) -> None:
    """Texts of one to eleven tokens in one batch, with a model whose weights are drawn."""
    task = SequenceTagging()
    task.fit(texts())
    torch.manual_seed(0)
    model = build(task, catalog.model(catalog.task("sequence-tagging"), name), {"hidden_size": 8, "embedding_size": 8})
    words = ["we", "saw", "Anna", "there", "and", "Clara", "was", "there", "too", "with", "Dora"]
    given = [TaggedText(tuple(words[:n]), None, f"text {n}") for n in range(1, 12)]
    for example, found in zip(given, task.answers(model, given), strict=True):
        alone = task.answer(model, example)
        assert len(found["tags"]) == len(example.tokens)
        assert (found["input"], found["spans"]) == (alone["input"], alone["spans"])
        for (word, tag, sure), (other, its, own) in zip(found["tags"], alone["tags"], strict=True):
            assert (word, tag) == (other, its)
            assert sure == pytest.approx(own, abs=2e-6)  # given to six decimals
