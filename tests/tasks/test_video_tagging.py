"""Tags through time: what is read of tables and clips, what is refused, how frames and intervals answer each other."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

import samoyed
from samoyed import received, samples
from samoyed.errors import DataError, SamoyedError, UsageError
from samoyed.examples import TaggedClip
from samoyed.sources import _clips, open_splits
from samoyed.sources.tagged_clips import intervals, moment
from samoyed.tasks import _tagged_time
from samoyed.tasks.video_tagging import VideoTagging

DRAW = np.random.default_rng(0)
OPTIONS = {"frames": 64, "longest_side": 128}


def pictures(count: int, side: int = 6) -> list[Pillow.Image]:
    return [Pillow.fromarray(a) for a in DRAW.integers(0, 256, (count, side, side)).astype(np.uint8)]


def gif(path: Path, lasting: list[int]) -> Path:
    """An animation whose frames last so many milliseconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *rest = pictures(len(lasting))
    first.save(path, save_all=True, append_images=rest, duration=lasting, loop=0)
    return path


def folder(path: Path, count: int) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for i, picture in enumerate(pictures(count)):
        picture.save(path / f"{i}.png")
    return path


def read(path: Path, frames: int = 64) -> list[TaggedClip]:
    (source,) = open_splits("TaggedClip", path, {**OPTIONS, "frames": frames}).values()
    return list(source.examples())  # type: ignore[arg-type]


# When frames are


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_an_animation_says_when_its_frames_are(tmp_path: Path, suffix: str) -> None:
    lasting = [100, 300, 50, 200, 100]
    found = _clips.timed(gif(tmp_path / f"x.{suffix}", lasting), 64, 128)
    assert found.unit == "seconds"
    assert found.times == pytest.approx(np.cumsum([0, *lasting]) / 1000)
    some = _clips.timed(tmp_path / f"x.{suffix}", 3, 128)
    assert some.times == pytest.approx(np.array([0, 0.4, 0.65, 0.75]))
    assert np.array_equal(some.frames, found.frames[[0, 2, 4]])


def test_a_folder_counts_its_frames(tmp_path: Path) -> None:
    found = _clips.timed(folder(tmp_path / "a", 9), 5, 128)
    assert (found.unit, found.times.tolist()) == ("frames", [0, 2, 4, 6, 8, 9])


