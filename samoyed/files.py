"""Files that are either whole or not there.

A file is written under a temporary name in its own folder, flushed to the disk, and renamed; the folder is flushed too. A
crash at any instant leaves the old file or the new one. `write_manifest` seals a folder with the SHA-256 of each file.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from samoyed.errors import RunError

MANIFEST = "manifest.json"


def write_bytes(path: Path, data: bytes) -> None:
    """Replaces `path` by `data` atomically, making its folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Replaces `path` by `text` in UTF-8, atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Replaces `path` by `value` as indented JSON, atomically. NaN and infinities are refused with ValueError."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    """Seals `folder`: writes manifest.json, last, with `facts` and the SHA-256 and size of every file below it."""
    found = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST and not p.name.endswith(".tmp"))
    files = {p.relative_to(folder).as_posix(): {"sha256": sha256(p), "bytes": p.stat().st_size} for p in found}
    write_json(folder / MANIFEST, {**facts, "files": files})


def check_manifest(folder: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """The manifest of `folder`, after checking that each of `names` is as it was sealed.

    Raises RunError where the manifest or a file is missing, or a file's SHA-256 differs.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise RunError("is not a finished run: it has no manifest.json", where=folder)
    try:
        manifest = json.loads(path.read_text("utf-8"))
        sealed = manifest["files"]
        expected = {name: sealed[name]["sha256"] for name in names}
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"the manifest cannot be read ({error!r})", where=path, remedy="copy the run again") from error
    for name, digest in expected.items():
        file = folder / name
        if not file.is_file():
            raise RunError("is missing, though the manifest lists it", where=file, remedy="copy the run again")
        if sha256(file) != digest:
            raise RunError("is damaged: its SHA-256 is not the manifest's", where=file, remedy="copy the run again")
    return manifest


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
