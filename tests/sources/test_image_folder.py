"""A folder per class, with everything people leave in such folders."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from samoyed.errors import DataError
from samoyed.examples import Image
from samoyed.sources import Source, open_splits

Paint = Callable[..., Path]
Classes = Callable[..., Path]


def opened(path: Path) -> Source:
    return open_splits("Image", path)["all"]


def labels(source: Source) -> list[str | None]:
    return [e.label for e in source.examples() if isinstance(e, Image)]


def refused(path: Path) -> str:
    with pytest.raises(DataError) as raised:
        labels(opened(path))
    text = str(raised.value)
    assert len(text.splitlines()) == 1
    assert text.startswith(str(path))
    return text.removeprefix(str(path))


def test_every_picture_has_its_folders_name(classes: Classes, untouched: Callable[[Path], None]) -> None:
    photos = classes({"cat": 2, "dog": 3})
    untouched(photos)
    source = opened(photos)
    assert len(source) == 5
    assert labels(source) == ["cat"] * 2 + ["dog"] * 3
    assert not source.notes
    assert not source.damaged


def test_origins_are_files(classes: Classes) -> None:
    source = opened(classes({"cat": 1, "dog": 1}))
    assert [Path(e.origin).name for e in source.examples()] == ["000.png", "000.png"]


def test_sub_folders_belong_to_their_class(classes: Classes, paint: Paint) -> None:
    photos = classes({"cat": 1, "dog": 1})
    paint(photos / "cat" / "2019" / "june" / "x.png", 5)
    assert labels(opened(photos)).count("cat") == 2


def test_names_with_spaces_and_other_scripts(classes: Classes) -> None:
    photos = classes({"großer Hund": 1, "猫 кот": 2}, folder="my photos été")
    assert set(labels(opened(photos))) == {"großer Hund", "猫 кот"}


def test_names_that_are_no_unicode(classes: Classes) -> None:
    photos = classes({"cat": 1})
    try:
        os.mkdir(os.fsencode(photos) + b"/caf\xe9")
    except OSError:
        pytest.skip("this file system takes only Unicode names")
    shutil.copy(photos / "cat" / "000.png", os.fsencode(photos) + b"/caf\xe9/1.png")
    (photos / "cat" / "000.png").write_bytes(b"x")
    source = opened(photos)
    assert len(labels(source)) == 1
    str(source.damaged[0]).encode()


def test_hidden_and_system_files_are_no_data(classes: Classes, paint: Paint) -> None:
    photos = classes({"cat": 2, "dog": 2})
    paint(photos / ".thumbnails" / "1.png")
    paint(photos / "__MACOSX" / "cat" / "1.png")
    (photos / "cat" / "._000.png").write_bytes(b"resource fork")
    (photos / "cat" / ".DS_Store").write_bytes(b"x")
    source = opened(photos)
    assert labels(source) == ["cat"] * 2 + ["dog"] * 2
    assert not source.notes


def test_empty_classes_and_strange_files_are_noted(classes: Classes, paint: Paint) -> None:
    photos = classes({"cat": 2, "dog": 2})
    (photos / "bird").mkdir()
    (photos / "fish").mkdir()
    (photos / "fish" / "about.txt").write_text("blub")
    (photos / "cat" / "notes.txt").write_text("miaow")
    paint(photos / "loose.png")
    notes = "; ".join(opened(photos).notes)
    assert "2 folders without pictures left out: bird, fish" in notes
    assert "1 picture beside the class folders left out, such as loose.png" in notes
    assert "2 files of other kinds left out, such as notes.txt" in notes


def test_a_class_may_be_called_train(classes: Classes) -> None:
    assert set(labels(opened(classes({"train": 2, "plane": 2, "car": 1})))) == {"train", "plane", "car"}


def test_a_link_back_is_no_class(classes: Classes) -> None:
    photos = classes({"cat": 2, "dog": 2})
    (photos / "again").symlink_to(photos)
    (photos / "cat" / "loop").symlink_to(photos / "cat")
    (photos / "one").symlink_to(photos / "two")
    (photos / "two").symlink_to(photos / "one")
    source = opened(photos)
    assert labels(source) == ["cat"] * 2 + ["dog"] * 2
    assert "again/ is left out: it is a link back" in source.notes[0]


def test_a_class_may_be_a_link_to_elsewhere(classes: Classes, tmp_path: Path) -> None:
    photos = classes({"cat": 2})
    (photos / "dog").symlink_to(classes({"x": 3}, folder="elsewhere") / "x")
    assert labels(opened(photos)).count("dog") == 3


def test_a_suffix_may_be_wrong(classes: Classes, paint: Paint) -> None:
    photos = classes({"cat": 2, "dog": 2})
    (photos / "cat" / "000.png").unlink()
    paint(photos / "cat" / "x.jpeg").rename(photos / "cat" / "000.png")
    source = opened(photos)
    assert len(labels(source)) == 4
    assert not source.damaged


def test_exactly_the_damaged_files_are_skipped_and_named(classes: Classes, untouched: Callable[[Path], None]) -> None:
    photos = classes({"cat": 30, "dog": 30})
    whole = (photos / "cat" / "000.png").read_bytes()
    (photos / "cat" / "003.png").write_bytes(whole[: len(whole) // 2])
    (photos / "cat" / "004.png").write_bytes(b"")
    (photos / "dog" / "005.png").write_text("this is text")
    untouched(photos)
    source = opened(photos)
    assert len(labels(source)) == 57
    assert {d.where for d in source.damaged} == {
        str(photos / name) for name in ("cat/003.png", "cat/004.png", "dog/005.png")
    }
    why = [d.why for d in source.damaged]
    assert "damaged" in why[0]
    assert why[1:] == ["empty file", "no picture of a known format"]


def test_one_damaged_file_of_few_is_skipped(classes: Classes) -> None:
    photos = classes({"cat": 2, "dog": 2})
    (photos / "cat" / "000.png").write_bytes(b"")
    source = opened(photos)
    assert len(labels(source)) == 3
    assert len(source.damaged) == 1


def test_more_than_the_stated_share_stops(classes: Classes) -> None:
    photos = classes({"cat": 20, "dog": 20})
    for i in range(5):
        (photos / "dog" / f"{i:03}.png").write_bytes(b"")
    text = refused(photos)
    assert "more than 10% of its 40 files cannot be read" in text
    assert f"{photos}/dog/000.png (empty file)" in text
    assert text.endswith("; mend or remove them")


def test_a_tenth_does_not_stop(classes: Classes) -> None:
    photos = classes({"cat": 20, "dog": 20})
    for i in range(4):
        (photos / "dog" / f"{i:03}.png").write_bytes(b"")
    assert len(labels(opened(photos))) == 36


def test_a_file_that_may_not_be_read_is_damaged(classes: Classes, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = classes({"cat": 3, "dog": 3})
    read = Path.read_bytes

    def forbidden(path: Path) -> bytes:
        if path.name == "001.png" and path.parent.name == "cat":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    source = opened(photos)
    assert len(labels(source)) == 5
    assert source.damaged[0].why == "cannot be read: permission denied"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_an_error(classes: Classes) -> None:
    photos = classes({"cat": 3, "dog": 3})
    (photos / "dog").chmod(0)
    try:
        with pytest.raises(DataError, match="dog: cannot be read: permission denied"):
            opened(photos)
    finally:
        (photos / "dog").chmod(0o755)


def test_nothing_in_it(tmp_path: Path) -> None:
    assert ": is an empty folder, and holds no pictures that can be read; image-classification" in refused(tmp_path)


def test_only_empty_classes(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "dog").mkdir()
    assert refused(tmp_path).startswith(
        ": holds 2 empty folders, and no pictures that can be read; image-classification and image-similarity learn"
    )


def test_loose_pictures(tmp_path: Path, paint: Paint) -> None:
    for i in range(3):
        paint(tmp_path / f"{i}.png", i)
    text = refused(tmp_path)
    assert text.startswith(
        ": holds 3 pictures and no folder that says their class; put the pictures of each class into a folder"
    )


def test_classes_of_text(tmp_path: Path) -> None:
    for name in ("good", "bad", "ugly"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.txt").write_text("words")
        (tmp_path / name / "2.txt").write_text("words")
    text = refused(tmp_path)
    assert text.startswith(
        ": holds 3 folders with 6 .txt files, and no pictures that can be read; image-classification and image-similarity learn"
    )
    assert "one folder of pictures per class" in text


def test_a_table_beside_one_folder_of_pictures(classes: Classes) -> None:
    photos = classes({"images": 4})
    (photos / "labels.csv").write_text("path,label\nimages/000.png,a\n")
    assert f"give the table, if so: {photos}/labels.csv" in refused(photos)


def test_an_archive_is_to_be_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    archive.write_bytes(b"PK\x03\x04")
    assert refused(archive).endswith(
        "is a .zip file, and holds no pictures that can be read; unpack it, and give the folder that comes out"
    )


def test_one_picture_is_no_data(tmp_path: Path, paint: Paint) -> None:
    assert "is a .png file" in refused(paint(tmp_path / "dog.png"))
