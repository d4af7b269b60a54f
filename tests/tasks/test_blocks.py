"""Clips and volumes: what is read and what is refused, how they are brought to one size, and that order is learned."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

import samoyed
from samoyed import received, samples
from samoyed.errors import DataError, SamoyedError, UsageError
from samoyed.examples import Clip, Volume
from samoyed.features.volumes import Voxels
from samoyed.sources import _clips, _volumes, open_splits
from samoyed.sources._pictures import Unreadable
from samoyed.tasks._blocks import shifted
from samoyed.tasks.video_classification import VideoClassification
from samoyed.tasks.volume_classification import VolumeClassification

DRAW = np.random.default_rng(0)
CLIP_OPTIONS = {"frames": 16, "longest_side": 128}


def frames(count: int = 5, side: int = 6, colour: bool = False) -> list[Pillow.Image]:
    shape = (count, side, side, 3) if colour else (count, side, side)
    return [Pillow.fromarray(a) for a in DRAW.integers(0, 256, shape).astype(np.uint8)]


def gif(path: Path, count: int = 5, **how: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *rest = frames(count, **how)
    first.save(path, save_all=True, append_images=rest, duration=100, loop=0)
    return path


def folder(path: Path, count: int = 12, side: int = 6) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for i, picture in enumerate(frames(count, side), 1):
        picture.save(path / f"frame{i}.png")
    return path


def movie(path: Path, count: int = 24) -> Path:
    """A video by PyAV: bright at first, darker from frame to frame."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=12)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for i in range(count):
            grey = np.full((24, 32, 3), 240 - 8 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
        container.mux(stream.encode())
    return path


def read(kind: str, path: Path) -> list[tuple[str, str | None]]:
    options = CLIP_OPTIONS if kind == "Clip" else {"longest_side": 96}
    (source,) = open_splits(kind, path, options).values()
    return [(Path(e.origin).name, e.label) for e in source.examples()]  # type: ignore[union-attr]


# Clips


def test_clips_are_folders_and_animations_by_class(tmp_path: Path) -> None:
    folder(tmp_path / "clips" / "wave" / "a")
    gif(tmp_path / "clips" / "jump" / "b.gif")
    gif(tmp_path / "clips" / "jump" / "more" / "c.gif")
    assert read("Clip", tmp_path / "clips") == [("b.gif", "jump"), ("c.gif", "jump"), ("a", "wave")]
    table = tmp_path / "all.csv"
    table.write_text("path,label\nclips/wave/a,1\nclips/jump/b.gif,2\n")
    assert read("Clip", table) == [("a", "1"), ("b.gif", "2")]
    with pytest.raises(DataError, match="no folder that says their class"):
        read("Clip", gif(tmp_path / "loose" / "1.gif").parent)


def test_frames_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    path = folder(tmp_path / "a", 12)
    found = _clips.decode(path, 16, 128)
    assert found.shape == (12, 6, 6, 1)
    for i in range(12):
        assert np.array_equal(found[i, :, :, 0], np.asarray(Pillow.open(path / f"frame{i + 1}.png")))
    some = _clips.decode(path, 4, 128)
    assert np.array_equal(some, found[[0, 4, 7, 11]])


def test_an_animation_is_read_frame_by_frame(tmp_path: Path) -> None:
    for suffix in ("gif", "webp", "png"):
        path = tmp_path / f"x.{suffix}"
        pictures = frames(6, 8)
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=50, lossless=True)
        found = _clips.decode(path, 16, 128)
        assert np.array_equal(found[..., 0], np.stack([np.asarray(p) for p in pictures])), suffix
        assert np.array_equal(_clips.decode(path.read_bytes(), 16, 128), found)
    assert _clips.decode(gif(tmp_path / "c.gif", 3, side=40, colour=True), 16, 10).shape == (3, 10, 10, 3)


