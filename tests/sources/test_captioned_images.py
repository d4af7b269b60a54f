"""Pictures with captions, as people keep them: tables, Flickr8k's lists, COCO's JSON, a .txt beside each; and what is wrong with some."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samoyed.errors import DataError
from samoyed.sources import open_splits

Make = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Make:
    """folder({"a.csv": "text", "x.png": None}) -> the folder that holds the texts, and a picture for each None."""

    def write(files: dict[str, str | bytes | None]) -> Path:
        for number, (name, data) in enumerate(files.items()):
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if data is None:
                Image.fromarray(np.full((6, 9, 3), number, np.uint8)).save(path)
            else:
                path.write_bytes(data.encode() if isinstance(data, str) else data)
        return tmp_path / "data"

    return write


def read(path: Path) -> dict[str, dict[str, tuple[str, ...]]]:
    opened = open_splits("CaptionedImage", path)
    found: dict[str, Any] = {}
    for name, source in opened.items():
        examples: list[Any] = list(source.examples())
        assert all(e.pixels.shape == (6, 9, 3) for e in examples)
        found[name] = {Path(e.origin).name: e.captions for e in examples}
    return found


def refused(path: Path) -> str:
    with pytest.raises(DataError) as raised:
        read(path)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


BOTH = {"a.png": ("a dog", "a brown dog"), "b.png": ("two cats",)}
PICTURES = {"a.png": None, "b.png": None}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.csv", "path,caption\na.png,a dog\nb.png,two cats\na.png, a  brown dog\n"),
        ("list.tsv", "image\tcaption_1\tcaption_2\na.png\ta dog\ta brown dog\nb.png\ttwo cats\t\n"),
        ("captions.txt", "image,caption\na.png,a dog\na.png,a brown dog\nb.png,two cats\n"),
    ],
)
def test_a_table(folder: Make, name: str, text: str) -> None:
    path = folder({name: text, **PICTURES})
    assert read(path / name) == read(path) == {"all": BOTH}


def test_pictures_may_lie_in_a_folder_beside_the_table(folder: Make) -> None:
    path = folder({"list.csv": "path,caption\na.png,a dog\n", "Images/a.png": None, "Images/z.png": None})
    assert read(path) == {"all": {"a.png": ("a dog",)}}
    (source,) = open_splits("CaptionedImage", path).values()
    assert source.notes == ["1 picture without a caption left out, such as z.png"]


def test_named_splits(folder: Make) -> None:
    table = "path,caption\n{0}.png,a dog\n"
    files = {f"{name}.csv": table.format(name[0]) for name in ("train", "valid", "test")}
    found = read(folder({**files, "t.png": None, "v.png": None}))
    assert {name: list(part) for name, part in found.items()} == {
        "train": ["t.png"],
        "valid": ["v.png"],
        "test": ["t.png"],
    }


def test_flickr8k(folder: Make) -> None:
    names = ["a.jpg", "b.jpg", "c.jpg"]
    tokens = "".join(f"{name}#{k}\tcaption {k} of {name} .\n" for name in names for k in range(5))
    lists = {f"Flickr_8k.{part}Images.txt": f"{n}\n" for part, n in zip(("train", "dev", "test"), names, strict=True)}
    path = folder({"Flickr8k.token.txt": tokens, **lists, **{f"Flicker8k_Dataset/{n}": None for n in names}})
    found = read(path)
    assert {name: list(part) for name, part in found.items()} == {
        "train": ["a.jpg"],
        "valid": ["b.jpg"],
        "test": ["c.jpg"],
    }
    assert found["valid"]["b.jpg"] == tuple(f"caption {k} of b.jpg ." for k in range(5))


def coco(**captions: list[str]) -> str:
    names = list(captions)
    return json.dumps(
        {
            "images": [{"id": 7 * i, "file_name": f"{name}.jpg", "height": 6} for i, name in enumerate(names)],
            "annotations": [
                {"image_id": 7 * i, "id": 1, "caption": t} for i, n in enumerate(names) for t in captions[n]
            ],
        }
    )


def test_coco(folder: Make) -> None:
    path = folder(
        {
            "annotations/captions_train2017.json": coco(a=["A dog.", "A brown\ndog. "]),
            "annotations/captions_val2017.json": coco(b=["Two cats."]),
            "annotations/instances_val2017.json": "{}",
            "train2017/a.jpg": None,
            "val2017/b.jpg": None,
        }
    )
    assert read(path) == {"train": {"a.jpg": ("A dog.", "A brown dog.")}, "valid": {"b.jpg": ("Two cats.",)}}
    assert read(path / "annotations" / "captions_val2017.json") == {"all": {"b.jpg": ("Two cats.",)}}


def test_a_text_beside_each_picture(folder: Make) -> None:
    path = folder(
        {"x/a.png": None, "x/a.txt": "a dog\n\na brown dog\n", "b.png": None, "b.txt": "two cats", "c.txt": "?"}
    )
    assert read(path) == {"all": BOTH}


@pytest.mark.parametrize("missing", ["picture", "caption", "damaged"])
def test_what_lacks_its_other_half_is_skipped_and_named(folder: Make, missing: str) -> None:
    rows = {f"{i:02}.png": f"dog {i}" for i in range(20)}
    pictures: dict[str, Any] = dict.fromkeys(rows)
    wrong = "07.png"
    if missing == "picture":
        del pictures[wrong]
    elif missing == "caption":
        rows[wrong] = " "
    else:
        pictures[wrong] = b"\x89PNG"
    table = "path,caption\n" + "".join(f"{name},{text}\n" for name, text in rows.items())
    (source,) = open_splits("CaptionedImage", folder({"list.csv": table, **pictures})).values()
    assert len(list(source.examples())) == 19
    (damaged,) = source.damaged
    why = {"picture": "there is no picture '07.png' for this caption", "caption": "the picture '07.png' has no caption"}
    assert damaged.why.startswith(why.get(missing, "no picture of a known format"))
    assert damaged.where.endswith("07.png" if missing == "damaged" else "list.csv:9")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"list.csv": ""}, "holds 1 .csv file"),
        ({"list.csv": "path,caption\nno.png,a dog\n"}, "'no.png' is no file"),
        ({"list.csv": "path,label\na.png,dog\n", **PICTURES}, "no pictures with captions"),
        ({"list.csv": "path,caption\na.png,\nb.png,\n", **PICTURES}, "more than 10% of its 2 pictures cannot be read"),
        (PICTURES, "no pictures with captions"),
        ({"annotations/captions_train.json": '{"images": [{"caption"', "a.png": None}, "is not as COCO's captions are"),
        ({"annotations/captions_train.json": '{"image_": 1, "caption": 2}', "a.png": None}, "has no 'images'"),
        ({"x.token.txt": "a.png#0 a dog\n", "a.png": None}, "no tab between picture and caption"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(folder: Make, files: dict[str, Any], says: str) -> None:
    assert says in refused(folder(files))
