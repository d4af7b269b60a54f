"""Phones: lists of labels and what is wrong with them, frames, the path, error rates, the window network, and learning."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
import soundfile
import torch

import samoyed
from samoyed import samples
from samoyed.errors import DataError
from samoyed.examples import LabelledRecording
from samoyed.models.frame_mlp import FrameMLP
from samoyed.models.tdnn import TDNNFrames
from samoyed.sources import open_splits
from samoyed.sources.labelled_recordings import intervals
from samoyed.tasks._phones import _FOLDED, at_frames, folded, phone_errors, stretches
from samoyed.tasks.phone_recognition import PhoneRecognition

_LISTED = (
    "iy ih eh ey ae aa aw ay ah ao oy ow uh uw ux er ax ix axr ax-h jh ch b d g p t k dx s sh z zh f th v dh m n ng em nx en eng "
    "l r w y hh hv el bcl dcl gcl pcl tcl kcl q h# pau epi"
)
TIMIT = _LISTED.split()


def write(path: Path, listed: str, suffix: str, form: str | None = None, seconds: float = 0.5) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(str(path))).normal(0, 0.1, int(8000 * seconds))
    soundfile.write(path, noise, 8000, format=form)
    path.with_suffix(suffix).write_text(listed)


def read(path: Path) -> dict[str, list[Any]]:
    opened = open_splits("LabelledRecording", path)
    return {name: [e.intervals for e in source.examples()] for name, source in opened.items()}  # type: ignore[union-attr]


def test_lists_in_samples_and_in_seconds(tmp_path: Path) -> None:
    """TIMIT's folders, capitals and NIST files; a table with a heading; Audacity's tracks."""
    for part in ("TRAIN", "TEST"):
        write(tmp_path / "timit" / part / "DR1" / "SA1.WAV", "0 800 h#\n800 2400 sh\n", ".PHN", "NIST")
        (tmp_path / "timit" / part / "DR1" / "SA1.TXT").write_text("0 4000 She had your dark suit\n")
    expected = ((0.0, 0.1, "h#"), (0.1, 0.3, "sh"))
    assert read(tmp_path / "timit") == {"train": [expected], "test": [expected]}
    write(tmp_path / "own" / "a.flac", "begin\tend\tlabel\n0\t0.1\tdog bark\n0.25\t0.52\tbell\n", ".tsv")
    write(tmp_path / "own" / "b.wav", "0.000000\t0.100000\tdog bark\n\n", ".txt")
    first, second = read(tmp_path / "own")["all"]
    assert first == ((0.0, 0.1, "dog bark"), (0.25, 0.5, "bell"))  # rounded over the end, and cut there
    assert second == ((0.0, 0.1, "dog bark"),)


@pytest.mark.parametrize(
    ("listed", "why"),
    [
        ("0 0.1 a\n0.05 0.2 b", "before the last label ends"),
        ("0.2 0.1 a", "no stretch of time"),
        ("-1 0.1 a", "no stretch of time"),
        ("nan 0.1 a", "no stretch of time"),
        ("0 9 a", "and the recording at 0.500 s"),
        ("0 x a", "not begin, end and label"),
        ("0 0.1", "not begin, end and label"),
        ("\n", "no label in it"),
    ],
)
def test_a_list_that_cannot_be_is_named_with_its_line(listed: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text(listed)
    with pytest.raises(DataError, match=why) as caught:
        intervals(path, 8000, 0.5)
    assert str(caught.value.where).startswith(str(path))


def test_what_is_damaged_is_skipped_and_named(tmp_path: Path) -> None:
    for i in range(30):
        write(tmp_path / f"{i}.wav", "0 0.1 a\n0.1 0.2 b\n", ".lab")
    (tmp_path / "3.lab").write_text("0 0.1 a\n0.05 0.2 b\n")
    (tmp_path / "4.wav").write_bytes(b"RIFF")
    source = open_splits("LabelledRecording", tmp_path)["all"]
    assert len(list(source.examples())) == 28
    assert [Path(d.where).name for d in source.damaged] == ["3.lab:2", "4.wav"]
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="no recordings with labels in time"):
        read(tmp_path / "nothing")


def test_timits_labels_are_folded_to_39() -> None:
    assert len(set(TIMIT)) == 61
    assert set(_FOLDED) <= set(TIMIT)
    whole = folded([(i, i + 1, label) for i, label in enumerate(TIMIT)])
    assert len({label for _, _, label in whole}) == 39
    assert len(whole) == 60  # the glottal stop is nothing


def test_a_frame_is_what_stands_at_its_middle() -> None:
    """10 ms a frame, against a loop over frames and labels."""
    draw = np.random.default_rng(0)
    times = np.sort(draw.uniform(0, 1, 21)).tolist()
    listed = [(a, b, str(i)) for i, (a, b) in enumerate(itertools.pairwise(times)) if i % 5]
    expected = [next((name for a, b, name in listed if a <= (t + 0.5) / 100 < b), "") for t in range(100)]
    assert at_frames(listed, 100) == expected
    assert at_frames([], 3) == [""] * 3


def test_phone_errors_are_those_of_jiwer() -> None:
    right, said = [[1, 2, 3, 3], [4], [], [0, 1]], [[1, 3, 3], [5, 6], [2, 2], [0, 1]]
    found = phone_errors(right, said)
    words = [" ".join(map(str, row)) for row in right], [" ".join(map(str, row)) for row in said]
    for row in (0, 1, 3):
        one: Any = jiwer.process_words(words[0][row], words[1][row])
        assert float(found.total[row]) == one.substitutions + one.deletions + one.insertions
    assert found.total.tolist() == [1, 2, 2, 0]
    assert found.count.tolist() == [4, 1, 0, 2]


@pytest.fixture(scope="module")
def task() -> PhoneRecognition:
    made = PhoneRecognition()
    made.phones = ["", "a", "b"]
    made.first, made.between = [3, 1, 0], [[20, 2, 1], [1, 30, 4], [0, 2, 9]]
    return made


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.0])
def test_the_path_is_the_likeliest_of_all(weight: float, task: PhoneRecognition) -> None:
    """Over every path of 5, 1 and 3 frames: log p / prior and transitions, each count one more than was seen."""
    log_probs = torch.randn(3, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).log_softmax(-1)
    lengths, task.transitions = torch.tensor([5, 1, 3]), weight
    between = np.array(task.between) + 1.0
    prior = np.log((np.array(task.between).sum(0) + 1) / (np.array(task.between).sum() + 3))
    between, first = np.log(between / between.sum(1, keepdims=True)), np.log((np.array(task.first) + 1) / 7)
    found = task.paths(log_probs, lengths)
    for row, length in enumerate(lengths.tolist()):
        scores = log_probs[row].numpy() - weight * prior

        def total(path: tuple[int, ...], scores: Any = scores) -> float:
            steps = sum(between[a, b] for a, b in itertools.pairwise(path))
            return float(sum(scores[t, k] for t, k in enumerate(path)) + weight * (first[path[0]] + steps))

        best = max(itertools.product(range(3), repeat=length), key=total)
        assert tuple(found[row, :length].tolist()) == best
    task.transitions = 1.0


def test_stretches_are_runs() -> None:
    assert [tuple(s) for s in stretches(torch.tensor([2, 2, 0, 1, 1, 1]))] == [(2, 0, 2), (0, 2, 3), (1, 3, 6)]


@torch.no_grad()
@pytest.mark.parametrize("activation", ["relu", "logistic"])
def test_a_window_is_seen_around_each_frame(activation: Any) -> None:
    """Seven frames side by side through matrices, frame by frame, zeros beyond the recording."""
    torch.manual_seed(0)
    model = FrameMLP(frame_size=3, num_phones=4, reach=3, hidden_sizes=(6, 5), activation=activation).double().eval()
    frames = torch.randn(1, 9, 3, dtype=torch.float64)
    wide = torch.cat([torch.zeros(3, 3), frames[0], torch.zeros(3, 3)])
    g: Callable[[Any], Any] = torch.relu if activation == "relu" else torch.sigmoid
    matrix = model.first.weight.permute(0, 2, 1).flatten(1)  # [H, window x F]
    for t in range(9):
        hidden = g(matrix @ wide[t : t + 7].flatten() + model.first.bias)
        hidden = g(model.layers[0](hidden))
        logits = model(frames, torch.tensor([9]))[0, t]
        assert torch.allclose(logits, model.output(hidden), atol=1e-12)


@torch.no_grad()
@pytest.mark.parametrize("kind", [FrameMLP, TDNNFrames])
def test_padding_changes_nothing(kind: Any) -> None:
    torch.manual_seed(0)
    model = kind(frame_size=3, num_phones=4).double().eval()
    frames, lengths = torch.randn(3, 20, 3, dtype=torch.float64), torch.tensor([20, 7, 1])
    whole = model(frames, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = model(frames[row : row + 1, :length], lengths[row : row + 1])
        assert torch.allclose(whole[row, :length], alone[0], atol=1e-12)


def test_time_without_a_label_is_a_class_that_is_not_said() -> None:
    draw = np.random.default_rng(0)
    sounds = [
        LabelledRecording(draw.normal(0, 0.1, 4000).astype(np.float32), 8000, ((0.1, 0.3, "x"),), str(i))
        for i in range(12)
    ]
    task = PhoneRecognition()
    split = task.split({"all": sounds}, 0)
    task.fit(split.train)
    assert task.phones == ["", "x"]
    assert any("60.0% of the time has no label" in text for _, text in task.found(split, {}))
    rows = task.collate(split.test)
    assert rows.phones.tolist() == [[1]] * len(split.test)
    assert rows.labels[0].bincount().tolist() == [30, 20]
    assert task._spoken(rows.labels[0]) == [1]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        whole = samples.load
        patch.setattr(samples, "load", lambda name: (whole(name)[0][:60], whole(name)[1]))
        patch.setattr(PhoneRecognition, "pictures", lambda *given: [])
        return samoyed.train(
            "phone-recognition", out=tmp_path_factory.mktemp("phones") / "run", quiet=True, epochs=6, batch_size=4,
            hidden_sizes="64", learning_rate=0.01, execution="plain",
        )  # fmt: skip


def test_synthetic_phones_are_learned_and_a_path_helps(trained: Any) -> None:
    alone, task = trained.metrics["test"], trained.task
    assert alone["frame error"]["value"] < 20
    assert alone["per"]["value"] < 20
    rows = task.collate(samples.load("synthetic_phones")[0][60:100])
    with torch.no_grad():
        with_path = task.metrics(trained.model, rows)["per"].value()
        task.transitions = 0.0
        without = task.metrics(trained.model, rows)["per"].value()
        task.transitions = 1.0
    assert with_path < 0.7 * without
    example = samples.load("synthetic_phones")[0][0]
    answer = trained.predict(example)
    assert answer["phones"][0]["phone"] == "sil"
    assert all(a["end"] <= b["begin"] for a, b in itertools.pairwise(answer["phones"]))


@pytest.mark.parametrize("kind", [FrameMLP, TDNNFrames])
def test_recordings_are_heard_together_as_alone(kind: Any) -> None:
    """Of a tenth of a second to two: what is padding for one is heard by none, and in no path."""
    draw = np.random.default_rng(3)
    given = [
        draw.normal(0, 0.1 * (n + 1), 800 * size).astype(np.float32) for n, size in enumerate((1, 20, 7, 3, 13, 2, 20))
    ]
    half = [((0.0, 0.05, "a"), (0.05, 0.08, "b"), (0.08, len(one) / 8000, "c")) for one in given]
    task = PhoneRecognition(bands=5)
    task.fit([LabelledRecording(one, 8000, known, "learned") for one, known in zip(given, half, strict=True)])
    torch.manual_seed(0)
    model = kind(**task.sizes()).eval()
    asked = [LabelledRecording(one, 8000, None, f"{n}") for n, one in enumerate(given)]
    with torch.no_grad():
        for example, found in zip(asked, task.answers(model, asked), strict=True):
            alone = task.answer(model, example)
            assert (found["input"], found["seconds"]) == (alone["input"], alone["seconds"])
            assert [list(p.values())[:3] for p in found["phones"]] == [list(p.values())[:3] for p in alone["phones"]]
            assert [p["probability"] for p in found["phones"]] == pytest.approx(
                [p["probability"] for p in alone["phones"]], abs=2e-4
            )
