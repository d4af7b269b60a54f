"""Plain text: one file, or a folder of .txt files, in UTF-8, plain or gzipped."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from samoyed.errors import DataError
from samoyed.examples import Text
from samoyed.sources import Source
from samoyed.sources._tables import decode

_MOST_BYTES = 2 * 2**30


class TextFiles(Source):
    """Reads each file as one text, in the order of the names."""

    yields = "Text"
    reads = "a text file in UTF-8 (book.txt), or a folder of .txt files"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.files = [path] if path.is_file() else _texts(path)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_file() or bool(path.is_dir() and _texts(path))

    def __len__(self) -> int:
        return len(self.files)

    def examples(self) -> Iterator[Text]:
        for path in self.files:
            text = decode(path, _read(path))
            if "\0" in text:
                line = text.count("\n", 0, text.index("\0")) + 1
                raise DataError("is no text: it holds zero bytes", where=f"{path}:{line}")
            if not text.strip():
                if len(self.files) == 1:
                    raise DataError("is an empty file", where=path)
                self.notes.append(f"{path.name} is empty")
                continue
            yield Text(text.replace("\r\n", "\n"), str(path))


def _texts(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.name.lower().endswith((".txt", ".txt.gz")) and p.is_file())


def _read(path: Path) -> bytes:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot be read: {error}", where=path) from error
    if len(data) > _MOST_BYTES:
        raise DataError(f"is larger than {_MOST_BYTES:,} bytes of text", where=path, remedy="divide it")
    return data
