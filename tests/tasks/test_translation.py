"""Translation: buckets, corpus scores against sacrebleu itself, what is left out, what is answered, and learning for real."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sacrebleu.metrics import BLEU, CHRF

import samoyed
from samoyed import batching, catalog, samples
from samoyed.errors import DataError, UsageError
from samoyed.examples import Pair
from samoyed.run import build
from samoyed.tasks._pairs import Pairs, as_bytes, as_texts, bleu, buckets, chrf, count_buckets, statistics
from samoyed.tasks.translation import Translation
from samoyed.training.evaluation import evaluate, pool

SAID = ["a cat sat on a mat .", "", "the dog barks", "completely different words here now", "Ein Hund bellt."]
REFERENCES = ["the cat sat on the mat .", "nothing", "the dog barks", "wholly other text", "Ein Hund bellt laut."]


def lengths(count: int = 300, seed: int = 0) -> Pairs:
    draw = torch.Generator().manual_seed(seed)
    source = torch.randint(1, 30, (count,), generator=draw, dtype=torch.int32)
    target = (source + torch.randint(0, 6, (count,), generator=draw)).int()
    rows = torch.arange(count, dtype=torch.int32)[:, None].expand(-1, 36)
    return Pairs(rows, source, rows, target, torch.zeros(count, 1, dtype=torch.uint8))


def test_buckets_hold_every_pair_once_and_neighbours_in_length() -> None:
    data = lengths()
    for epoch in (1, 2):
        found = list(buckets(data, 16, 0, epoch))
        assert sorted(torch.cat(found).tolist()) == list(range(300))
        assert len(found) == count_buckets(data, 16)
        mean = float((data.source_lengths + data.target_lengths).float().mean())
        for rows in found:
            padded = len(rows) * int(data.source_lengths[rows].max() + data.target_lengths[rows].max())
            assert padded <= 16 * mean
        spread = [int(data.source_lengths[r].max() - data.source_lengths[r].min()) for r in found]
        assert np.mean(spread) < 2  # batches drawn at random spread over 26


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    data = lengths()
    orders = {key: torch.cat(list(buckets(data, 16, *key))).tolist() for key in ((0, 1), (0, 2), (1, 1))}
    assert len({tuple(o) for o in orders.values()}) == 3
    assert torch.cat(list(buckets(data, 16, 0, 1))).tolist() == orders[0, 1]


def test_scores_are_those_of_sacrebleu() -> None:
    task = Translation()
    for name, scorer, one in (("bleu", BLEU(), bleu), ("chrf", CHRF(), chrf)):
        rows = statistics(name, SAID, REFERENCES)
        expected = scorer.corpus_score(SAID, [REFERENCES]).score
        assert one(rows.sum(0).numpy()) == pytest.approx(expected, abs=1e-9)
        entries = np.stack([rows.numpy(), np.ones_like(rows.numpy())])
        found = pool(entries, task.reported[name])
        assert found.value == pytest.approx(expected, abs=1e-9)
        assert found.low <= found.value <= found.high
        assert found.low < found.high
        assert found.count == 5


def test_texts_survive_as_bytes() -> None:
    texts = ["größer 猫 🐕", "", "a"]
    assert as_texts(as_bytes(texts)) == texts


def test_long_pairs_are_left_out_and_counted() -> None:
    task = Translation(max_words=5)
    pairs = [Pair(f"word {i}", "mot", "x") for i in range(30)]
    pairs += [Pair("a " * 10_000, "b", "long"), Pair("a", "b" * 61, "a long word")]
    split = task.split({"all": pairs}, 0)
    assert sum(map(len, split[:3])) == 30
    assert ("left out", "2 pairs of more than 5 words (max_words)") in task.found(split, {})
    with pytest.raises(DataError, match="every pair of the test data has more than 5 words"):
        task.split({"train": pairs, "test": pairs[-2:]}, 0)


def test_what_cannot_be_translated_is_said() -> None:
    task = Translation(max_words=5)
    for raw, kind, words in (
        ("", DataError, "empty"),
        ("  \n", DataError, "empty"),
        ("a " * 10_000, DataError, "sentence by sentence"),
        (3, UsageError, "no text"),
    ):
        with pytest.raises(kind, match=words):
            task.read(raw)


def fitted(**given: Any) -> tuple[Translation, Any, list[Pair]]:
    """A task fitted to 60 numbers, and a model of it."""
    pairs = samples.load("written_numbers")[0][:60]
    form = catalog.task("translation")
    task = Translation(**given)
    task.fit(pairs)
    torch.manual_seed(0)
    model = build(task, catalog.model(form, "seq2seq"), {"hidden_size": 16, "embedding_size": 8})
    return task, model.eval(), pairs


@pytest.mark.parametrize("tokens", ["subwords", "words", "characters"])
def test_an_unknown_word_is_taken_from_where_attention_lies(tokens: Any) -> None:
    """Weights that say nothing but the unknown give, with replace_unknown, source tokens in its place."""
    task, model, _ = fitted(tokens=tokens, replace_unknown=True, beam_width=2)
    with torch.no_grad():
        model.output.bias.fill_(-50.0)
        model.output.bias[0] = 0.0
        answer = task.answer(model, Pair("twenty-one", "", "x"))
    assert answer["text"]
    assert set(answer["text"]) <= set("twenty-one ")
    assert "�" not in answer["text"]
    assert all(a["from"] in task.vocabularies[0].split("twenty-one") for a in answer["alignment"])


@pytest.mark.parametrize("attention", ["general", "none"])
def test_texts_are_answered_together_as_alone(attention: str) -> None:
    """Sources of many lengths, searched in one batch: the same answers, alternatives and alignments."""
    pairs = samples.load("written_numbers")[0][::97][:12]
    task = Translation(beam_width=3, tokens="characters")
    task.fit(pairs)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "embedding_size": 8, "attention": attention}
    model = build(task, catalog.model(catalog.task("translation"), "seq2seq"), sizes).eval()
    together = task.answers(model, pairs)
    assert len({len(pair.source) for pair in pairs}) > 3
    for pair, found in zip(pairs, together, strict=True):
        alone = task.answer(model, pair)
        assert found.keys() == alone.keys()
        assert found["text"] == alone["text"]
        assert found.get("alignment") == alone.get("alignment")
        for one, other in zip(found["alternatives"], alone["alternatives"], strict=True):
            assert one["text"] == other["text"]
            assert one["log_prob"] == pytest.approx(other["log_prob"], abs=2e-4)  # given to four decimals


def test_metrics_are_those_of_what_predict_says() -> None:
    task, model, pairs = fitted()
    rows = task.collate(pairs[:12])
    with torch.no_grad():
        found = evaluate(task, model, rows, 5)
        said = [task.answer(model, pair)["text"] for pair in pairs[:12]]
    assert found["bleu"].value == pytest.approx(BLEU().corpus_score(said, [[p.target for p in pairs[:12]]]).score)
    assert found["chrf"].value == pytest.approx(CHRF().corpus_score(said, [[p.target for p in pairs[:12]]]).score)


def test_batches_are_trimmed_and_lose_nothing() -> None:
    task, _, pairs = fitted()
    rows = task.collate(pairs)
    for batch in task.batches(rows, 8, seed=0, epoch=1):
        assert batch.sources.shape[1] == int(batch.source_lengths.max())
        assert batch.targets.shape[1] == int(batch.target_lengths.max())
    total = sum(int(b.target_lengths.sum()) for b in task.batches(rows, 8, seed=0, epoch=1))
    assert total == int(rows.target_lengths.sum()) == sum(int(b.mask().sum()) for b in task.batches(rows, 7))
    assert len(list(task.batches(rows, 8, seed=0, epoch=1))) == task.steps(rows, 8)
    assert isinstance(batching.take(rows, torch.tensor([0])), Pairs)


def test_numbers_are_learned_to_be_said_in_french(tmp_path: Path) -> None:
    """450 numbers below a thousand, 324 of them seen 18 times: chrF of the held-out ones above 60, where guessing gives 25."""
    pairs = [p for p in samples.load("written_numbers")[0] if "thousand" not in p.source][:450]
    path = tmp_path / "numbers.tsv"
    path.write_text("source\ttarget\n" + "".join(f"{p.source}\t{p.target}\n" for p in pairs), "utf-8")
    run = samoyed.train(
        "translation", path, out=tmp_path / "run", quiet=True, tokens="words", hidden_size=64, embedding_size=32,
        epochs=18, batch_size=16, learning_rate=0.008, dropout=0.1, beam_width=2, execution="plain",
    )  # fmt: skip
    assert run.metrics["test"]["chrf"]["value"] > 60
    again = samoyed.load(run.path)
    answer = again.predict(pairs[0].source)
    assert json.loads(json.dumps(answer)) == run.predict(pairs[0].source)
    assert {"source", "text", "alternatives", "alignment"} <= set(answer)
    scores = [a["log_prob"] for a in answer["alternatives"]]
    assert len(scores) == 2
    assert all(score <= 0 for score in scores)
