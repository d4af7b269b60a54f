"""Word vectors in the files that others read and write: word2vec's text and binary formats, GloVe's text without a header.

word2vec (Mikolov 2013): a line "V D", then V times a word, a space and D numbers, in text one word a line, in binary as little-
endian float32, with a line break after each. GloVe (Pennington 2014) and fastText write the text format, GloVe without the first
line. Any of them may be gzipped (.gz). What a file is, is told from its first bytes; what it claims is believed only as far as
its bytes go.

Legend: V words, D numbers of a vector.
"""

import gzip
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from samoyed.errors import DataError, shown
from samoyed.files import replacing

_LONGEST_LINE = 2**20
_LONGEST_WORD = 2**12
_MOST_NUMBERS = 2**16
_CHUNK = 2**20
_AGAIN = "get the file again"
_FORMATS = "give vectors in word2vec's text or binary format, or GloVe's text"

Entry = tuple[bytes, Sequence[bytes] | bytes, str]  # the word, its numbers in text or as float32, and where it stands


@dataclass(frozen=True)
class WordVectors:
    """`vectors` [V, D] float32 of `words`, in the file's order; `repeated` counts entries left out since their word came before."""

    words: list[str]
    vectors: NDArray[np.float32]
    repeated: int = 0


def read(path: Path, only: Collection[str] | None = None, most: int | None = None) -> WordVectors:
    """The vectors in a file: those of `only` these words where given, or of the first `most` entries.

    Memory is taken for what is kept, not for what the file holds or claims. Raises DataError with the line or byte of the first
    thing that is wrong: no such file, no vectors, an entry cut short, a number that is none or not finite, a false count.
    """
    words: dict[str, None] = {}
    blocks: list[NDArray[np.float32]] = []
    rows: list[NDArray[np.float32]] = []
    repeated = 0
    wanted = None if only is None else frozenset(only)
    with _opened(path) as file:
        for number, (name, numbers, where) in enumerate(_entries(file, path)):
            if number == most:
                break
            word = _word(name, where)
            if wanted is not None and word not in wanted:
                continue
            if word in words:
                repeated += 1
                continue
            words[word] = None
            rows.append(_row(numbers, where))
            if len(rows) == 4096:
                blocks.append(np.stack(rows))
                rows = []
        else:
            if not words and wanted is None:
                raise DataError("holds no vectors", where=path, remedy=_FORMATS)
    if rows:
        blocks.append(np.stack(rows))
    vectors = np.concatenate(blocks) if blocks else np.zeros((0, _size(path)), np.float32)
    return WordVectors(list(words), vectors, repeated)


def write(path: Path, words: Sequence[str], vectors: NDArray[np.float32]) -> None:
    """Writes `vectors` [V, D] in word2vec's binary format if the name ends in .bin, else in its text format, whole or not at all.

    Numbers of the text have the nine digits that give the same float32 back. Raises RunError where the file cannot be written,
    ValueError for words and vectors of unequal number, or a word that the format cannot hold: one with white space, or none.
    """
    if len(words) != len(vectors):
        raise ValueError(f"{len(words)} words and {len(vectors)} vectors")
    for word in words:
        if not word or any(c in " \t\r\n\v\f" for c in word):
            raise ValueError(f"{word!r} cannot be written: a word ends at white space")
    vectors = np.ascontiguousarray(vectors, "<f4")
    line = " ".join(["%.9g"] * vectors.shape[1])
    with replacing(path) as file:
        file.write(f"{len(words)} {vectors.shape[1]}\n".encode())
        for word, vector in zip(words, vectors, strict=True):
            name = word.encode("utf-8", "backslashreplace")
            numbers = vector.tobytes() if path.suffix == ".bin" else (line % tuple(vector.tolist())).encode()
            file.write(name + b" " + numbers + b"\n")


