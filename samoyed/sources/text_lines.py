"""Pictures of lines with transcripts: a table of path and text, or a .txt (or .gt.txt) beside each picture."""

from collections.abc import Iterator
from pathlib import Path

from samoyed.examples import TextLine
from samoyed.sources import Source
from samoyed.sources._pictures import SUFFIXES, Unreadable, decode
from samoyed.sources._transcripts import entries, has_entries

LONGEST = 4096  # pixels of the longer side that a line keeps


class TextLines(Source):
    """Reads what image classification reads. What is missing, damaged or has an empty transcript is skipped and listed."""

    yields = "TextLine"
    reads = "a table with the columns path and text, or a folder with a .txt beside each picture"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.entries = entries(path, SUFFIXES)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return has_entries(path, SUFFIXES)

    def __len__(self) -> int:
        return len(self.entries)

    def examples(self) -> Iterator[TextLine]:
        for file, text, where in self.entries:
            if not text:
                self.skip(where, "the transcript is empty")
                continue
            if not file.is_file():
                self.skip(f"{file} ({where})", "there is no such file")
                continue
            try:
                yield TextLine(decode(file, LONGEST), text, str(file))
            except Unreadable as error:
                self.skip(str(file), str(error))
