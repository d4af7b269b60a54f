"""Plain text: one file, or a folder of .txt files, in UTF-8, plain or gzipped."""

from collections.abc import Iterator
from pathlib import Path

from samoyed.errors import DataError
from samoyed.examples import Text
from samoyed.sources import ABOUT, Source
from samoyed.sources._paths import files_below
from samoyed.sources._reading import read_pieces, read_text

_PIECE = 2**22  # bytes


class TextFiles(Source):
    """Reads each file as one text, or in `pieces` of some megabytes that end at ends of lines, for files of any size. In a
    folder, whose files come in the order of their names, a damaged file is skipped and listed, from where it is damaged on."""

    yields = "Text"
    reads = "a text file in UTF-8 (book.txt), or a folder of .txt files"

    def __init__(self, path: Path, pieces: bool = False) -> None:
        super().__init__(path)
        self.pieces = pieces
        self.files = [path] if path.is_file() else _texts(path)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_file() or bool(path.is_dir() and _texts(path))

    def __len__(self) -> int:
        if self.pieces:
            return sum(1 + path.stat().st_size // _PIECE for path in self.files)
        return len(self.files)

    def examples(self) -> Iterator[Text]:
        for path in self.files:
            if self.pieces:
                yield from self._in_pieces(path)
                continue
            try:
                text = read_text(path)
            except DataError as error:
                if len(self.files) == 1:
                    raise
                self.skip(error.where or str(path), error.problem)
                continue
            if text.strip():
                yield Text(text.replace("\r\n", "\n"), str(path))
            elif len(self.files) == 1:
                raise _nothing(path, not text)
            else:
                self.notes.append(f"{path.name} is empty")

    def _in_pieces(self, path: Path) -> Iterator[Text]:
        empty = True
        try:
            for text in read_pieces(path, _PIECE):
                empty = empty and not text.strip()
                yield Text(text.replace("\r\n", "\n"), str(path))
        except DataError as error:
            if len(self.files) == 1:
                raise
            self.skip(error.where or str(path), error.problem)
            return
        if empty and len(self.files) == 1:
            raise _nothing(path, not path.stat().st_size)


def _nothing(path: Path, empty: bool) -> DataError:
    why = "is an empty file" if empty else "holds nothing but white space"
    return DataError(why, where=path, remedy="name a file that holds text")


def _texts(folder: Path) -> list[Path]:
    """The texts below a folder; what is about them, such as a licence, only where there is nothing else."""
    found = [p for p in files_below(folder) if p.name.lower().endswith((".txt", ".txt.gz"))]
    return [p for p in found if p.name.split(".")[0].lower() not in ABOUT] or found
