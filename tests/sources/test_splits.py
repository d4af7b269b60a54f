"""Which folders and files are splits, which are not, and what is said where there is nothing."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from samoyed.errors import DataError
from samoyed.sources import named_splits, no_such_path, open_splits


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes files, or folders for names that end in a slash."""

    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):
                path.mkdir()
            else:
                path.write_text("some text\n")
        return tmp_path / "data"

    return make


Folder = Callable[..., Path]


@pytest.mark.parametrize("valid", ["valid", "val", "validation", "dev", "Valid", "VAL"])
def test_three_folders(folder: Folder, valid: str) -> None:
    path = folder("train/", f"{valid}/", "test/", "README.md", ".hidden/")
    assert {name: p.name for name, p in named_splits(path).items()} == {
        "train": "train",
        "valid": valid,
        "test": "test",
    }


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("test.txt", "train.txt", "dev.txt", "LICENSE.txt"), ["train", "valid", "test"]),
        (("training.csv", "testing.csv", "images/"), ["train", "test"]),
        (("train.txt.gz", "valid.txt.gz"), ["train", "valid"]),
    ],
)
def test_files_are_splits_whatever_their_suffix(folder: Folder, names: tuple[str, ...], splits: list[str]) -> None:
    assert list(named_splits(folder(*names))) == splits


@pytest.mark.parametrize(
    "names",
    [
        ("train/", "plane/", "car/"),  # a class of trains
        ("test/", "cat/"),
        ("train.txt", "notes.txt"),
        ("test.txt", "chapter1.txt"),
        ("cat/", "dog/"),
        (),
    ],
)
def test_what_is_not_divided(folder: Folder, tmp_path: Path, names: tuple[str, ...]) -> None:
    (tmp_path / "data").mkdir()
    assert named_splits(folder(*names)) == {}


def test_train_alone(folder: Folder) -> None:
    assert list(named_splits(folder("train/", "README.txt"))) == ["train"]


def test_others_beside_train_and_test_are_noted(folder: Folder) -> None:
    path = folder("train.txt", "test.txt", "extra.txt", "README.txt", "images/")
    assert open_splits("Text", path)["train"].notes == ["beside the splits, and not read: extra.txt"]


@pytest.mark.parametrize("names", [("valid/", "test/"), ("test.csv",), ("dev.txt", "test.txt", "SOURCE.txt")])
def test_no_train(folder: Folder, names: tuple[str, ...]) -> None:
    path = folder(*names)
    with pytest.raises(
        DataError, match=r"but nothing named train to learn from; add train, or give .* alone"
    ) as raised:
        named_splits(path)
    assert str(raised.value).startswith(f"{path}: holds ")


def test_one_split_twice(folder: Folder) -> None:
    with pytest.raises(DataError, match="both val and valid are the valid split; keep one of them"):
        named_splits(folder("train/", "valid/", "val/"))


def test_a_file_has_no_splits(folder: Folder) -> None:
    assert named_splits(folder("train.txt") / "train.txt") == {}


def test_pictures_in_splits(tmp_path: Path, paint: Callable[..., Path]) -> None:
    for split in ("train", "dev", "test"):
        for label in ("cat", "dog"):
            paint(tmp_path / split / label / "1.png")
    sources = open_splits("Image", tmp_path)
    assert {name: len(s) for name, s in sources.items()} == {"train": 2, "valid": 2, "test": 2}


# Nothing there


def test_a_path_that_is_not_there_has_a_suggestion(folder: Folder) -> None:
    path = folder("photos/", "book.txt")
    with pytest.raises(DataError, match=f"there is no such file or folder; did you mean {path}/photos"):
        open_splits("Image", path / "photo")


def test_a_path_that_is_not_there_without_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert str(no_such_path(Path("nowhere/at/all"))).endswith(f"it was looked for from the folder {tmp_path}")
    assert str(no_such_path(tmp_path / "no" / "thing")).endswith("check how it is spelled")


def test_a_path_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: file name too long"):
        open_splits("Image", tmp_path / ("x" * 300))


def test_what_is_neither_file_nor_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for kind in ("Image", "Text", "Series"):
        with pytest.raises(DataError, match="is neither a file nor a folder"):
            open_splits(kind, tmp_path / "pipe")


def test_a_loop_of_links(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(DataError):
        open_splits("Text", tmp_path / "a")


def test_a_folder_with_one_fitting_file(folder: Folder) -> None:
    path = folder("prices.csv", "about.pdf")
    with pytest.raises(DataError, match=f"name one of its files, such as {path}/prices.csv"):
        open_splits("Series", path)


@pytest.mark.parametrize(
    ("kind", "name", "remedy"),
    [
        ("Image", "photos.zip", "unpack it, and give the folder that comes out"),
        ("Series", "prices.xlsx", "save the sheet as CSV, and give that"),
        (
            "Image",
            "model.pt",
            "image-classification and image-similarity learn from pictures: give a folder that holds one folder of pictures per class",
        ),
        ("Series", "x.json", "time-series-forecasting learns from series of numbers: give a CSV with a header"),
    ],
)
def test_the_remedy_fits_the_file(folder: Folder, kind: str, name: str, remedy: str) -> None:
    with pytest.raises(DataError) as raised:
        open_splits(kind, folder(name) / name)
    assert (raised.value.remedy or "").startswith(remedy)
    assert len(str(raised.value).splitlines()) == 1


def test_a_folder_that_may_not_be_read(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder("a.txt")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataError, match="data: cannot be read: permission denied"):
        open_splits("Image", path)
