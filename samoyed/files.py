"""Files that are either whole or not there.

A file is written under a temporary name in its own folder, flushed to the disk, and renamed; the folder is flushed too. A
crash at any instant leaves the old file or the new one. `write_manifest` seals a folder with the SHA-256 of each file, and
the manifest with its own.
"""

import contextlib
import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from samoyed.errors import RunError

MANIFEST = "manifest.json"
_AGAIN = "copy the run again from where it is whole"


def write_bytes(path: Path, data: bytes) -> None:
    """Replaces `path` by `data` atomically, making its folder if need be.

    Raises RunError where that cannot be done (a full disk, no permission); the old file is then as it was.
    """
    with replacing(path) as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which replaces `path` once all is written; as `write_bytes`, for what is written piece by piece."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        remedy = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "choose another place"
        raise RunError(f"cannot be written: {why}", where=path, remedy=remedy) from error


def write_text(path: Path, text: str) -> None:
    """Replaces `path` by `text` in UTF-8, atomically. What UTF-8 cannot hold (half a character of a file's name) is escaped."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """Replaces `path` by `value` as indented JSON, atomically. NaN and infinities are refused with ValueError."""
    write_text(path, _as_json(value))


def cache_folder() -> Path:
    """Where derived files are kept: $SAMOYED_CACHE, else $XDG_CACHE_HOME/samoyed, else ~/.cache/samoyed."""
    own = os.environ.get("SAMOYED_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "samoyed"


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    """Seals `folder`: writes manifest.json, last, with `facts` and the SHA-256 and size of every file below it."""
    found = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST and not p.name.endswith(".tmp"))
    files = {p.relative_to(folder).as_posix(): {"sha256": sha256(p), "bytes": p.stat().st_size} for p in found}
    sealed = {**facts, "files": files}
    write_json(folder / MANIFEST, {**sealed, "seal": _seal_of(sealed)})


def check_manifest(folder: Path, names: tuple[str, ...] | None = None) -> dict[str, Any]:
    """The manifest of `folder`, after checking that it and each of `names`, or every file it lists, are as they were sealed.

    Raises RunError where the manifest or a file is missing, or a file's SHA-256 differs.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise RunError("is not a finished run: it has no manifest.json", where=folder)
    manifest = _unsealed(path)
    try:
        expected = {name: manifest["files"][name]["sha256"] for name in (names or manifest["files"])}
    except (KeyError, TypeError) as error:
        raise RunError(f"the manifest does not list {error}", where=path, remedy=_AGAIN) from error
    for name, digest in expected.items():
        file = folder / name
        if not file.is_file():
            raise RunError("is missing, though the manifest lists it", where=file, remedy=_AGAIN)
        try:
            found = sha256(file)
        except OSError as error:
            raise RunError(f"cannot be read: {(error.strerror or str(error)).lower()}", where=file) from error
        if found != digest:
            raise RunError("is damaged: its SHA-256 is not the manifest's", where=file, remedy=_AGAIN)
    return manifest


def _unsealed(path: Path) -> dict[str, Any]:
    """The manifest, if every byte of it is as `write_manifest` wrote it. Raises RunError."""
    try:
        data = path.read_bytes()
        manifest: dict[str, Any] = json.loads(data)
        seal = manifest.pop("seal")
        whole = (
            seal == _seal_of(manifest)
            and _as_json({**manifest, "seal": seal}).encode("utf-8", "backslashreplace") == data
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        brief = str(error).partition("\n")[0][:80]
        raise RunError(
            f"the manifest cannot be read ({type(error).__name__}: {brief})", where=path, remedy=_AGAIN
        ) from error
    if not whole:
        raise RunError("is damaged: it is not as it was sealed", where=path, remedy=_AGAIN)
    return manifest


def _seal_of(facts: dict[str, Any]) -> str:
    return hashlib.sha256(_as_json(facts).encode("utf-8", "backslashreplace")).hexdigest()


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def sync_folder(folder: Path) -> None:
    """Flushes a folder's own entry, so that the new name outlives a crash; some file systems cannot, and keep it anyway."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def age(path: Path) -> float:
    """What sorts files so that the newest comes first; one that was deleted in the meantime is old."""
    try:
        return -path.stat().st_mtime
    except OSError:
        return 0.0
