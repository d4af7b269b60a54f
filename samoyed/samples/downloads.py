"""Public data that recipes need: fetched once, checked by SHA-256, kept in the cache.

A file is written only after its whole content was received and its checksum agreed. The checksum of a gzipped file is that of
what it holds, since mirrors compress anew.
"""

import gzip
import hashlib
import http.client
import io
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from samoyed.errors import DataError
from samoyed.files import cache_folder, write_bytes

_MOST_BYTES = 2 * 2**30


class Download(NamedTuple):
    """One file: the name it is kept under, where it is, and the SHA-256 of its content, unzipped if the name ends in .gz."""

    name: str
    url: str
    sha256: str


def fetch(what: str, files: tuple[Download, ...], echo: Callable[[str], None]) -> Path:
    """The folder that holds all of `files`, fetching those that are missing or damaged. Raises DataError."""
    folder = cache_folder() / "downloads" / what
    for file in files:
        path = folder / file.name
        if path.is_file() and _digest(path.read_bytes(), file) == file.sha256:
            continue
        echo(f"fetching {file.url}")
        data = _get(file.url)
        digest = _digest(data, file)
        if digest != file.sha256:
            raise DataError(
                f"what came is not what was published: SHA-256 {digest[:12]}..., not {file.sha256[:12]}...",
                where=file.url,
                remedy="get the files yourself and name them as DATA",
            )
        write_bytes(path, data)
    return folder


def _digest(data: bytes, file: Download) -> str:
    if file.name.endswith(".gz"):
        try:
            with gzip.open(io.BytesIO(data)) as stream:
                data = stream.read(_MOST_BYTES)
        except (OSError, EOFError, zlib.error):
            return "of no gzip file"
    return hashlib.sha256(data).hexdigest()


def _get(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # the URLs are the project's own
            data: bytes = answer.read(_MOST_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise DataError(
            f"cannot be fetched: {error}", where=url, remedy="get it yourself and name it as DATA"
        ) from error
    if len(data) > _MOST_BYTES:
        raise DataError(f"is larger than {_MOST_BYTES:,} bytes", where=url)
    return data
