"""Speech recognition: sources that fit and those that do not, what is left out, error rates, and learning."""

import wave
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
import torch

import samoyed
from samoyed import samples
from samoyed.errors import DataError
from samoyed.examples import Utterance
from samoyed.sources import open_splits
from samoyed.tasks._transcribing import _errors, feasible
from samoyed.tasks.automatic_speech_recognition import AutomaticSpeechRecognition


def write(path: Path, seconds: float = 0.3, silent: bool = False, rate: int = 8000) -> Path:
    """A WAV file of noise, or of nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(str(path))).normal(0, 0 if silent else 3000, int(seconds * rate))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(noise.astype("<i2").tobytes())
    return path


def read(path: Path) -> dict[str, list[tuple[str, str | None]]]:
    opened = open_splits("Utterance", path)
    return {
        name: [(Path(e.origin).name, e.transcript) for e in s.examples()]  # type: ignore[union-attr]
        for name, s in opened.items()
    }


def test_a_table_names_recordings_and_what_is_said(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / "wav" / f"{name}.wav")
    table = tmp_path / "all.tsv"
    table.write_text("path\ttext\nwav/a.wav\tone two\nwav/b.wav\tthree\n")
    assert read(table) == {"all": [("a.wav", "one two"), ("b.wav", "three")]}
    for split in ("train", "test"):
        (tmp_path / f"{split}.tsv").write_text(table.read_text())
    table.unlink()
    assert list(read(tmp_path)) == ["train", "test"]


def test_librispeech_and_texts_beside_recordings(tmp_path: Path) -> None:
    for part in ("train-clean-100", "dev-clean", "test-clean"):
        folder = tmp_path / "libri" / part / "19" / "198"
        write(folder / "19-198-0000.wav")
        (folder / "19-198.trans.txt").write_text("19-198-0000 CHAPTER ONE\n")
    found = read(tmp_path / "libri")
    assert found == {split: [("19-198-0000.wav", "CHAPTER ONE")] for split in ("train", "valid", "test")}
    write(tmp_path / "beside" / "x.wav")
    (tmp_path / "beside" / "x.txt").write_text("said  so\n")
    assert read(tmp_path / "beside") == {"all": [("x.wav", "said so")]}


def test_what_is_silent_damaged_or_missing_is_skipped_and_named(tmp_path: Path) -> None:
    lines = ["path,text"]
    for i in range(60):
        write(tmp_path / f"{i}.wav")
        lines.append(f"{i}.wav,word")
    write(tmp_path / "silent.wav", silent=True)
    (tmp_path / "broken.wav").write_bytes(b"RIFF\0\0\0\0WAVEjunk")
    write(tmp_path / "empty.wav", 0.0)
    lines += ["silent.wav,x", "broken.wav,x", "gone.wav,x", "empty.wav,x", "1.wav, "]
    table = tmp_path / "t.csv"
    table.write_text("\n".join(lines))
    source = open_splits("Utterance", table)["all"]
    assert len(list(source.examples())) == 60
    why = {Path(d.where.split(" (")[0]).name: d.why for d in source.damaged}
    assert why["silent.wav"] == "it is silent"
    assert why["gone.wav"] == "there is no such file"
    assert why["empty.wav"] == "there is nothing in it"
    assert why["t.csv:66"] == "the transcript is empty"
    assert set(why) == {"silent.wav", "broken.wav", "gone.wav", "empty.wav", "t.csv:66"}


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no recordings with transcripts"):
        read(tmp_path / "x.csv")


def test_a_transcript_must_fit_into_its_recording() -> None:
    """A frame for each symbol, and one between two that are equal: "aab" needs 4."""
    assert feasible(4, "aab")
    assert not feasible(3, "aab")
    task = AutomaticSpeechRecognition()
    draw = np.random.default_rng(0)
    sounds = [Utterance(draw.normal(0, 0.1, 4000).astype(np.float32), 8000, "short", str(i)) for i in range(20)]
    sounds.append(Utterance(sounds[0].samples, 8000, "far too long for half a second of sound", "long"))
    split = task.split({"all": sounds}, 0)
    assert sum(map(len, split[:3])) == 20
    assert any(name == "left out" and text.startswith("1 ") for name, text in task.found(split, {}))
    with pytest.raises(DataError, match="no transcript is short enough"):
        task.split({"all": sounds[-1:]}, 0)


def test_error_rates_are_those_of_jiwer() -> None:
    right = ["the cat sat", "one two three", "hello"]
    said = ["the hat sat down", "", "hello"]
    found = _errors(right, said)
    assert float(found["wer"].value()) == pytest.approx(jiwer.wer(right, said))
    assert float(found["cer"].value()) == pytest.approx(jiwer.cer(right, said))


def test_a_file_that_is_no_recording_is_one_clear_error(tmp_path: Path) -> None:
    task = AutomaticSpeechRecognition()
    (tmp_path / "x.wav").write_text("no sound")
    for path, words in ((tmp_path / "x.wav", "cannot be heard"), (tmp_path / "y.wav", "no such file")):
        with pytest.raises(DataError, match=words):
            task.read(path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run over 60 synthetic utterances, seen 12 times."""
    with pytest.MonkeyPatch.context() as patch:
        whole = samples.load
        patch.setattr(samples, "load", lambda name: (whole(name)[0][:60], whole(name)[1]))
        return samoyed.train(
            "automatic-speech-recognition", out=tmp_path_factory.mktemp("asr") / "run", quiet=True, epochs=12, batch_size=4,
            hidden_size=32, num_layers=1, augment=False, learning_rate=0.01, execution="plain",
        )  # fmt: skip


def test_synthetic_digits_are_learned(trained: Any) -> None:
    assert trained.metrics["train"]["cer"]["value"] < 40  # 100 before, when nothing is written
    again = samoyed.load(trained.path)
    example = samples.load("synthetic_speech")[0][0]
    assert again.predict(example) == trained.predict(example)
    assert trained.predict(example)["seconds"] == pytest.approx(len(example.samples) / 8000, abs=1e-3)


def test_a_lexicon_writes_known_words_alone(trained: Any) -> None:
    task = trained.task
    rows = task.collate(samples.load("synthetic_speech")[0][:8])
    with torch.no_grad():
        log_probs, lengths = task.forward(trained.model, rows)
        task.lexicon = True
        said = task.texts(task.search(log_probs, lengths))
        task.lexicon = False
    assert any(said)
    assert {word for text in said for word in text.split()} <= set(task.words)
