"""Pictures in Parquet files: the layouts of Hugging Face, by rows and shards, guarded, and the same as unpacked."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from samoyed import errors
from samoyed.errors import DataError, SamoyedError, UsageError
from samoyed.sources import Source, open_splits
from samoyed.sources.image_parquet import ImageParquet

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def picture(seed: int) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    Pillow.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


def hub(names: list[str] | None = None) -> Any:
    """The schema of a collection on the Hub: a struct and a number whose names stand in the description."""
    features = {"image": {"_type": "Image"}, "label": {"names": names or ["cat", "dog"], "_type": "ClassLabel"}}
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.schema(
        [("image", image), ("label", pa.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )


def write(path: Path, start: int = 0, count: int = 6, rows: int = 4, **spoilt: Any) -> Path:
    """A file with a row group for every `rows` pictures; the labels, or single files by their row, may be given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files = [spoilt.get(f"row{i}", picture(start + i)) for i in range(count)]
    labels = spoilt.get("labels", [i % 2 for i in range(count)])
    table = pa.table({"image": [{"bytes": b, "path": None} for b in files], "label": labels}, schema=hub())
    pq.write_table(table, path, row_group_size=rows)
    return path


def opened(path: Path) -> Source:
    return open_splits("Image", path, {})["all"]


def read(path: Path) -> list[Any]:
    return [e for source in open_splits("Image", path, {}).values() for e in source.examples()]


def test_the_layout_of_the_hub(tmp_path: Path) -> None:
    found = read(write(tmp_path / "a.parquet"))
    assert [e.label for e in found] == ["cat", "dog"] * 3
    assert [e.origin for e in found][:2] == [f"{tmp_path}/a.parquet#0", f"{tmp_path}/a.parquet#1"]
    for i, example in enumerate(found):
        assert (example.pixels == np.asarray(Pillow.open(io.BytesIO(picture(i))))).all()


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (pa.array(["x", "y"]), ["x", "y"]),
        (pa.array(["x", "y"]).dictionary_encode(), ["x", "y"]),
        (pa.array([7, -1], pa.int8()), ["7", "-1"]),
        (pa.array([True, False]), ["True", "False"]),
    ],
)
def test_bytes_and_classes_of_other_kinds(labels: Any, expected: list[str], tmp_path: Path) -> None:
    table = pa.table(
        {"class": labels, "note": ["a", "b"], "jpg": pa.array([picture(0), picture(1)], pa.large_binary())}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert [e.label for e in read(tmp_path / "a.parquet")] == expected


def test_shards_and_named_splits(tmp_path: Path) -> None:
    for i in range(3):
        write(tmp_path / "shards" / f"{i}.parquet", 10 * i)
        write(tmp_path / "hub" / f"train-0000{i}-of-00003.parquet", 10 * i)
    write(tmp_path / "hub" / "test-00000-of-00001.parquet", 90, 3)
    found = read(tmp_path / "shards")
    assert len(found) == 18
    assert found[-1].origin == f"{tmp_path}/shards/2.parquet#5"
    assert {name: len(source) for name, source in open_splits("Image", tmp_path / "hub", {}).items()} == {
        "train": 18,
        "test": 3,
    }
    parts = {name: list(source.examples()) for name, source in open_splits("Image", tmp_path / "hub", {}).items()}
    assert all((a.pixels == b.pixels).all() for a, b in zip(parts["train"], found, strict=True))


@pytest.mark.parametrize(("start", "stop"), [(0, 10), (0, 4), (3, 9), (4, 8), (5, 6), (9, 10), (4, 4)])
def test_any_rows_can_be_read(start: int, stop: int, tmp_path: Path) -> None:
    source = opened(write(tmp_path / "a.parquet", count=10, rows=4))
    assert isinstance(source, ImageParquet)
    assert list(source._bytes(start, stop)) == [picture(i) for i in range(start, stop)]


def test_damaged_pictures_are_skipped(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", count=30, row3=None, row17=b"no picture")
    source = opened(path)
    assert len(list(source.examples())) == 28
    assert [tuple(d) for d in source.damaged] == [
        (f"{path}#3", "empty file"),
        (f"{path}#17", "no picture of a known format"),
    ]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"image": [b"x"], "weight": [0.5]}, "no one column of classes, such as label; its columns are image, weight"),
        ({"label": ["x"], "path": ["a.png"]}, "no one column of pictures; its columns are label, path"),
        ({"image": pa.array([], pa.binary()), "label": pa.array([], pa.string())}, "holds no rows"),
        ({"image": [b"x", b"y"], "label": ["x", None]}, "a.parquet#1: there is no label here"),
        ({"image": [b"x", b"y"], "label": [" ", "x"]}, "a.parquet#0: there is no label here"),
    ],
)
def test_what_is_no_table_of_pictures(columns: dict[str, Any], says: str, tmp_path: Path) -> None:
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(DataError) as raised:
        read(tmp_path / "a.parquet")
    assert says in str(raised.value)


def test_rows_without_a_class_are_refused(tmp_path: Path) -> None:
    """The Hub writes -1 where a test's classes are kept secret."""
    with pytest.raises(DataError, match=r"a\.parquet#1: there is no label here"):
        read(write(tmp_path / "a.parquet", labels=[0, -1, 0, 1, 0, 1]))


@pytest.mark.parametrize("data", [b"", b"PAR1", b"no Parquet at all" * 9])
def test_what_is_no_parquet(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.parquet: is no whole Parquet file: "):
        read(tmp_path / "a.parquet")


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.parquet")
    monkeypatch.setattr(errors.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'samoyed\[parquet\]'"):
        read(path)


def test_damage_anywhere_is_an_error_or_a_skip(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.parquet", count=8).read_bytes()
    draw, said = np.random.default_rng(0), []
    for _ in range(150):
        data = bytearray(whole)
        for at in draw.integers(0, len(data), draw.choice([1, 3, 20])):
            data[at] ^= 1 << int(draw.integers(8))
        (tmp_path / "a.parquet").write_bytes(bytes(data))
        try:
            read(tmp_path / "a.parquet")
        except SamoyedError as error:
            said.append(str(error))
    assert len(said) > 10
    assert all(len(text.splitlines()) == 1 for text in said)


def test_training_from_parquet(tmp_path: Path, command: Callable[..., Any]) -> None:
    path = write(tmp_path / "photos.parquet", count=40, rows=16)
    said = command("train", "image-classification", path, "model=linear", "epochs=1", "--json", "--quiet")
    assert said.code == 0, said.err
