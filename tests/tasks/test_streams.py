"""Answers piece by piece: joined they are the whole answer, and each comes when it is found."""

from pathlib import Path
from typing import Any

import pytest

import samoyed
from samoyed import samples
from samoyed.errors import UsageError
from samoyed.features.exact_subwords import ExactSubwords
from samoyed.tasks.text_generation import TextGeneration
from samoyed.tasks.translation import Translation


def trained(task: str, out: Path, data: Path | None = None, **settings: Any) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        whole = samples.load
        patch.setattr(samples, "load", lambda name: (whole(name)[0][:200], whole(name)[1]))
        for kind in (TextGeneration, Translation):
            patch.setattr(kind, "pictures", lambda *given: [])
        return samoyed.train(task, data, out=out / "run", quiet=True, **settings)


@pytest.mark.parametrize("tokens", ["characters", "words", "subwords"])
def test_a_text_is_written_piece_by_piece(tokens: str, tmp_path: Path) -> None:
    text = tmp_path / "book.txt"
    text.write_text("Ein Käse, zwei Käse – wie süß! 日本 語 \N{GRINNING FACE}\n" * 120)
    limit = {"vocab_limit": 300} if tokens == "subwords" else {}
    run = trained("text-generation", tmp_path, text, tokens=tokens, max_steps=2, hidden_size=8, **limit)
    options: dict[str, Any] = {"length": 60, "temperature": 1.0, "seed": 4}
    pieces = list(run.stream("Ein ", **options))
    assert "".join(pieces) == run.generate("Ein ", **options)["continuation"]
    assert len(pieces) > 20
    assert list(run.stream("Ein ", length=0)) == []
    with pytest.raises(UsageError, match="temperature is -1"):
        list(run.stream("Ein ", temperature=-1))
    with pytest.raises(UsageError, match="no option 'lenght'"):
        run.stream("Ein ", lenght=3)


def test_a_token_is_computed_when_it_is_asked_for(tmp_path: Path) -> None:
    text = tmp_path / "book.txt"
    text.write_text("abcdefgh " * 300)
    run = trained("text-generation", tmp_path, text, max_steps=1, hidden_size=8)
    steps = 0

    def counted(*given: Any) -> None:
        nonlocal steps
        steps += 1

    run.model.register_forward_hook(counted)
    pieces = run.stream("ab", length=10**6)
    for count in range(1, 6):
        next(pieces)
        assert steps == count
    pieces.close()


@pytest.mark.parametrize(
    ("tokens", "beam_width"),
    [
        ("subwords", 4),
        pytest.param("subwords", 1, marks=pytest.mark.prove),
        pytest.param("words", 4, marks=pytest.mark.prove),
    ],
)
def test_a_translation_is_never_taken_back(beam_width: int, tokens: str, tmp_path: Path) -> None:
    run = trained(
        "translation", tmp_path, tokens=tokens, beam_width=beam_width, max_steps=60, hidden_size=24, embedding_size=16,
        batch_size=16, learning_rate=0.01, vocab_limit=200,
    )  # fmt: skip
    several = 0
    for example in samples.load("written_numbers")[0][:8]:
        pieces = list(run.stream(example.source))
        assert "".join(pieces) == run.predict(example.source)["text"]
        several += len(pieces) > 1
    assert several >= 4 or beam_width > 1  # what a beam has settled early is counted in tests/decoding


def test_what_comes_whole_is_refused(tmp_path: Path) -> None:
    run = trained("time-series-forecasting", tmp_path, max_steps=1)
    with pytest.raises(UsageError, match="come whole"):
        run.stream("x")


def test_a_character_comes_with_its_last_byte() -> None:
    vocabulary = ExactSubwords.learn(["süße Käse " * 200], 300)
    tokens = vocabulary.encode("日 süß \N{GRINNING FACE}").tolist()
    pieces = list(vocabulary.pieces(tokens))
    assert "".join(pieces) == "日 süß \N{GRINNING FACE}"
    assert not any("\N{REPLACEMENT CHARACTER}" in piece for piece in pieces)
    cut = vocabulary.encode("日").tolist()[:2]
    assert "".join(vocabulary.pieces(cut)) == vocabulary.text(vocabulary.encode("日")[:2])
