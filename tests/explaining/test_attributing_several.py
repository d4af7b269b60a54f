"""What moved each of several answers: closed forms, sums that are complete, brute force, and tasks whose rule is known."""

import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import samoyed
from samoyed import catalog
from samoyed.errors import UsageError
from samoyed.examples import TextLine, Utterance
from samoyed.explaining import attributing
from samoyed.run import Run
from samoyed.tasks import _why_frames, _why_letters, _why_words


class Reader(nn.Module):
    """Three answers about words that are looked up in two tables, with a bend or without."""

    def __init__(self, bend: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two = nn.Embedding(9, 4).double(), nn.Embedding(9, 4).double()
        self.weight, self.bend = nn.Parameter(torch.randn(3, 5, 4, dtype=torch.float64)), bend

    def forward(self, tokens: Tensor) -> Tensor:
        found = self.one(tokens) - 2 * self.two(tokens)
        said = torch.einsum("bte,kte->bk", found, self.weight)
        return torch.tanh(said / 4) if self.bend else said


TOKENS = torch.tensor([[3, 1, 4, 1, 5]])


def test_of_sums_each_word_adds_its_own_part() -> None:
    model = Reader(bend=False)
    found = attributing.of_each(model, lambda many: model(TOKENS.expand(many, -1)), 5, steps=2)
    assert found is not None
    own = ((model.one(TOKENS) - 2 * model.two(TOKENS)) * model.weight).sum(2)
    assert torch.allclose(found.parts, own)
    assert found.off < 1e-12


def test_several_answers_are_told_as_each_alone_and_add_up() -> None:
    model = Reader(bend=True)
    found = attributing.of_each(model, lambda many: model(TOKENS.expand(many, -1)), 5, steps=50)
    assert found is not None
    for k in range(3):
        alone = attributing.of_words(model, lambda k=k: model(TOKENS)[0, k], 5, steps=50)
        assert alone is not None
        assert torch.allclose(found.parts[k], alone.parts)
    assert torch.allclose(found.parts.sum(1), model(TOKENS)[0], atol=1e-3)  # without words the answers are 0
    assert found.off < 1e-3


def test_only_the_embeddings_that_are_meant_are_looked_at() -> None:
    model = Reader(bend=False)
    found = attributing.of_each(model, lambda many: model(TOKENS.expand(many, -1)), 5, steps=2, only=[model.two])
    assert found is not None
    assert torch.allclose(found.parts, (-2 * model.two(TOKENS) * model.weight).sum(2))
    plain = nn.Linear(3, 2)
    assert attributing.of_each(plain, lambda many: plain(torch.ones(many, 3)), 3) is None


def test_shares_of_inputs_are_complete() -> None:
    draw = torch.Generator().manual_seed(1)
    given, base = (torch.randn(1, 6, 2, generator=draw, dtype=torch.float64) for _ in range(2))
    weight = torch.randn(3, 6, 2, generator=draw, dtype=torch.float64)
    found = attributing.of_inputs(lambda x: torch.einsum("btf,ktf->bk", x, weight).sin(), given, base, steps=2000)
    assert found is not None
    gaps = torch.einsum("tf,ktf->k", given[0], weight).sin() - torch.einsum("tf,ktf->k", base[0], weight).sin()
    assert torch.allclose(found.parts.sum((1, 2)), gaps, atol=1e-4)
    assert attributing.of_inputs(lambda x: torch.zeros(len(x), 2), given, base) is None


def test_making_words_unknown_is_brute_force() -> None:
    table = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))

    def logits(tokens: Tensor) -> Tensor:
        return table[tokens].cumsum(1)[:, [2, 4]]

    answers = torch.tensor([1, 3])
    found = _why_words.unknown(TOKENS, logits, answers)
    whole = logits(TOKENS).log_softmax(-1)[0]
    for s in range(5):
        changed = TOKENS.clone()
        changed[0, s] = 0
        fallen = whole - logits(changed).log_softmax(-1)[0]
        assert torch.allclose(found[:, s], fallen[[0, 1], answers], atol=1e-6)


def trained(task: str, data: Path, out: Path, **settings: Any) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog.task(task).load(), "pictures", lambda *given: [])
        return samoyed.train(task, data, out=out, quiet=True, execution="plain", **settings)


@pytest.mark.parametrize("model", ["lstm", "bilstm_crf"])
def test_a_tag_rests_on_the_word_that_makes_it(tmp_path: Path, model: str) -> None:
    """A word is a name where `mr` stands before it, and nothing else tells so."""
    draw = np.random.default_rng(0)
    sentences = []
    for _ in range(200):
        words = [str(draw.choice(list("abcdefgh"))) for _ in range(7)]
        words[int(draw.integers(6))] = "mr"
        tags = ["B-PER" if before == "mr" else "O" for before in ["", *words[:-1]]]
        sentences.append("\n".join(f"{w} {t}" for w, t in zip(words, tags, strict=True)))
    (tmp_path / "train.conll").write_text("\n\n".join(sentences) + "\n")
    run = trained(
        "sequence-tagging", tmp_path / "train.conll", tmp_path / "run", model=model, hidden_size=12, embedding_size=8,
        epochs=30, learning_rate=0.02, dropout=0.0,
    )  # fmt: skip
    found = run.task.explain(run.model, run.task.read("a b c mr d e f"))
    assert found["label"] == "B-PER  d"
    weights = {part["text"].strip(): part["weight"] for part in found["parts"]}
    assert max(weights, key=lambda word: weights[word]) == "mr"
    assert found["by"] == "integrated gradients"
    json.dumps(found, allow_nan=False)
    drawn = run.explain("a b c mr d e f", tmp_path / "why")
    assert [Path(p).name for p in drawn["pictures"]] == ["integrated_gradients.png", "occlusion.png"]
    assert run.explain("a b c", tmp_path / "none")["pictures"]  # no name: the least sure words


