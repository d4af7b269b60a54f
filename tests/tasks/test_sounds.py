"""Audio classification: what is read and what is refused, what is heard of a recording, learning, and real spoken digits."""

import struct
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import samoyed
from samoyed import received, samples
from samoyed.errors import DataError
from samoyed.examples import Recording
from samoyed.features.filterbank import Filterbank
from samoyed.recipes import isolated_digits
from samoyed.sources import open_splits
from samoyed.sources._audio import Unreadable, decode
from samoyed.tasks.audio_classification import AudioClassification

DRAW = np.random.default_rng(0)


def tone(path: Path, hertz: float, seconds: float = 0.3, rate: int = 8000, **how: Any) -> Path:
    """A file with a tone and some noise in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(seconds * rate)) / rate
    sound = 0.3 * np.sin(2 * np.pi * hertz * time) + 0.01 * DRAW.standard_normal(len(time))
    channels = how.pop("channels", 1)
    soundfile.write(path, np.stack([sound] * channels, 1), rate, **how)
    return path


def read(path: Path) -> dict[str, list[tuple[str, str | None]]]:
    opened = open_splits("Recording", path)
    return {
        name: [(Path(e.origin).name, e.label) for e in s.examples()]  # type: ignore[union-attr]
        for name, s in opened.items()
    }


def test_a_folder_per_class_and_named_splits(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("dog", "bell"):
            tone(tmp_path / "a" / split / name / "1.wav", 440)
    tone(tmp_path / "a" / "train" / "dog" / "old" / "2.flac", 440)
    found = read(tmp_path / "a")
    assert found["train"] == [("1.wav", "bell"), ("1.wav", "dog"), ("2.flac", "dog")]
    assert found["test"] == [("1.wav", "bell"), ("1.wav", "dog")]


def test_a_table_names_files_and_classes(tmp_path: Path) -> None:
    tone(tmp_path / "wav" / "a.wav", 440)
    table = tmp_path / "all.tsv"
    table.write_text("filename\tclass\nwav/a.wav\t007\nwav\\a.wav\tNA\n")
    assert read(table) == {"all": [("a.wav", "007"), ("a.wav", "NA")]}
    table.write_text("filename\tclass\nwav/a.wav\t\n")
    with pytest.raises(DataError, match="no label"):
        read(table)
    table.write_text("filename\tclass\nwav/b.wav\tx\n")
    with pytest.raises(DataError, match="is no file"):
        read(table)


def test_what_is_no_layout_of_recordings_is_said(tmp_path: Path) -> None:
    tone(tmp_path / "loose" / "1.wav", 440)
    with pytest.raises(DataError, match="no folder that says their class"):
        read(tmp_path / "loose")
    (tmp_path / "none" / "dog").mkdir(parents=True)
    with pytest.raises(DataError, match="audio-classification learns from recordings of classes"):
        read(tmp_path / "none")


def test_damaged_files_are_skipped_and_named(tmp_path: Path) -> None:
    for i in range(70):
        tone(tmp_path / "x" / "dog" / f"{i}.wav", 300 + i)
    folder = tmp_path / "x" / "bell"
    whole = tone(folder / "good.wav", 900)
    (folder / "cut.wav").write_bytes(whole.read_bytes()[:2000])
    (folder / "zero.wav").write_bytes(b"")
    (folder / "text.wav").write_text("no sound at all")
    soundfile.write(folder / "nan.wav", np.array([0.1, np.nan, 0.2], np.float32), 8000, subtype="FLOAT")
    soundfile.write(folder / "silent.wav", np.zeros(800), 8000)
    soundfile.write(folder / "header.wav", np.zeros(0), 8000)
    source = open_splits("Recording", tmp_path / "x")["all"]
    assert len(list(source.examples())) == 71
    why = {Path(d.where).name: d.why for d in source.damaged}
    assert set(why) == {"cut.wav", "zero.wav", "text.wav", "nan.wav", "silent.wav", "header.wav"}
    assert why["cut.wav"] == "it is cut short: 1,956 of its 4,800 bytes are there"
    assert why["nan.wav"] == "it holds numbers that are none"
    assert why["silent.wav"] == "it is silent"
    assert why["header.wav"] == "there is nothing in it"


@pytest.mark.parametrize(
    ("rate", "how"),
    [
        (8000, {"subtype": "PCM_U8"}),
        (44_100, {"subtype": "PCM_24", "channels": 2}),
        (16_000, {"subtype": "FLOAT"}),
        (48_000, {"subtype": "PCM_32", "channels": 6}),
        (11_025, {"subtype": "ULAW"}),
    ],
)
def test_any_rate_depth_and_number_of_channels_is_heard(tmp_path: Path, rate: int, how: dict[str, Any]) -> None:
    path = tone(tmp_path / "x.wav", 440, rate=rate, **how)
    sound, found = decode(path)
    assert (found, sound.shape) == (rate, (int(0.3 * rate),))
    assert abs(float(np.abs(sound).max()) - 0.32) < 0.03
    assert np.array_equal(decode(path.read_bytes())[0], sound)
    bank = Filterbank(8000, [0.0] * 40, [1.0] * 40)
    loudest = bank.frames(sound, found)[10].argmax()
    reference = bank.frames(decode(tone(tmp_path / "y.wav", 440))[0], 8000)[10].argmax()
    assert loudest == reference


def test_a_stream_of_unknown_length_is_no_damage(tmp_path: Path) -> None:
    data = bytearray(tone(tmp_path / "x.wav", 440).read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    assert len(decode(bytes(data))[0]) == 2400
    with wave.open(str(tmp_path / "x.wav")) as file:
        assert file.getnframes() == 2400
    with pytest.raises(Unreadable):
        decode(b"RIFF")


def test_the_middle_of_a_long_recording_is_heard(tmp_path: Path) -> None:
    task = AudioClassification(max_seconds=0.5)
    sound = np.concatenate([np.zeros(8000), 0.5 * np.ones(4000), np.zeros(8000)]).astype(np.float32)
    assert (task._middle(Recording(sound, 8000, "x", "here")) == 0.5).all()
    short = Recording(sound[:100], 8000, "y", "there")
    assert len(task._middle(short)) == 100
    split = task.split(
        {"all": [Recording(sound * f, 8000, str(i % 2), str(i)) for i, f in enumerate(np.linspace(0.1, 1, 20))]}, 0
    )
    assert any(name == "cut" and text.startswith("20 ") for name, text in task.found(split, {}))


def test_one_class_is_refused() -> None:
    task = AudioClassification()
    sounds = [Recording(DRAW.normal(0, 0.1, 800).astype(np.float32), 8000, "dog", str(i)) for i in range(12)]
    with pytest.raises(DataError, match="only one class"):
        task.fit(sounds)


def test_masks_fall_in_training_alone() -> None:
    """Bands and moments are blotted out while training, never while measuring."""
    task = AudioClassification()
    examples = samples.load("synthetic_digits")[0][:40]
    task.fit(examples)
    rows = task.collate(examples)
    seen: list[torch.Tensor] = []

    class Watch(torch.nn.Module):
        def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            seen.append(frames)
            return torch.zeros(len(frames), 10)

    model = Watch()
    task.objective(model.eval(), rows)
    task.objective(model.train(), rows)
    assert torch.equal(seen[0], rows.frames.float())
    changed = seen[1] != seen[0]
    assert changed.any()
    assert (seen[1][changed] == 0).all()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run over 100 synthetic digits."""
    with pytest.MonkeyPatch.context() as patch:
        whole = samples.load
        patch.setattr(samples, "load", lambda name: (whole(name)[0][:100], whole(name)[1]))
        return samoyed.train(
            "audio-classification", out=tmp_path_factory.mktemp("sounds") / "run", quiet=True, epochs=12, batch_size=8,
            hidden_size=32, learning_rate=0.01, execution="plain",
        )  # fmt: skip


