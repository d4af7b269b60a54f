"""Pictures in tar files: classes by folder or by a file beside them, in order, guarded, and the same as unpacked."""

import io
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from samoyed.errors import DataError, SamoyedError
from samoyed.sources import open_splits


def picture(seed: int) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    Pillow.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


def pack(path: Path, members: Iterable[tuple[str, bytes]], kind: Any = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if kind is not None:
                info.type, info.linkname, info.size = kind, "/etc/passwd", 0
            archive.addfile(info, io.BytesIO(data))
    return path


def read(path: Path) -> list[Any]:
    return [e for source in open_splits("Image", path, {}).values() for e in source.examples()]


def test_a_folder_per_class(tmp_path: Path) -> None:
    found = read(
        pack(tmp_path / "a.tar", [(f"photos/{'cat' if i % 2 else 'dog'}/{i}.png", picture(i)) for i in range(6)])
    )
    assert [e.label for e in found] == ["dog", "cat"] * 3
    assert [e.origin for e in found][:2] == [f"{tmp_path}/a.tar:photos/dog/0.png", f"{tmp_path}/a.tar:photos/cat/1.png"]
    for i, example in enumerate(found):
        assert (example.pixels == np.asarray(Pillow.open(io.BytesIO(picture(i))))).all()


def test_classes_beside_pictures_in_shards(tmp_path: Path) -> None:
    for shard in range(3):
        members = [
            (f"{i}.{end}", data) for i in range(4) for end, data in (("jpg", picture(i)), ("cls", b"%d\n" % (i % 2)))
        ]
        pack(tmp_path / "shards" / f"{shard:04}.tar", members)
    found = read(tmp_path / "shards")
    assert len(found) == 12
    assert [e.label for e in found] == ["0", "1"] * 6
    assert found[-1].origin == f"{tmp_path}/shards/0002.tar:3.jpg"


def test_named_splits(tmp_path: Path) -> None:
    for name in ("train", "test"):
        pack(tmp_path / f"{name}.tar", [(f"{c}/{i}.png", picture(i)) for c in "ab" for i in range(3)])
    assert {name: len(source) for name, source in open_splits("Image", tmp_path, {}).items()} == {"train": 6, "test": 6}


def test_what_is_no_picture_is_left_out_and_said(tmp_path: Path) -> None:
    path = pack(
        tmp_path / "a.tar", [("a/1.png", picture(1)), ("a/notes.md", b"x"), ("2.png", picture(2)), ("b/3.png", b"no")]
    )
    source = open_splits("Image", path, {})["all"]
    assert [e.label for e in source.examples()] == ["a"]
    assert source.notes == ["2 members of tar files left out: no pictures, or pictures without a class"]
    assert [d.where for d in source.damaged] == [f"{path}:b/3.png"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_no_pictures(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(DataError, match="holds no pictures with a class"):
        read(pack(tmp_path / "a.tar", [("a/1.png", b"")], kind))


def test_names_that_point_elsewhere_reach_nothing(tmp_path: Path) -> None:
    found = read(pack(tmp_path / "in" / "a.tar", [("../../cat/1.png", picture(1)), ("/etc/dog/2.png", picture(2))]))
    assert [e.label for e in found] == ["cat", "dog"]
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.tar", "in"]


def test_a_tar_that_is_cut_off(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.tar", [(f"a/{i}.png", picture(i)) for i in range(3)])
    path.write_bytes(path.read_bytes()[:1800])
    with pytest.raises(DataError, match=r"a\.tar: is (cut off|no whole tar)"):
        read(path)


def test_damage_anywhere_is_an_error_or_a_skip(tmp_path: Path) -> None:
    whole = pack(tmp_path / "a.tar", [(f"{'ab'[i % 2]}/{i}.png", picture(i)) for i in range(8)]).read_bytes()
    draw, refused = np.random.default_rng(0), 0
    for _ in range(150):
        data = bytearray(whole)
        for at in draw.integers(0, len(data), draw.choice([1, 3, 20])):
            data[at] ^= 1 << int(draw.integers(8))
        (tmp_path / "a.tar").write_bytes(bytes(data[: draw.choice([len(data), draw.integers(len(data))])]))
        try:
            read(tmp_path / "a.tar")
        except SamoyedError as error:
            refused += 1
            lines = str(error).splitlines()
            assert len(lines) == 1
    assert refused > 10


def test_training_from_shards(tmp_path: Path, command: Callable[..., Any]) -> None:
    path = pack(tmp_path / "photos.tar", [(f"{'ab'[i % 2]}/{i}.png", picture(i)) for i in range(40)])
    said = command("train", "image-classification", path, "model=linear", "epochs=1", "--json", "--quiet")
    assert said.code == 0, said.err