@pytest.mark.parametrize("model", ["lstm", "ngram"])
def test_the_next_letter_rests_on_the_one_that_it_repeats(tmp_path: Path, model: str) -> None:
    draw = np.random.default_rng(0)
    letters = list(string.ascii_lowercase[:6])
    words = [f"{a}{b}{a} " for a, b in (draw.choice(letters, 2, replace=False) for _ in range(2500))]
    (tmp_path / "book.txt").write_text("".join(words))
    settings = {"hidden_size": 24, "embedding_size": 8, "max_steps": 250, "learning_rate": 0.02, "sequence_length": 32}
    run = trained(
        "text-generation", tmp_path / "book.txt", tmp_path / "run", model=model, **(settings if model == "lstm" else {})
    )
    found = run.task.explain(run.model, run.task.read("aba cec fd"))
    assert found["label"] == "next: f"
    weights = [part["weight"] for part in found["parts"]]
    assert "".join(part["text"] for part in found["parts"]) == "aba cec fd"
    assert weights[8] > weights[9]
    made = _why_words.of_next(run.task, run.model, run.task.read("aba cec fd"))
    assert float(made.weights["occlusion"][0, 8]) > 1  # nats
    assert made.off < 0.1
    assert found["by"] == ("integrated gradients" if model == "lstm" else "occlusion")
    assert run.explain("aba cec fd", tmp_path / "why")["pictures"]


def test_a_said_word_rests_on_the_word_that_it_translates(tmp_path: Path) -> None:
    pytest.importorskip("sacrebleu")
    draw = np.random.default_rng(0)
    said = dict(zip("abcdefgh", ["eins", "zwei", "drei", "vier", "sechs", "acht", "neun", "elf"], strict=True))
    rows = ["source\ttarget"]
    for _ in range(700):
        words = [str(draw.choice(list(said))) for _ in range(int(draw.integers(2, 5)))]
        rows.append(f"{' '.join(words)}\t{' '.join(said[w] for w in words)}")
    (tmp_path / "pairs.tsv").write_text("\n".join(rows))
    run = trained(
        "translation", tmp_path / "pairs.tsv", tmp_path / "run", source="source", target="target", tokens="words",
        hidden_size=32, embedding_size=16, epochs=10, learning_rate=0.01, dropout=0.0, beam_width=1,
    )  # fmt: skip
    example = run.task.read("c a h")
    found = _why_words.of_translation(run.task, run.model, example)
    assert found.said == ["drei", "eins", "elf"]
    assert set(found.weights) == {"integrated gradients", "occlusion", "attention"}
    for by in ("integrated gradients", "occlusion"):
        assert found.weights[by][:, :3].argmax(1).tolist() == [0, 1, 2], by
    assert found.off < 0.1
    each = run.task.explain(run.model, example)["each"]
    assert [one["label"] for one in each] == found.said
    assert len(run.explain("c a h", tmp_path / "why")["pictures"]) == 1


class Local(nn.Module):
    """Logits of a step from that step alone: the blank's are 1, a symbol's the sum of its own part of the frame."""

    def __init__(self, symbols: int, line: bool) -> None:
        super().__init__()
        self.symbols, self.line = symbols, line
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        frames = frames.transpose(1, 2) if self.line else frames
        parts = frames.unflatten(2, (self.symbols, -1)).sum(3) * self.gain
        return torch.cat([torch.ones_like(parts[..., :1]), parts], 2), lengths


def line_task() -> tuple[Any, TextLine]:
    task = catalog.task("text-line-recognition").load()(height=8)
    task.restore({"tokens": ["\N{REPLACEMENT CHARACTER}", "a", "b", "c"], "words": [], "height": 8})
    pixels = np.full((8, 30, 1), 255, np.uint8)
    pixels[2:4, 5:9] = 0  # an a, rows 2 and 3
    pixels[6:8, 20:22] = 0  # a c
    return task, TextLine(pixels, None, "drawn")