def test_a_video_is_read_evenly_however_long(tmp_path: Path) -> None:
    for count in (9, 24, 29):
        path = movie(tmp_path / f"{count}.mp4", count)
        found = _clips.decode(path, 4, 16)
        assert found.shape == (4, 12, 16, 1)
        bright = found.mean((1, 2, 3))
        expected = 240 - 8 * np.linspace(0, count - 1, 4)
        assert np.abs(bright - expected).max() < 16 * (1 + count / 16)
        assert (np.diff(bright) < 0).all()
    data = path.read_bytes()
    assert np.array_equal(_clips.decode(data, 4, 16), found)
    with pytest.raises(Unreadable):
        _clips.decode(data[: len(data) // 2], 4, 16)


def test_a_playlist_is_never_followed(tmp_path: Path) -> None:
    """What FFmpeg would open as a list of other files is no clip, whatever its name."""
    pytest.importorskip("av")
    inner = movie(tmp_path / "secret.mp4")
    for text in (f"ffconcat version 1.0\nfile '{inner}'\n", f"#EXTM3U\n#EXTINF:1,\n{inner}\n#EXT-X-ENDLIST\n"):
        path = tmp_path / "list.mp4"
        path.write_text(text)
        with pytest.raises(Unreadable, match="damaged, or no video"):
            _clips.decode(path, 4, 16)


def test_damaged_clips_are_skipped_and_named(tmp_path: Path) -> None:
    for i in range(60):
        gif(tmp_path / "x" / "wave" / f"{i}.gif", 2)
    here = tmp_path / "x" / "jump"
    gif(here / "one.gif", 1)
    (here / "zero.gif").write_bytes(b"")
    (here / "text.gif").write_text("no clip")
    mixed = folder(here / "mixed", 3)
    frames(1, 9)[0].save(mixed / "frame9.png")
    (folder(here / "bad", 3) / "frame2.png").write_bytes(b"\x89PNG nothing")
    source = open_splits("Clip", tmp_path / "x", CLIP_OPTIONS)["all"]
    assert len(list(source.examples())) == 60
    why = {Path(d.where).name: d.why for d in source.damaged}
    assert why["one.gif"] == "it is a single picture"
    assert why["zero.gif"] == "empty file"
    assert why["mixed"] == "its pictures differ in size: 6 x 6 and 9 x 9"
    assert why["bad"].startswith("frame2.png: ")
    assert set(why) == {"one.gif", "zero.gif", "text.gif", "mixed", "bad"}


def test_one_clip_to_answer_for(tmp_path: Path) -> None:
    task = VideoClassification()
    assert task.read(folder(tmp_path / "a")).frames.shape == (12, 6, 6, 1)
    assert task.read(np.zeros((3, 5, 5), np.uint8)).frames.shape == (3, 5, 5, 1)
    for wrong in (np.zeros((3, 5, 5)), np.zeros((5, 5), np.uint8), 3, tmp_path / "b", ""):
        with pytest.raises(SamoyedError):
            task.read(wrong)


def test_clips_of_any_length_become_blocks_of_one() -> None:
    task = VideoClassification(frames=4)
    clips = [Clip(np.full((n, 5, 5, 1), 40 * n, np.uint8), str(n % 2), str(n)) for n in (1, 3, 6)]
    task.fit(clips)
    rows = task.collate(clips)
    assert rows.blocks.shape == (3, 4, 1, 5, 5)
    assert rows.blocks[:, 0, 0, 0, 0].tolist() == [40, 120, 240]
    inside = task.normalise(rows.blocks)
    assert inside.shape == (3, 1, 4, 5, 5)


# Volumes


def test_volumes_keep_their_values(tmp_path: Path) -> None:
    values = DRAW.normal(0, 300, (4, 6, 5))
    np.save(tmp_path / "a.npy", values)
    np.save(tmp_path / "b.npy", np.asfortranarray(values.astype(np.float32)))
    np.save(tmp_path / "c.npy", (values * 10).astype(np.int16))
    for name, factor in (("a", 1), ("b", 1), ("c", 10)):
        found = _volumes.decode(tmp_path / f"{name}.npy", 96)
        assert found.dtype == np.float32
        assert np.allclose(found, values * factor, atol=1.0 if name == "c" else 1e-4)
    deep = DRAW.integers(0, 65535, (4, 6, 5)).astype(np.uint16)
    pages = [Pillow.fromarray(page) for page in deep]
    pages[0].save(tmp_path / "d.tif", save_all=True, append_images=pages[1:])
    assert np.array_equal(_volumes.decode(tmp_path / "d.tif", 96), deep.astype(np.float32))
    (tmp_path / "e").mkdir()
    for i, page in enumerate(pages):
        page.save(tmp_path / "e" / f"{i}.png")
    assert np.array_equal(_volumes.decode(tmp_path / "e", 96), deep.astype(np.float32))


def test_large_volumes_are_averaged_over_whole_cells() -> None:
    values = DRAW.normal(size=(7, 10, 4))
    found = _volumes.averaged(values, 4)
    assert found.shape == (3, 3, 4)
    assert found[1, 2, 3] == pytest.approx(values[2:4, 6:9, 3].mean(), rel=1e-6)


def test_what_is_no_volume_is_refused(tmp_path: Path) -> None:
    def saved(array: Any) -> bytes:
        file = io.BytesIO()
        np.save(file, array)
        return file.getvalue()

    whole = saved(np.zeros((3, 4, 4)))
    bomb = whole.replace(b"(3, 4, 4)", b"(9**9,9,9)"[:9])
    bad = np.zeros((3, 4, 4))
    bad[1, 1, 1] = np.nan
    page = io.BytesIO()
    frames(1)[0].save(page, "TIFF")
    cases = {
        b"": "empty file",
        whole[:-8]: "cut short",
        saved(np.zeros((4, 4))): "is no volume",
        saved(np.zeros((2, 3, 4), complex)): "is no volume",
        saved(np.array([[["x"]]])): "is no volume",
        saved(bad): "numbers that are none",
        saved(np.zeros((1, 4, 4))): "fewer than two slices",
        bomb: "damaged",
        whole.replace(b"(3, 4, 4)", b"(9999999,9,9,)"[:9]): "damaged|no volume",
        page.getvalue(): "single picture",
        b"nothing at all": "damaged, or no volume",
    }
    for data, words in cases.items():
        with pytest.raises(Unreadable, match=words):
            _volumes.decode(data, 96)
    hostile = io.BytesIO()
    np.save(hostile, np.array([{"a": 1}], object).reshape(1, 1, 1), allow_pickle=True)
    with pytest.raises(Unreadable, match="is no volume"):
        _volumes.decode(hostile.getvalue(), 96)
    path = tmp_path / "x" / "a.npy"
    path.parent.mkdir()
    path.write_bytes(whole)
    with pytest.raises(DataError, match="no folder that says their class"):
        read("Volume", path.parent)


def test_values_are_brought_to_256_levels_and_one_size() -> None:
    ramp = np.broadcast_to(np.linspace(-1000, 1000, 41)[:, None, None], (41, 60, 50)).astype(np.float32)
    voxels = Voxels.learn([ramp, -ramp[:, :, :40]], 8)
    assert (voxels.low, voxels.high) == (pytest.approx(-1000), pytest.approx(1000))
    found = voxels.stack([ramp, -ramp])
    assert found.shape == (2, 8, 8, 8)
    middle = found[0, :, 4, 4].float()
    assert (middle.diff() > 0).all()
    assert torch.equal(found[0].flip(0), found[1])
    flat = Voxels.learn([np.full((3, 3, 3), 7.0, np.float32)] * 2, None)
    assert flat.stack([np.full((3, 3, 3), 7.0, np.float32)]).unique().numel() == 1  # type: ignore[no-untyped-call]
    own = Voxels.learn([np.zeros((5, 6, 7), np.float32)] * 2, None)
    assert (own.depth, own.height, own.width) == (5, 6, 7)


def test_one_volume_to_answer_for(tmp_path: Path) -> None:
    task = VolumeClassification(volume_size=8)
    task.fit([Volume(np.full((8, 8, 8), i, np.float32), str(i % 2), str(i)) for i in range(4)])
    fine = np.add.outer(np.arange(40) // 5 % 2, np.zeros((40, 40))) * 3
    assert task.blocks_of([task.read(fine)]).shape == (1, 8, 1, 8, 8)
    assert [v.shape for v in task._small([task.read(fine)])] == [(13, 13, 13)]
    for wrong in (np.zeros((3, 5)), np.full((2, 2, 2), np.inf), np.array([[["a"]]]), 3):
        with pytest.raises(UsageError):
            task.read(wrong)
    with pytest.raises(DataError, match="no such file"):
        task.read(tmp_path / "x.npy")


# Both


def test_a_block_moves_as_a_whole() -> None:
    torch.manual_seed(0)
    blocks = torch.randint(0, 256, (20, 3, 2, 16, 8), dtype=torch.uint8)
    found = shifted(blocks)
    seen = set()
    for block, moved in zip(blocks, found, strict=True):
        fits = [
            (dy, dx)
            for dy in (-2, -1, 0, 1, 2)
            for dx in (-1, 0, 1)
            if torch.equal(moved[:, :, 2:14, 1:7], block[:, :, 2 + dy : 14 + dy, 1 + dx : 7 + dx])
        ]
        assert len(fits) == 1
        seen.add(fits[0])
    assert len(seen) > 5


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs over 120 clips of two ways, by a network that reaches through time and by one that does not."""
    with pytest.MonkeyPatch.context() as patch:
        whole, about = samples.load("moving_shapes")
        some = [c for c in whole if c.label in ("left", "right")][:160]
        patch.setattr(samples, "load", lambda name: (some, about))
        made = {}
        for model, more in (("conv_3d", {"channels": (8, 16)}), ("frame_conv", {"channels": (8,), "hidden_size": 16})):
            out = tmp_path_factory.mktemp("clips") / model
            made[model] = samoyed.train(
                "video-classification", out=out, quiet=True, model=model, epochs=8, batch_size=16, learning_rate=0.01,
                execution="plain", **more,
            )  # fmt: skip
        return made


def test_the_order_of_frames_is_learned_by_what_reaches_through_time_alone(trained: Any) -> None:
    errors = {model: run.metrics["test"]["error"]["value"] for model, run in trained.items()}
    assert errors["conv_3d"] < 20
    assert errors["frame_conv"] > 25  # 50 by guessing


def test_a_clip_can_be_predicted_and_sent(trained: Any, tmp_path: Path) -> None:
    run = trained["conv_3d"]
    example = samples.load("moving_shapes")[0][0]
    pictures = [Pillow.fromarray(frame[:, :, 0]) for frame in example.frames]
    pictures[0].save(tmp_path / "x.gif", save_all=True, append_images=pictures[1:])
    answer = run.predict(tmp_path / "x.gif")
    assert answer["probs"] == run.predict(example)["probs"]
    sent = received.of_bytes(run.task, (tmp_path / "x.gif").read_bytes())
    assert np.array_equal(sent.frames, example.frames)
    assert np.array_equal(received.of_json(run.task, example.frames.tolist()).frames, example.frames)
    for wrong in (b"", b"GIF89a nothing", b"nothing"):
        with pytest.raises(DataError):
            received.of_bytes(run.task, wrong)
    with pytest.raises(DataError, match="no clip"):
        received.of_json(run.task, [[1, 2]])


def test_a_volume_can_be_sent() -> None:
    task = VolumeClassification()
    example: Volume = samples.load("cut_solids")[0][0]
    file = io.BytesIO()
    np.save(file, example.voxels)
    assert np.array_equal(received.of_bytes(task, file.getvalue()).voxels, example.voxels)
    with pytest.raises(DataError, match="no volume"):
        received.of_json(task, [[1, 2]])
