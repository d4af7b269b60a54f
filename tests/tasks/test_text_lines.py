"""Reading lines: pictures of one height, padding that changes nothing, sources, and a lexicon that helps."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import samoyed
from samoyed import listing, samples
from samoyed.decoding.ctc import Lexicon
from samoyed.decoding.language import LanguageModel
from samoyed.errors import DataError, RunError, UsageError
from samoyed.examples import TextLine
from samoyed.features.lines import line, width
from samoyed.models.crnn import CRNN
from samoyed.run import Run, accompany
from samoyed.sources import open_splits
from samoyed.tasks.text_generation import TextGeneration
from samoyed.tasks.text_line_recognition import TextLineRecognition


def test_lines_have_one_height_and_bright_ink() -> None:
    page = np.full((20, 50, 3), 250, np.uint8)
    page[5:15, 10:20] = 10
    found = line(page, 40)
    assert found.shape == (40, width(page.shape, 40)) == (40, 100)
    assert found[20, 30] > 200
    assert found[0, 0] < 10
    assert np.array_equal(line(255 - page, 40), found)


@torch.no_grad()
def test_padding_changes_nothing() -> None:
    """Lines of 5 to 33 columns together and alone: one answer for each 4 columns, the last of them begun."""
    torch.manual_seed(0)
    model = CRNN(line_height=20, num_symbols=5, width=4, hidden_size=6).double().eval()
    widths = torch.tensor([33, 5, 16, 18])
    lines = torch.rand(4, 20, 40, dtype=torch.float64) * (torch.arange(40) < widths[:, None])[:, None]
    whole, lengths = model(lines, widths)
    assert lengths.tolist() == [9, 2, 4, 5]
    for row, wide in enumerate(widths.tolist()):
        alone, _ = model(lines[row : row + 1, :, :wide], widths[row : row + 1])
        assert alone.shape[1] == -(-wide // 4)
        assert torch.allclose(whole[row, : alone.shape[1]], alone[0], atol=1e-12)


def test_sources_and_what_is_skipped(tmp_path: Path) -> None:
    for name, text in (("a", "12 34"), ("b", "x")):
        Image.fromarray(np.full((10, 60), 255, np.uint8)).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.gt.txt").write_text(f"{text}\n")
    (source,) = open_splits("TextLine", tmp_path).values()
    assert [(e.transcript, e.pixels.shape) for e in source.examples()] == [("12 34", (10, 60, 1)), ("x", (10, 60, 1))]  # type: ignore[union-attr]
    (tmp_path / "b.png").write_bytes(b"\x89PNG")
    (source,) = open_splits("TextLine", tmp_path).values()
    assert len(list(source.examples())) == 1
    assert source.damaged[0].where.endswith("b.png")


def test_a_transcript_must_fit_into_its_picture() -> None:
    task = TextLineRecognition(height=16)
    lines = [TextLine(np.full((16, 40 + i, 1), i, np.uint8), "short", str(i)) for i in range(20)]
    lines.append(TextLine(lines[0].pixels, "eleven letters", "long"))
    split = task.split({"all": lines}, 0)
    assert sum(map(len, split[:3])) == 20
    with pytest.raises(DataError, match="no transcript is short enough"):
        task.split({"all": lines[-1:]}, 0)


def test_no_scan_of_the_sample_is_used_twice() -> None:
    whole = samples.load("digit_strings")[0]
    assert len(whole) == 359
    assert all(len(e.transcript) == 5 for e in whole)
    counts: dict[str, int] = {}
    for e in samples.load("digits")[0]:
        counts[e.label] = counts.get(e.label, 0) + 1
    said = "".join(e.transcript for e in whole)
    assert all(said.count(digit) <= count for digit, count in counts.items())


def test_a_lexicon_mends_what_a_network_confuses() -> None:
    """Noise over the right symbols of 200 lines from a list of 30: within the list fewer are wrong than by prefixes alone."""
    task = TextLineRecognition()
    draw = np.random.default_rng(0)
    listed = ["".join(map(str, draw.integers(0, 10, 5))) for _ in range(30)]
    task.learn(listed)
    right = [listed[i] for i in draw.integers(0, 30, 200)]
    logits = torch.from_numpy(draw.normal(0, 1.2, (200, 10, len(task.vocabulary) + 1))).float()
    for row, text in enumerate(right):
        for place, symbol in enumerate(task.vocabulary.encode(text).tolist()):
            logits[row, 2 * place, symbol + 1] += 3.5
            logits[row, 2 * place + 1, 0] += 3.5
    log_probs, lengths = logits.log_softmax(-1), torch.full((200,), 10)
    wrong: dict[Any, int] = {}
    for task.lexicon in (False, True):
        task.beam_width = 16
        said = task.texts(task.search(log_probs, lengths))
        wrong[task.lexicon] = sum(a != b for a, b in zip(said, right, strict=True))
        if task.lexicon:
            assert {text for text in said if text} <= set(listed)
    assert wrong[True] < wrong[False] / 2
    assert isinstance(task.trie(), Lexicon)


def grammatical(count: int, seed: int) -> list[str]:
    """Strings of six digits, each one or three more than the last, modulo ten."""
    draw = np.random.default_rng(seed)
    steps = draw.choice([1, 3], (count, 6))
    steps[:, 0] = draw.integers(0, 10, count)
    return ["".join(map(str, row)) for row in steps.cumsum(1) % 10]


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of n-grams, trained on lines of the grammar."""
    folder = tmp_path_factory.mktemp("language")
    (folder / "lines.txt").write_text("\n".join(grammatical(3000, 1)) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextGeneration, "pictures", lambda *given: [])
        samoyed.train("text-generation", folder / "lines.txt", model="ngram", out=folder / "run", quiet=True)
    return folder / "run"


