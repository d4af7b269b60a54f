"""Bytes and text from files that may be damaged, hostile, or not what their names say.

Every failure is a DataError with the file, and the line or offset where there is one. A compressed file that unpacks to far
more than itself is refused while it is read, before it can fill the memory.
"""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from samoyed.errors import DataError

MOST_BYTES = 2 * 2**30
_CHUNK = 2**20
_BOMB_BYTES, _BOMB_RATIO = 64 * 2**20, 100  # real text and pictures shrink 3 to 20 times; zeros shrink 1,000 times
_MARKS = (  # the longer mark first: that of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NO_TEXT = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive, which spreadsheets and word processors write too"),
    (b"\xd0\xcf\x11\xe0", "an Office document"),
    (b"\x1f\x8b", "a gzip archive without .gz at the end of its name"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstandard archive"),
)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file, unpacked if its name ends in .gz. Whatever goes wrong while it is read becomes a DataError."""
    try:
        with gzip.open(path) if is_gzip(path) else path.open("rb") as file:
            yield cast(BinaryIO, file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        why = "it ends too early" if isinstance(error, EOFError) else str(error).lower()
        raise DataError(f"is damaged: {why}", where=path, remedy="get the file again") from error
    except OSError as error:
        raise unreadable(path, error) from error


def take(file: BinaryIO, count: int, path: Path) -> bytes:
    """Up to `count` bytes, in steps, so that a false claim allocates nothing. Raises DataError for an archive bomb."""
    packed = path.stat().st_size if is_gzip(path) else None
    data = bytearray()
    while len(data) < count:
        piece = file.read(min(_CHUNK, count - len(data)))
        if not piece:
            break
        data += piece
        if packed is not None and len(data) > max(_BOMB_BYTES, _BOMB_RATIO * packed):
            raise DataError(
                f"unpacks to more than {_BOMB_RATIO} times its {packed:,} bytes",
                where=path,
                remedy="unpack it yourself",
            )
    return bytes(data)


def read_text(path: Path) -> str:
    """The whole file as text. Raises DataError for what cannot be read, is no text, or is larger than 2 GiB."""
    with opened(path) as file:
        data = take(file, MOST_BYTES + 1, path)
    if len(data) > MOST_BYTES:
        raise DataError(f"is larger than {MOST_BYTES:,} bytes", where=path, remedy="divide it into several files")
    return decode(path, data)


def read_pieces(path: Path, size: int) -> Iterator[str]:
    """The file as texts of about `size` bytes, which end at ends of lines where there are any. Raises DataError as `read_text`
    does, with the line in the file."""
    with opened(path) as file:
        begun, lines = b"", 0
        first = file.read(4)
        wide = first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE))
        if wide:  # no end of a line can be seen in its bytes
            yield decode(path, first + take(file, MOST_BYTES, path))
            return
        begun = first
        while piece := file.read(size):
            begun += piece
            end = begun.rfind(b"\n") + 1 or (begun.rfind(b" ") + 1 if len(begun) > 16 * size else 0)
            if end:
                yield decode(path, begun[:end], lines)
                lines += begun.count(b"\n", 0, end)
                begun = begun[end:]
        if begun:
            yield decode(path, begun, lines)


def decode(path: Path, data: bytes, lines: int = 0) -> str:
    """The bytes as text: UTF-8, or UTF-16 or UTF-32 with a byte-order mark, which is removed; so many `lines` came before them.

    Raises DataError with the line and offset of the first byte that is no text.
    """
    kind = next((name for magic, name in _NO_TEXT if data.startswith(magic)), None)
    if kind is not None:
        raise DataError(f"is {kind}, not text", where=path, remedy="save what it holds as plain text in UTF-8")
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        shown = encoding.removesuffix("-sig").upper()
        raise DataError(
            f"is not {shown} text: byte 0x{data[error.start]:02x} at offset {error.start}",
            where=f"{path}:{lines + _line(data, error.start)}",
            remedy="save it as UTF-8, for example with: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW",
        ) from error
    if "\0" in text:
        at = data.index(b"\0")
        raise DataError(
            f"is not text: a zero byte at offset {at}",
            where=f"{path}:{lines + _line(data, at)}",
            remedy="save it as text in UTF-8",
        )
    return text


def looks_like_text(path: Path) -> bool:
    """Whether a file's first bytes could be text."""
    if not path.is_file():  # to open a pipe would wait for ever
        return False
    try:
        with path.open("rb") as file:
            start = file.read(_CHUNK // 256)
        return "\0" not in codecs.getincrementaldecoder("utf-8")().decode(start)
    except (OSError, UnicodeDecodeError):
        return False


def is_gzip(path: Path) -> bool:
    """Whether the name says that the file is compressed."""
    return path.suffix.lower() == ".gz"


def unreadable(path: Path | str, error: OSError) -> DataError:
    """What the operating system said about a file, as one line."""
    return DataError(f"cannot be read: {(error.strerror or str(error)).lower()}", where=error.filename or path)


def _line(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1
