"""A file is whole or as it was, and damage to a sealed folder is noticed."""

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from samoyed import files
from samoyed.errors import RunError
from samoyed.files import check_manifest, sha256, write_bytes, write_json, write_manifest, write_text


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "file.bin"
    write_bytes(path, b"one")
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]


def test_the_mode_is_that_of_any_new_file(tmp_path: Path) -> None:
    write_bytes(tmp_path / "ours", b"x")
    (tmp_path / "theirs").write_bytes(b"x")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE((tmp_path / "theirs").stat().st_mode)


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def interrupted(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize(("failure", "raised"), [(full, RunError), (interrupted, KeyboardInterrupt)])
def test_a_failure_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, failure: Any, raised: type[BaseException]
) -> None:
    path = tmp_path / "file.bin"
    write_bytes(path, b"old")
    monkeypatch.setattr(os, step, failure)
    with pytest.raises(raised):
        write_bytes(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.bin"]


def test_a_full_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=f"{tmp_path}/file: cannot be written: no space left on device; free some space"):
        write_bytes(tmp_path / "file", b"x")


def test_a_failing_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.bin"
    write_bytes(path, b"old")
    limit = 4096
    real = open

    def small(*args: Any, **kwargs: Any) -> Any:
        file = real(*args, **kwargs)
        write = file.write

        class Small:
            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: Any) -> None:
                file.close()

            def write(self, data: bytes) -> None:
                write(data[:limit])
                full()

        return Small()

    monkeypatch.setattr("builtins.open", small)
    with pytest.raises(RunError, match="no space left"):
        write_bytes(path, bytes(10_000))
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.bin"]


def test_a_place_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot be written: .*; choose another place"):
        write_bytes(tmp_path / "file" / "inside", b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RunError, match="cannot be written: is a directory"):
        write_bytes(tmp_path / "folder", b"x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_the_file_is_flushed_before_the_rename_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def flush(handle: int) -> None:
        done.append("flush folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "flush file")
        fsync(handle)

    def rename(*names: Any) -> None:
        done.append("rename")
        replace(*names)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", rename)
    write_bytes(tmp_path / "file", b"x")
    assert done == ["flush file", "rename", "flush folder"]


def test_a_file_system_that_cannot_flush_folders_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def flush(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", flush)
    write_bytes(tmp_path / "file", b"x")
    assert (tmp_path / "file").read_bytes() == b"x"


def test_names_that_are_no_unicode_survive(tmp_path: Path) -> None:
    value = {"class": os.fsdecode(b"caf\xe9"), "other": "größer 猫"}
    write_json(tmp_path / "a.json", value)
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == value
    write_text(tmp_path / "b.txt", "größer")
    assert (tmp_path / "b.txt").read_text("utf-8") == "größer"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_holds_no_nan(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "a.json", {"loss": value})
    assert not list(tmp_path.iterdir())


# The manifest


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A sealed folder."""
    folder = tmp_path / "run"
    write_json(folder / "features.json", {"classes": ["a", "größer"]})
    write_bytes(folder / "model.safetensors", bytes(range(256)))
    write_bytes(folder / "plots" / "loss.png", b"picture")
    (folder / ".half.tmp").write_bytes(b"litter of a crash")
    write_manifest(folder, {"format": 1, "kinds": ("a", "b")})
    return folder


NAMES = ("features.json", "model.safetensors", "plots/loss.png")


def test_a_whole_run_is_accepted(run: Path) -> None:
    manifest = check_manifest(run, NAMES)
    assert manifest["format"] == 1
    assert sorted(manifest["files"]) == sorted(NAMES)
    assert manifest["files"]["plots/loss.png"] == {"sha256": sha256(run / "plots" / "loss.png"), "bytes": 7}
    assert not list(run.rglob(".manifest*"))


@pytest.mark.parametrize("name", NAMES)
def test_every_flipped_bit_of_a_file_is_noticed(run: Path, name: str) -> None:
    whole = (run / name).read_bytes()
    for at in range(len(whole)):
        data = bytearray(whole)
        data[at] ^= 1 << at % 8
        (run / name).write_bytes(bytes(data))
        with pytest.raises(RunError, match="is damaged: its SHA-256 is not the manifest's; copy the run again"):
            check_manifest(run, NAMES)
    (run / name).write_bytes(whole[:-1])
    with pytest.raises(RunError, match="is damaged"):
        check_manifest(run, NAMES)


def test_every_flipped_bit_of_the_manifest_is_noticed(run: Path) -> None:
    path = run / files.MANIFEST
    whole = path.read_bytes()
    for at in range(len(whole)):
        for bit in range(8):
            data = bytearray(whole)
            data[at] ^= 1 << bit
            path.write_bytes(bytes(data))
            with pytest.raises(RunError) as raised:
                check_manifest(run, NAMES)
            assert len(str(raised.value).splitlines()) == 1


def test_missing_files(run: Path) -> None:
    (run / "plots" / "loss.png").unlink()
    check_manifest(run, NAMES[:2])
    with pytest.raises(RunError, match=r"loss\.png: is missing, though the manifest lists it; copy the run again"):
        check_manifest(run, NAMES)
    with pytest.raises(RunError, match=r"the manifest does not list 'other\.json'"):
        check_manifest(run, ("other.json",))
    (run / files.MANIFEST).unlink()
    with pytest.raises(RunError, match="is not a finished run"):
        check_manifest(run, NAMES)


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"null", b"[" * 100_000, b"\xff", b'{"seal": 1}', b'{"files": {}, "seal": "x"}', b"1" * 5000],
)
def test_a_manifest_that_is_rubbish(run: Path, data: bytes) -> None:
    (run / files.MANIFEST).write_bytes(data)
    with pytest.raises(RunError) as raised:
        check_manifest(run, NAMES)
    assert len(str(raised.value)) < 400
