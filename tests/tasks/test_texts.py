"""Text classification and sequence tagging: occlusion, class weights, vectors, batches, odd texts, real data."""

import csv
import dataclasses
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import samoyed
from samoyed import batching, catalog
from samoyed.errors import DataError, UsageError
from samoyed.examples import LabelledText
from samoyed.features import vectors
from samoyed.models.bag_of_words import BagOfWords
from samoyed.models.lstm import LSTMTextClassifier
from samoyed.run import build
from samoyed.sources import open_splits
from samoyed.tasks._reading import occlusion
from samoyed.tasks.text_classification import TextClassification


def table(path: Path, rows: list[tuple[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


def labelled(count: int = 60) -> list[tuple[str, str]]:
    draw = np.random.default_rng(0)
    kinds = {"good": ("fine", "lovely", "great"), "bad": ("dull", "poor", "weak")}
    rows = []
    for i in range(count):
        label = ("good", "bad")[i % 2]
        words = [*draw.choice(("the", "film", "story", "was"), 5), draw.choice(kinds[label]), str(i)]
        draw.shuffle(words)
        rows.append((" ".join(words), label))
    return rows


def task_of(rows: list[tuple[str, str]], **settings: Any) -> TextClassification:
    task = TextClassification(**settings)
    task.fit([LabelledText(text, label, "a test") for text, label in rows])
    return task


def test_occlusion_is_the_answer_without_the_word() -> None:
    torch.manual_seed(0)
    model = LSTMTextClassifier(vocab_size=9, num_classes=3, embedding_size=4, hidden_size=4).double().eval()
    tokens = torch.tensor([3, 1, 7, 7, 2])
    weights = occlusion(model, tokens, 1)
    whole = model(tokens[None]).log_softmax(-1)[0, 1]
    for t in range(5):
        without = torch.cat([tokens[:t], tokens[t + 1 :]])
        torch.testing.assert_close(weights[t], whole - model(without[None]).log_softmax(-1)[0, 1])
    long = occlusion(model, tokens.repeat(60), 1)  # of a long text, runs of three tokens
    assert long.shape == (300,)
    assert torch.equal(long[0::3], long[1::3])
    assert occlusion(model, tokens[:1], 1).shape == (1,)


@pytest.mark.parametrize("name", ["text_cnn", "lstm", "hierarchical_attention", "fasttext", "bag_of_words"])
def test_texts_are_classified_together_as_alone(name: str) -> None:
    """Texts of one word to two hundred, each with the weights of its words, in batches of like lengths."""
    words = ["good", "bad", "fine", "dull", "film", "plot", ".", "odd"]
    draw = random.Random(1)
    rows = [(" ".join(draw.choices(words, k=size)), "ab"[size % 2]) for size in (1, 200, 3, 40, 2, 55, 8, 1, 13)]
    task = task_of(rows, min_count=1)
    torch.manual_seed(1)
    model = build(task, catalog.model(catalog.task("text-classification"), name), {})
    if hasattr(model, "fit"):
        model.fit(*task.fitting(task.collate([LabelledText(text, label, "") for text, label in rows])))
    given = [LabelledText(text, None, "") for text, _ in rows]
    with torch.no_grad():
        for example, found in zip(given, task.answers(model, given), strict=True):
            alone = task.answer(model, example)
            assert (found["input"], found["label"], found["weights by"]) == (
                example.text,
                alone["label"],
                alone["weights by"],
            )
            assert found["probs"] == pytest.approx(alone["probs"], abs=1e-5)
            assert [word for word, _ in found["weights"]] == example.text.split()
            assert [w for _, w in found["weights"]] == pytest.approx([w for _, w in alone["weights"]], abs=3e-5)
        for found, bare in zip(task.answers(model, given), task.answers(model, given, weights=False), strict=True):
            assert bare == {name: found[name] for name in ("input", "label", "probs")}
            assert task.say(bare).startswith(" ".join(found["input"].split())[:57])


def test_balanced_classes_weigh_alike() -> None:
    rows = [("a", "rare")] + [("b", "usual")] * 3
    task = task_of(rows, class_weights="balanced", min_count=1)
    batch = task.collate([LabelledText(text, label, "") for text, label in rows])

    class Fixed(nn.Module):
        def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
            return torch.tensor([[2.0, 0.0]]).expand(len(tokens), 2)

    mean = task.objective(Fixed(), batch)
    losses = -torch.tensor([2.0, 0.0]).log_softmax(-1)
    assert float(mean.value()) == pytest.approx(float(losses.mean()))
    assert float(mean.count) == pytest.approx(4)


def test_batches_hold_texts_of_similar_length() -> None:
    lengths = torch.randint(1, 200, (1003,), generator=torch.Generator().manual_seed(0))
    chunks = batching.bucketed(lengths, 16, 5, 1)
    assert sorted(torch.cat(chunks).tolist()) == list(range(1003))
    assert len(chunks) == -(-1003 // 16)
    padding = sum(int((lengths[c].max() - lengths[c]).sum()) for c in chunks)
    plain = sum(int((lengths[c].max() - lengths[c]).sum()) for c in batching.order(1003, 5, 1).split(16))
    assert padding < 0.2 * plain
    again, other = batching.bucketed(lengths, 16, 5, 1), batching.bucketed(lengths, 16, 5, 2)
    assert all(torch.equal(a, b) for a, b in zip(chunks, again, strict=True))
    assert not torch.equal(torch.cat(chunks), torch.cat(other))


def test_odd_texts_train_and_answer(tmp_path: Path) -> None:
    """A vocabulary of one, one-word texts, a very long line, letters of every kind."""
    rows = [("x", "a"), ("x x", "b")] * 10 + [("y" * 300_000, "a"), ("x " * 300_000, "b"), ("猫 😀", "a")]
    data = table(tmp_path / "a.csv", [(f"{text} {i}", label) for i, (text, label) in enumerate(rows)])
    run = samoyed.train(
        "text-classification", data, model="fasttext", out=tmp_path / "run", quiet=True, epochs=1, min_count=20
    )
    assert run.task.sizes()["vocab_size"] == 2
    assert set(run.predict("never seen")["probs"]) == {"a", "b"}
    assert len(run.predict("x " * 5000)["weights"]) == 400
    for nothing in ("", "  \n "):
        with pytest.raises(DataError, match="holds no text"):
            run.predict(nothing)
    with pytest.raises(DataError, match="no such file"):
        run.predict("review.txt")


def test_one_class_leaves_nothing_to_tell_apart(tmp_path: Path) -> None:
    data = table(tmp_path / "a.csv", [(f"text {i}", "only") for i in range(30)])
    with pytest.raises(DataError, match=r"only one class was found \(only\)"):
        samoyed.train("text-classification", data, quiet=True, out=tmp_path / "run")


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.bin"])
def test_an_embedding_begins_from_vectors(tmp_path: Path, name: str) -> None:
    rows = labelled()
    given = np.random.default_rng(1).normal(size=(3, 6)).astype(np.float32)
    vectors.write(tmp_path / name, ["fine", "dull", "elsewhere"], given)
    data = table(tmp_path / "a.csv", rows)
    settings: dict[str, Any] = {"vectors": str(tmp_path / name), "quiet": True, "epochs": 1, "embedding_size": 6}
    run = samoyed.train(
        "text-classification", data, model="text_cnn", out=tmp_path / "run", fixed_vectors=True, **settings
    )
    index = run.task.lexicon.index
    weight = run.model.embedding.weight
    for word, vector in zip(("fine", "dull"), given, strict=False):
        torch.testing.assert_close(weight[index[word]].detach(), torch.from_numpy(vector))
    (tmp_path / name).unlink()
    assert samoyed.load(run.path).predict("a fine film") == run.predict("a fine film")  # the file is not needed again
    vectors.write(tmp_path / name, ["fine"], given[:1])
    with pytest.raises(UsageError, match="set embedding_size=6"):
        samoyed.train("text-classification", data, out=tmp_path / "b", **{**settings, "embedding_size": 5})
    with pytest.raises(UsageError, match="no embedding"):
        samoyed.train(
            "text-classification", data, model="bag_of_words", out=tmp_path / "c", vectors=str(tmp_path / name)
        )
    vectors.write(tmp_path / name, ["elsewhere"], given[:1])
    with pytest.raises(DataError, match="none of the words"):
        samoyed.train("text-classification", data, out=tmp_path / "d", **settings)


def test_bag_of_words_reads_labels_from_a_table(tmp_path: Path) -> None:
    run = samoyed.train(
        "text-classification",
        table(tmp_path / "a.csv", labelled(200)),
        model="bag_of_words",
        out=tmp_path / "run",
        quiet=True,
    )
    assert isinstance(run.model, BagOfWords)
    assert run.metrics["test"]["error"]["value"] == 0
    answer = run.predict("the story was dull")
    assert answer["label"] == "bad"
    assert max(answer["weights"], key=lambda pair: pair[1])[0] == "dull"


def test_surnames_are_read_as_they_lie(shared_data: Path) -> None:
    (source,) = open_splits("LabelledText", shared_data / "names", {"text": None, "label": None}).values()
    found = list(source.examples())
    assert len(found) == 20_050
    assert len({e.label for e in found}) == 18  # type: ignore[union-attr]


def test_the_treebank_has_three_splits(shared_data: Path) -> None:
    parts = open_splits("LabelledText", shared_data / "sst_trees", {"text": None, "label": None})
    found = {name: list(source.examples()) for name, source in parts.items()}
    assert {name: len(part) for name, part in found.items()} == {"train": 8544, "valid": 1101, "test": 2210}
    assert {e.label for e in found["test"]} == set("01234")  # type: ignore[union-attr]


def test_phrases_are_learned_from_and_never_those_that_are_tested(tmp_path: Path) -> None:
    words = ("fine", "dull", "grand", "weak", "long", "short")
    for name, some in (("train", words), ("dev", words[:2]), ("test", words[2:4])):
        lines = [f"({i % 2} (2 (2 It) (2 is)) ({i % 2} {word}))" for i, word in enumerate(some)]
        (tmp_path / f"{name}.txt").write_text(
            "\n".join([*lines, "(1 (1 fine) (1 dull))" if name == "train" else "(1 (1 fine))"])
        )
    parts = {
        n: list(s.examples()) for n, s in open_splits("LabelledText", tmp_path, {"text": None, "label": None}).items()
    }
    task = TextClassification(phrases=True)
    split = task.split(parts, seed=0)
    added = [(e.text, e.label) for e in split.train[len(parts["train"]) :]]
    assert (
        len(added) == len(set(added)) == 3 + 5
    )  # It, is, It is, and the words but the one that is itself a text of the test
    assert "fine" not in {text for text, _ in added}
    assert ("phrases", "8 labelled parts of the training texts are learned from as well") in task.found(split, {})
    with pytest.raises(DataError, match="no labelled parts"):
        task.split({name: [dataclasses.replace(e, phrases=()) for e in some] for name, some in parts.items()}, seed=0)
