"""Several processes that read pictures, each a share: the same examples, splits and steps as of one, and one copy of them."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from samoyed.training.world import ALONE
from tests.training import processes as of
from tests.training.reading import ENOUGH, LITTLE, close

pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
Read = Callable[[int, str], list[dict[str, Any]]]
linux = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="what is mapped is told by /proc")


def picture(seed: int) -> bytes:
    """A PNG of one of three sizes."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (10, 12 + seed % 3, 3), dtype=np.uint8)
    Pillow.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


def data(folder: Path) -> Path:
    """Pictures in every form: damaged ones in either half, fewer than processes, and too many damaged ones."""
    files = {f"folder/{'ab'[i // 20]}/{i:02}.png": picture(i) for i in range(40)}
    files |= {f"folder/{'ab'[i // 20]}/{i:02}.png": b"no picture" * (i % 2) for i in (1, 30, 39)}
    files |= {f"named/{s}/{'ab'[i % 2]}/{i}.png": picture(i) for s in ("train", "valid", "test") for i in range(5)}
    files |= {"few/train/a/1.png": picture(1), "few/train/b/1.png": picture(2)}
    files |= {f"few/{split}/a/1.png": picture(3) for split in ("valid", "test")}
    files |= {f"spoilt/a/{i:02}.png": b"no picture" if i > 10 else picture(i) for i in range(20)}
    rows = [f"folder/{'ab'[i // 20]}/{i:02}.png,{'yes' if i % 3 else 'no'}\n" for i in range(40)]
    files["table.csv"] = ("path,label\n" + "".join(rows)).encode()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "shards").mkdir()
    for shard in range(3):
        with tarfile.open(folder / "shards" / f"{shard}.tar", "w") as archive:
            for i in range(11):
                content = b"no" if (shard, i) == (2, 3) else picture(100 * shard + i)
                member = tarfile.TarInfo(f"{'ab'[i % 2]}/{i}.png")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    rows = [{"bytes": b"no" if i in (0, 24) else picture(i), "path": None} for i in range(25)]
    table = pa.table({"image": rows, "label": ["ab"[i % 2] for i in range(25)]})
    pq.write_table(table, folder / "hub.parquet", row_group_size=7)
    return folder


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    """What so many processes read, with so many bytes of memory for it; by rank."""
    folder = tmp_path_factory.mktemp("read")
    data(folder / "data")
    known: set[int] = set()

    def by(size: int, memory: str) -> list[dict[str, Any]]:
        if size not in known:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("SAMOYED_MEMORY", memory)
                patch.setenv("SAMOYED_CACHE", str(tmp_path_factory.mktemp("cache")))
                if size == 1:
                    of.read(folder, ALONE)
                else:
                    ended = of.processes(size, "read", folder)
                    assert [code for code, _ in ended] == [0] * size, ended
            known.add(size)
        return [json.loads((folder / f"{memory}.{size}.{rank}.json").read_text()) for rank in range(size)]

    return by


WAYS = [(size, memory) for size in (2, 3) for memory in (ENOUGH, LITTLE)]


@pytest.mark.parametrize(
    ("size", "memory"), [pytest.param(*way, marks=pytest.mark.prove if way == WAYS[0] else ()) for way in WAYS]
)
def test_the_examples_are_those_of_one_process(size: int, memory: str, read: Read) -> None:
    """In the same order and splits, with the same damaged ones, notes and errors, in memory and in files."""
    (one,) = read(1, ENOUGH)
    assert one["folder"]["found"][-1][1].startswith("3 skipped")
    for other in read(size, memory):
        for name in one.keys() - {"trained"}:
            for key in one[name].keys() - {"pictures lie in", "rows lie in", "left", "everywhere"}:
                assert other[name][key] == one[name][key], (name, key)


@pytest.mark.parametrize(("size", "memory"), WAYS)
def test_they_are_trained_on_alike(size: int, memory: str, read: Read) -> None:
    (one,) = read(1, ENOUGH)
    for other in read(size, memory):
        assert close(one["trained"], other["trained"], 1e-10)


def test_too_many_damaged_pictures_are_refused_by_all(read: Read) -> None:
    (one,) = read(1, ENOUGH)
    assert "more than 10% of its 20 files cannot be read" in one["spoilt"]["error"]
    assert "a/11.png (no picture of a known format)" in one["spoilt"]["error"]
    assert one["refused"] == {"error": "a.tar: is cut off; copy it again"}


@linux
@pytest.mark.parametrize(("size", "memory"), WAYS)
def test_there_is_one_copy_on_a_machine(size: int, memory: str, read: Read) -> None:
    """Of what was decoded, a file for each process; of what is trained on, one for each split; none has a name."""
    everybody = read(size, memory)
    for name in ("folder", "named", "shards", "table.csv", "hub.parquet"):
        places = [one[name]["pictures lie in"] for one in everybody]
        assert places == places[:1] * size
        assert len(places[0]) == size * (3 if name == "named" else 1)
        rows = [one[name]["rows lie in"] for one in everybody]
        assert rows == rows[:1] * size
        assert len(set(rows[0])) == 3
        assert all(place.split()[1] != "0" for place in [*places[0], *rows[0]])
        assert all(one[name]["left"] == [] for one in everybody)
    (one,) = read(1, ENOUGH)
    assert one["folder"]["rows lie in"] == [""] * 3