def test_a_language_model_mends_what_a_network_confuses(language: Path) -> None:
    """Noise over the right symbols of 200 strings of a grammar of which the model has read others: less than half as many are wrong."""
    right = grammatical(200, 2)
    wrong: dict[str | None, int] = {}
    for lm in (None, str(language)):
        task = TextLineRecognition(lm=lm, beam_width=16, lm_weight=0.8)
        accompany(task)
        task.learn(right)
        draw = np.random.default_rng(0)
        logits = torch.from_numpy(draw.normal(0, 1.2, (200, 12, len(task.vocabulary) + 1))).float()
        for row, text in enumerate(right):
            for place, symbol in enumerate(task.vocabulary.encode(text).tolist()):
                logits[row, 2 * place, symbol + 1] += 3.5
                logits[row, 2 * place + 1, 0] += 3.5
        said = task.texts(task.search(logits.log_softmax(-1), torch.full((200,), 12)))
        wrong[lm] = sum(a != b for a, b in zip(said, right, strict=True))
    assert wrong[None] > 40
    assert wrong[str(language)] < wrong[None] / 2


def test_a_saved_run_reads_with_its_language_model(
    language: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TextLineRecognition, "pictures", lambda *given: [])
    out = tmp_path / "run"
    given: dict[str, Any] = {"lm": str(language), "width": 4, "hidden_size": 8, "max_steps": 2, "height": 16}
    run = samoyed.train("text-line-recognition", out=out, quiet=True, **given)
    config = (out / "config.yaml").read_text()
    assert str(language) in config
    shutil.move(language, tmp_path / "elsewhere")  # the run has a language model of its own
    again = Run.load(out)
    assert [Path(row["run"]) for row in listing.runs(tmp_path)] == [out, tmp_path / "elsewhere"]
    shutil.move(tmp_path / "elsewhere", language)
    example = samples.load("digit_strings")[0][0]
    assert again.predict(example) == run.predict(example)
    task: Any = again.task
    assert isinstance(task.language(), LanguageModel)
    task.lm = str(tmp_path / "nowhere")
    with pytest.raises(RunError, match="the run that lm= names"):
        accompany(task)
    task.lm = str(out)
    with pytest.raises(UsageError, match="no language model of characters"):
        accompany(task)