def test_a_video_says_when_its_frames_are(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "x.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=12)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for i in range(30):
            grey = np.full((24, 32, 3), 240 - 8 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
        container.mux(stream.encode())
    found = _clips.timed(path, 64, 128)
    assert found.unit == "seconds"
    assert found.times == pytest.approx(np.arange(31) / 12, abs=1e-6)
    some = _clips.timed(path, 4, 128)
    assert some.times[-1] == pytest.approx(2.5)
    bright = some.frames.mean((1, 2, 3))
    assert bright == pytest.approx(240 - 8 * 12 * some.times[:-1], abs=6)


# Tables


def test_a_frame_has_the_tags_of_the_intervals_that_hold_its_beginning(tmp_path: Path) -> None:
    folder(tmp_path / "a", 6)
    gif(tmp_path / "b.gif", [500] * 4)
    (tmp_path / "tags.tsv").write_text(
        "clip\tstart\tend\ttag\na\t0\t2\tjump\na\t1\t5\trun\nb.gif\t0:00.5\t1.2\tjump\na\t4\t6\tjump\n"
    )
    a, b = read(tmp_path / "tags.tsv")
    assert a.tags == (("jump",), ("jump", "run"), ("run",), ("run",), ("jump", "run"), ("jump",))
    assert b.tags == ((), ("jump",), ("jump",), ())
    assert [(c.tags, c.unit) for c in read(tmp_path)] == [(a.tags, "frames"), (b.tags, "seconds")]
    assert read(tmp_path, frames=3)[0].tags == (("jump",), ("run",), ("jump",))


def test_clips_without_tags_and_clips_without_rows(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        folder(tmp_path / "films" / name, 3)
    (tmp_path / "films" / "tags.csv").write_text("clip,start,end,tag\na,0,1,x\nb,,,\n")
    (source,) = open_splits("TaggedClip", tmp_path / "films", OPTIONS).values()
    found: list[Any] = list(source.examples())
    assert [e.tags for e in found] == [(("x",), (), ()), ((), (), ())]
    assert any("1 clip that tags.csv does not name left out, such as c" in note for note in source.notes)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a,2,1,x", "ends at 1 and begins at 2"), ("a,x,1,x", "'x' is no moment"), ("a,-1,1,x", "no moment"), ("a,nan,1,x", "no moment"),
        ("a,0,1,", "there is no tag here"), (",0,1,x", "there is no clip here"), ("a,0,1e999,x", "no moment"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_named(tmp_path: Path, row: str, words: str) -> None:
    path = tmp_path / "tags.csv"
    path.write_text(f"clip,start,end,tag\na,0,1,x\n{row}\n")
    with pytest.raises(DataError, match=words) as caught:
        intervals(path)
    assert str(caught.value.where) == f"{path}:3"


def test_a_table_without_the_columns_says_which(tmp_path: Path) -> None:
    path = tmp_path / "tags.tsv"
    path.write_text("clip\ttag\na\tx\n")
    with pytest.raises(DataError, match="no column for start and end; its columns are clip, tag"):
        read(path)
    with pytest.raises(DataError, match="clips with tags of their frames"):
        read(folder(tmp_path / "bare", 3))


def test_what_is_missing_or_beyond_the_end_is_skipped_and_named(tmp_path: Path) -> None:
    rows = ["clip,start,end,tag"]
    for i in range(30):
        folder(tmp_path / str(i), 2)
        rows.append(f"{i},0,{1 + i % 2},x")
    path = tmp_path / "all.csv"
    (tmp_path / "broken.gif").write_text("no clip")
    path.write_text("\n".join([*rows, "gone,0,1,x", "broken.gif,0,1,x", "7,2,3,late"]))
    (source,) = open_splits("TaggedClip", path, OPTIONS).values()
    assert len(list(source.examples())) == 29
    why = [d.why for d in source.damaged]
    assert why == [
        "'late' begins at 2, and the clip ends at 2 frames",
        "there is no such file",
        "damaged: it does not begin as a GIF, WebP or PNG does",
    ]


def test_moments_are_seconds_or_clocks() -> None:
    assert [moment(text, "x") for text in ("12.5", "0:12.5", "1:00:02", " 3 ")] == [12.5, 12.5, 3602.0, 3.0]


# Intervals


def test_intervals_are_runs_of_frames() -> None:
    probs = torch.tensor([[0.9, 0.1], [0.7, 0.6], [0.2, 0.8], [0.5, 0.4]])
    found = _tagged_time.intervals(probs, [0.0, 1.0, 2.5, 3.0, 4.0], ["a", "b"])
    assert [(one["tag"], one["start"], one["end"]) for one in found] == [("a", 0, 2.5), ("b", 1, 3), ("a", 3, 4)]
    assert [one["probability"] for one in found] == pytest.approx([0.8, 0.7, 0.5])
    assert _tagged_time.intervals(torch.zeros(3, 1), [0.0, 1, 2, 3], ["a"]) == []


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """The table of answers is one to learn from: the same tags on the same frames."""
    clip = folder(tmp_path / "a", 5)
    tags = np.array([[1, 0], [1, 1], [0, 1], [1, 0], [1, 0]])
    found = _tagged_time.intervals(torch.from_numpy(tags).float(), [float(t) for t in range(6)], ["x", "y"])
    answers = [
        {"input": "a", "unit": "frames", "end": 5.0, "intervals": found},
        {"input": "b", "unit": "frames", "end": 5.0, "intervals": []},
    ]
    folder(tmp_path / "b", 5)
    path = _tagged_time.written(answers, tmp_path / "found.tsv")
    again = read(path)
    assert [len(e.tags or ()) for e in again] == [5, 5]
    assert again[0].tags == (("x",), ("x", "y"), ("y",), ("x",), ("x",))
    assert clip.name == Path(again[0].origin).name


def test_subtitles_need_seconds(tmp_path: Path) -> None:
    interval = {"tag": "goal", "start": 3723.5, "end": 3725.25, "probability": 0.9}
    answer = {"input": "match.mp4", "unit": "seconds", "end": 5400.0, "intervals": [interval]}
    text = _tagged_time.written([answer], tmp_path / "x.vtt").read_text()
    assert text == "WEBVTT\n\n1\n01:02:03.500 --> 01:02:05.250\ngoal\n"
    assert "01:02:03,500 --> 01:02:05,250" in _tagged_time.written([answer], tmp_path / "x.srt").read_text()
    with pytest.raises(UsageError, match="says nothing of seconds"):
        _tagged_time.written([{**answer, "unit": "frames"}], tmp_path / "y.vtt")
    with pytest.raises(UsageError, match=r"not written as \.mp3"):
        _tagged_time.written([answer], tmp_path / "y.mp3")


# The task


def test_metrics_are_counted_frame_by_frame() -> None:
    """By hand: 2 clips of 3 and 2 frames, 2 tags."""
    task = VideoTagging(augment=False)
    blank = np.zeros((3, 4, 4, 1), np.uint8)
    clips = [
        TaggedClip(blank + 9, (("a",), ("a", "b"), ()), "1"),
        TaggedClip(blank[:2], ((), ("b",)), "2"),
    ]
    task.fit(clips)
    rows = task.collate(clips)
    assert rows.tags.tolist() == [[[1, 0], [1, 1], [0, 0]], [[0, 0], [0, 1], [0, 0]]]
    said = torch.tensor([[[1, 0], [0, 1], [0, 0]], [[0, 1], [0, 1], [1, 1]]])

    class Fixed(torch.nn.Module):
        def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            return 8.0 * said - 4

    found = task.metrics(Fixed(), rows)
    assert (found["error"].total.tolist(), found["error"].count.tolist()) == ([1, 1], [3, 2])
    f1 = found["macro f1"].total.sum(0) / found["macro f1"].count.sum(0)
    assert f1.tolist() == pytest.approx([2 / 3, 0.8])
    right, wrong = np.log1p(np.exp(-4)), np.log1p(np.exp(4))
    assert found["loss"].total.tolist() == pytest.approx([(5 * right + wrong) / 2, (3 * right + wrong) / 2])
    objective = task.objective(Fixed().eval(), rows)
    assert float(objective.total) == pytest.approx(float(found["loss"].total.sum()))
    assert float(objective.count) == 5


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run over 60 clips."""
    with pytest.MonkeyPatch.context() as patch:
        whole = samples.load
        patch.setattr(samples, "load", lambda name: (whole(name)[0][:60], whole(name)[1]))
        return samoyed.train(
            "video-tagging", out=tmp_path_factory.mktemp("tags") / "run", quiet=True, epochs=10, execution="plain",
            augment=False, hidden_size=48, batch_size=4,
        )  # fmt: skip


def test_the_light_is_seen_to_fail(trained: Any) -> None:
    """What one frame tells is learned in seconds; the recipe measures what only frames in a row tell."""
    held_out = samples.load("changing_motion")[0][60:]
    example = next(e for e in held_out if sum("dark" in tags for tags in e.tags) > 5)
    answer = trained.predict(example)
    dark = np.array(["dark" in tags for tags in example.tags])
    probs = np.array(answer["probs"]["dark"])
    assert probs[dark].mean() > probs[~dark].mean() + 0.3
    spans = [(one["start"], one["end"]) for one in answer["intervals"] if one["tag"] == "dark"]
    inside = [any(start <= t < end for start, end in spans) for t in range(len(dark))]
    assert inside == (probs >= 0.5).tolist()
    assert {p.stem for p in (trained.path / "plots").glob("*.png")} >= {"timeline", "tags", "labels"}
    lines = trained.task.say(answer).splitlines()
    assert len(lines) == max(1, len(answer["intervals"]))
    assert all(line.startswith(example.origin) for line in lines)


def test_explaining_draws_each_tag_at_its_surest_frame(trained: Any, tmp_path: Path) -> None:
    example = next(e for e in samples.load("changing_motion")[0][60:] if sum("dark" in tags for tags in e.tags) > 5)
    found = trained.explain(example, tmp_path)
    names = [Path(p).stem for p in found["pictures"]]
    assert names[:2] == ["feature-maps", "evidence"]
    assert all(Path(p).stat().st_size > 2_000 for p in found["pictures"])
    why = trained.task.explain(trained.model, example)
    json.dumps(why, allow_nan=False)
    probs = found["answer"]["probs"]
    there = {tag: row for tag, row in probs.items() if max(row) >= 0.5}
    assert len(why["each"]) == min(4, max(1, len(there))) == len(names) - 1
    for one in why["each"]:
        tag, _, frame = one["label"].rpartition(" at frame ")
        assert probs[tag][int(frame)] == max(probs[tag])
        assert len(one["parts"]) == len(example.frames)
    assert why["parts"] == why["each"][0]["parts"]
    strip, heat = np.array(why["strip"]), np.array(why["heat"])
    assert strip.shape == heat.shape == (16, 8 * 16)
    assert np.abs(heat).max() > 0
    page = (tmp_path / "explanation.html").read_text("utf-8")
    assert "Which frames mattered" in page
    assert why["each"][0]["label"] in page


def test_answers_of_unequal_clips_are_those_of_each_alone(trained: Any) -> None:
    some = samples.load("changing_motion")[0][:3]
    cut = [TaggedClip(e.frames[:n], None, e.origin) for e, n in zip(some, (24, 7, 13), strict=True)]
    with torch.inference_mode():
        together = trained.task.answers(trained.model, cut)
    for example, answer in zip(cut, together, strict=True):
        alone = trained.predict(example)
        assert len(answer["probs"]["dark"]) == len(example.frames)
        assert answer["probs"]["dark"] == pytest.approx(alone["probs"]["dark"], abs=2e-4)


def test_several_clips_are_one_listing(trained: Any, tmp_path: Path) -> None:
    for name in ("a", "b"):
        clip = samples.load("changing_motion")[0][7]
        for i, frame in enumerate(clip.frames[..., 0]):
            (tmp_path / name).mkdir(exist_ok=True)
            Pillow.fromarray(frame).save(tmp_path / name / f"{i}.png")
    answers = [trained.predict(tmp_path / name) for name in ("a", "b")]
    (path,) = trained.write_all(answers, tmp_path / "found.tsv")
    rows = list(csv.DictReader(io.StringIO(path.read_text()), delimiter="\t"))
    assert {Path(row["clip"]).name for row in rows} == {"a", "b"}
    assert answers[0]["intervals"] == answers[1]["intervals"]
    assert answers[0]["unit"] == "frames"


def test_a_clip_can_be_sent(trained: Any, tmp_path: Path) -> None:
    data = gif(tmp_path / "x.gif", [200, 200, 400]).read_bytes()
    sent = received.of_bytes(trained.task, data)
    assert (sent.unit, sent.tags, len(sent.frames)) == ("seconds", None, 3)
    assert trained.predict(sent)["end"] == pytest.approx(0.8)
    plain = received.of_json(trained.task, {"frames": [[[[0]] * 6] * 6] * 3})
    assert (plain.unit, plain.times) == ("frames", None)
    assert trained.predict(plain)["end"] == 3
    with pytest.raises(DataError, match="moments do not fit"):
        received.of_json(trained.task, {"frames": [[[[0]] * 6] * 6] * 3, "times": [0, 1]})
    with pytest.raises(SamoyedError):
        received.of_bytes(trained.task, b"nothing")


def test_tags_that_were_not_learned_are_refused_or_left_out(trained: Any) -> None:
    clip = samples.load("changing_motion")[0][0]
    strange = TaggedClip(clip.frames, (("sideways",),) * len(clip.frames), "x")
    with pytest.raises(DataError, match=r"none of its tags \(sideways\)"):
        trained.task.collate([strange])
    assert trained.task.collate([strange, clip]).tags[0].sum() == 0
    with pytest.raises(DataError, match="no training clip has a tag"):
        VideoTagging().fit([TaggedClip(clip.frames, ((),) * len(clip.frames), "x")])