def test_a_symbol_rests_on_where_it_was_written() -> None:
    pytest.importorskip("jiwer")
    task, example = line_task()
    model = Local(4, line=True)
    found = _why_frames.of_reading(task, model, example, 2, lambda heat: heat)
    assert found.symbols == ["a", "c"]
    assert found.off < 1e-4
    ink = found.shown > 0
    assert (found.all[ink] != 0).sum() == 2 * 2  # one step of each, the rows of its own ink
    for row, columns in zip(found.each, (range(5, 9), range(20, 22)), strict=True):
        assert set(row.nonzero()[:, 0].tolist()) <= set(columns)
        assert float(row.sum()) == pytest.approx(2, abs=0.1)  # of two bright rows, from the blank's side
    assert float(found.hidden[2:4, 5:9].mean()) > 5 * float(found.hidden[:, 12:18].abs().mean())
    said = task.explain(model, example)
    assert [s["symbol"] for s in said["symbols"]] == ["a", "c"]
    assert np.array(said["heat"]).shape == np.array(said["line"]).shape == (8, 30)
    assert task.explained(model, example)[0].figure is not None
    blank = TextLine(np.full((8, 30, 1), 255, np.uint8), None, "blank")
    with pytest.raises(UsageError, match="nothing was read or heard"):
        task.explain(model, blank)


def test_hiding_is_brute_force() -> None:
    given = torch.rand(1, 40, 6, generator=torch.Generator().manual_seed(0))
    weight = torch.rand(40, 6, generator=torch.Generator().manual_seed(1))
    answer = lambda x: (x * weight).sum((1, 2)) ** 2  # noqa: E731
    found = _why_frames.hiding(answer, given, 1)
    at = (17, 3)
    falls = []
    for i in [*range(0, 38, 1), 38]:  # a stretch of 2 of 40 steps, of 1 of 6 bands
        for j in range(6):
            if i <= at[0] < i + 2 and j == at[1]:
                changed = given.clone()
                changed[0, i : i + 2, j] = 0
                falls.append(float(answer(given) - answer(changed)))
    assert float(found[at]) == pytest.approx(np.mean(falls), rel=1e-4)


def test_a_sound_rests_on_its_moment(tmp_path: Path) -> None:
    pytest.importorskip("kaldi_native_fbank")
    pytest.importorskip("jiwer")
    task = catalog.task("automatic-speech-recognition").load()(bands=8, stack=2)
    noise = np.random.default_rng(0).normal(0, 0.01, 8000).astype(np.float32)
    task.fit([Utterance(noise, 8000, "ab", "noise"), Utterance(noise[::-1].copy(), 8000, "ba", "noise")])
    loud = noise.copy()
    loud[3200:4000] *= 40  # from 0.4 to 0.5 seconds
    example, model = Utterance(loud, 8000, None, "loud"), Local(2, line=False)
    symbols = len(task.vocabulary)
    model.symbols = symbols
    if (task.stack * len(task.filterbank.mean)) % symbols:
        pytest.skip("frames cannot be divided")
    said = task.explain(model, example)
    assert said["symbols"]
    assert all(0.35 < s["at"] < 0.55 for s in said["symbols"])
    assert all(s["in"] == "seconds" for s in said["symbols"])
    assert np.array(said["spectrogram"]).shape == np.array(said["heat"]).shape
    assert len(said["heat"]) == 8
    json.dumps(said, allow_nan=False)


def test_strokes_rest_on_letters(tmp_path: Path) -> None:
    run = trained("handwriting-synthesis", None, tmp_path / "run", max_steps=2, hidden_size=12)  # type: ignore[arg-type]
    text = "".join(sorted(run.task.letters.tokens[1:]))[:4]
    example, falls = _why_letters.of_drawing(run.task, run.model, run.task.read(text))
    assert example.strokes
    assert falls.shape[0] == 4
    batch = run.task.collate([example])
    batch = batch._replace(text=batch.text.long())
    with torch.no_grad():
        nats = []
        for letter in (None, 2):
            changed = batch.text.clone()
            if letter is not None:
                changed[0, letter] = 0
            mixture, targets, _ = run.task.foreseen(run.model, batch._replace(text=changed))
            nats.append(mixture.log_density(targets[..., :2]) + mixture.log_pen(targets[..., 2], targets[..., 3]))
    assert torch.allclose(falls[2], (nats[0] - nats[1])[0], atol=1e-5)
    found = run.task.explain(run.model, run.task.read(text))
    assert [part["text"] for part in found["parts"]] == list(text)
    assert len(run.explain(text, tmp_path / "why")["pictures"]) == 2


def test_a_word_is_known_by_its_company(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    lines = [
        f"{draw.choice(['cat', 'dog'])} eats meat" if i % 2 else f"{draw.choice(['cow', 'goat'])} grazes grass"
        for i in range(3000)
    ]
    (tmp_path / "text.txt").write_text("\n".join(lines))
    for hierarchical in (False, True):
        run = trained(
            "word-embeddings", tmp_path / "text.txt", tmp_path / f"run{hierarchical}", embedding_size=8, epochs=3,
            subsample=0.0, window=2, output="hierarchical_softmax" if hierarchical else "negative_sampling",
        )  # fmt: skip
        found = run.task.explain(run.model, run.task.read("cat"))
        if hierarchical:
            assert found["by"] == "cosine"
            assert "tree" in found["sentence"]
        else:
            assert {part["text"].strip() for part in found["parts"][:2]} == {"eats", "meat"}
        assert run.explain("cat", tmp_path / f"why{hierarchical}")["pictures"]