def _opened(path: Path) -> BinaryIO:
    if not path.exists():
        raise DataError("there is no such file", where=path)
    try:
        return cast(BinaryIO, gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb"))
    except OSError as error:
        raise DataError(f"cannot be read: {(error.strerror or str(error)).lower()}", where=path) from error


def _entries(file: BinaryIO, path: Path) -> Iterator[Entry]:
    """Every entry of an open file of either format. Whatever goes wrong while it is read becomes a DataError."""
    try:
        first = file.readline(_LONGEST_LINE)
        head = _header(first, path)
        if head is None:
            file.seek(0)
            yield from _text(file, path, None, _first_size(first, path))
            return
        count, size = head
        binary = _is_binary(path, file.read(_LONGEST_WORD + 16 * size), size)
        file.seek(len(first))
        yield from _binary(file, path, count, size) if binary else _text(file, path, count, size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        why = "it ends too early" if isinstance(error, EOFError) else str(error).lower()
        raise DataError(f"is damaged: {why}", where=path, remedy=_AGAIN) from error
    except OSError as error:
        raise DataError(f"cannot be read: {(error.strerror or str(error)).lower()}", where=path) from error


def _header(line: bytes, path: Path) -> tuple[int, int] | None:
    """(V, D) if the line is a header, None if it is an entry."""
    fields = line.split()
    if not fields:
        raise DataError("is an empty file" if not line else "begins with an empty line", where=path, remedy=_FORMATS)
    if len(fields) != 2 or not all(field.isdigit() and len(field) < 16 for field in fields):
        return None
    count, size = map(int, fields)
    if not 0 < size <= _MOST_NUMBERS or count == 0:
        raise DataError(f"claims {count:,} vectors of {size:,} numbers", where=f"{path}:1", remedy=_FORMATS)
    return count, size


def _first_size(line: bytes, path: Path) -> int:
    """D of a file without a header."""
    fields = line.split()
    try:
        if len(fields) < 2 or len(fields) > _MOST_NUMBERS:
            raise ValueError
        [float(field) for field in fields[1:]]
    except ValueError:
        said = shown(line.decode("utf-8", "backslashreplace").strip(), 40)
        raise DataError(
            f"is no file of word vectors: its first line is {said!r}", where=f"{path}:1", remedy=_FORMATS
        ) from None
    return len(fields) - 1


def _is_binary(path: Path, peek: bytes, size: int) -> bool:
    """Whether entries are binary: numbers written as text need no control characters, and float32 can hardly do without."""
    if path.name.lower().removesuffix(".gz").endswith(".bin"):
        return True
    line = peek.partition(b"\n")[0]
    return any(byte < 9 or 13 < byte < 32 for byte in line) or len(line.split()) <= size // 2 < size


def _text(file: BinaryIO, path: Path, count: int | None, size: int) -> Iterator[Entry]:
    """Entries of text. A word may hold spaces, as some of GloVe's do."""
    before = 0 if count is None else 1  # lines that are no entries
    number = before
    while line := file.readline(_LONGEST_LINE):
        number += 1
        where = f"{path}:{number}"
        if len(line) >= _LONGEST_LINE:
            raise DataError(f"a line is longer than {_LONGEST_LINE:,} bytes", where=where, remedy=_FORMATS)
        fields = line.split()
        if len(fields) <= size:
            numbers = max(0, len(fields) - 1)
            raise DataError(f"holds a word and {numbers} numbers, not {size}", where=where, remedy=_AGAIN)
        yield b" ".join(fields[:-size]), fields[-size:], where
    if count is not None and number - before != count:
        held = number - before
        raise DataError(f"claims {count:,} vectors and holds {held:,}", where=f"{path}:{number}", remedy=_AGAIN)


def _binary(file: BinaryIO, path: Path, count: int, size: int) -> Iterator[Entry]:
    """Entries of the binary format."""
    buffer, at, base = b"", 0, file.tell()  # buffer[at] is the next byte, and the file's byte base + at
    for number in range(count):
        while True:
            space = buffer.find(b" ", at, at + _LONGEST_WORD)
            end = space + 1 + 4 * size
            if space >= 0 and end <= len(buffer):
                break
            where = f"{path}, byte {base + at}"
            if space < 0 and len(buffer) - at >= _LONGEST_WORD:
                raise DataError("no word begins there", where=where, remedy=_AGAIN)
            piece = file.read(_CHUNK)
            if not piece:
                raise DataError(f"ends within vector {number + 1:,} of {count:,}", where=where, remedy=_AGAIN)
            buffer, base, at = buffer[at:] + piece, base + at, 0
        yield buffer[at:space].lstrip(b"\n"), buffer[space + 1 : end], f"{path}, byte {base + at}"
        at = end
    if (buffer[at:] + file.read(_CHUNK)).strip():
        where = f"{path}, byte {base + at}"
        raise DataError(f"holds more than the {count:,} vectors that it claims", where=where, remedy=_AGAIN)


def _word(name: bytes, where: str) -> str:
    try:
        word = name.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"a word is not UTF-8 text: byte 0x{name[error.start]:02x}", where=where, remedy="save it as UTF-8"
        ) from error
    if not word:
        raise DataError("there is no word", where=where, remedy=_AGAIN)
    return word


def _row(numbers: Sequence[bytes] | bytes, where: str) -> NDArray[np.float32]:
    try:
        if isinstance(numbers, bytes):
            row = np.frombuffer(numbers, "<f4")
        else:
            with np.errstate(over="ignore"):
                row = np.array([float(number) for number in numbers], np.float32)
    except ValueError as error:
        raise DataError(str(error), where=where, remedy=_AGAIN) from error
    if not np.isfinite(row).all():
        raise DataError("a number is infinite or none", where=where, remedy=_AGAIN)
    return row


def _size(path: Path) -> int:
    """D, of a file none of whose words was wanted."""
    with _opened(path) as file:
        _, numbers, _ = next(_entries(file, path))
    return len(numbers) // 4 if isinstance(numbers, bytes) else len(numbers)