def test_synthetic_digits_are_learned(trained: Any, tmp_path: Path) -> None:
    assert trained.metrics["test"]["error"]["value"] < 40  # 90 by guessing
    example = samples.load("synthetic_digits")[0][3]
    path = tmp_path / "three.wav"
    soundfile.write(path, example.samples, example.rate, subtype="FLOAT")
    answer = trained.predict(path)
    assert answer["label"] == trained.predict(example)["label"]
    assert sum(answer["probs"].values()) == pytest.approx(1)
    assert str(path) in trained.task.say(answer)


def test_a_recording_can_be_sent(trained: Any, tmp_path: Path) -> None:
    path = tone(tmp_path / "x.wav", 440)
    sent = received.of_bytes(trained.task, path.read_bytes())
    assert np.array_equal(sent.samples, decode(path)[0])
    assert (sent.rate, sent.label, sent.origin) == (8000, None, "upload")
    for wrong in (b"", b"nothing", path.read_bytes()[:500]):
        with pytest.raises(DataError):
            received.of_bytes(trained.task, wrong)
    with pytest.raises(DataError, match="no recording"):
        received.of_json(trained.task, {"samples": [[0.1]], "rate": 8000})
    with pytest.raises(DataError, match="no recording"):
        received.of_json(trained.task, {"samples": [0.1], "rate": 0})


def test_a_file_that_is_no_recording_is_one_clear_error(trained: Any, tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_text("no sound")
    for path, words in ((tmp_path / "x.wav", "cannot be heard"), (tmp_path / "y.wav", "no such file"), ("", "empty")):
        with pytest.raises(samoyed.errors.SamoyedError, match=words):
            trained.predict(path)


def test_the_recipe_divides_by_the_sets_own_rule(tmp_path: Path) -> None:
    for index in (0, 4, 5, 49):
        tone(tmp_path / "recordings" / f"7_jackson_{index}.wav", 440)
    isolated_digits.tables(tmp_path / "recordings", tmp_path / "tables")
    found = read(tmp_path / "tables")
    assert [name for name, _ in found["test"]] == ["7_jackson_0.wav", "7_jackson_4.wav"]
    assert [name for name, _ in found["train"]] == ["7_jackson_49.wav", "7_jackson_5.wav"]
    with pytest.raises(DataError, match="none of the set's recordings"):
        isolated_digits.tables(tmp_path / "tables", tmp_path / "again")
