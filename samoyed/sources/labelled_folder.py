"""Texts by class: a folder of .txt files per class, or one .txt file per class with one example in each line."""

from collections.abc import Iterator
from pathlib import Path

from samoyed.errors import DataError
from samoyed.examples import LabelledText
from samoyed.sources import ABOUT, Source
from samoyed.sources._labels import near_twins
from samoyed.sources._paths import files_below, plural, visible
from samoyed.sources._reading import read_text

_SUFFIXES = (".txt", ".txt.gz")


class LabelledFolder(Source):
    """Reads reviews/good/1.txt, each file a text; or names/Czech.txt, each line a text. The folder or file names the class."""

    yields = "LabelledText"
    reads = (
        "a folder that holds one folder of .txt files per class, or one .txt file per class with a text in each line"
    )

    def __init__(self, path: Path, *, text: str | None = None, label: str | None = None) -> None:
        super().__init__(path)
        folders, self.lines = _parts(path)
        self.files = [(p, folder.name) for folder in folders for p in files_below(folder) if _is_text(p)]
        if self.lines and self.files:
            self.notes.append(f"{plural(len(self.lines), 'file')} beside the folders of the classes left out")
            self.lines = []

    @classmethod
    def recognises(cls, path: Path) -> bool:
        if not path.is_dir():
            return False
        folders, files = _parts(path)
        return len(files) > 1 or any(_is_text(p) for folder in folders for p in files_below(folder))

    def __len__(self) -> int:
        return len(self.files) or len(self.lines)

    def examples(self) -> Iterator[LabelledText]:
        self.notes += near_twins([name for _, name in self.files] + [_class(p) for p in self.lines])
        for path, name in self.files:
            text = self._read(path)
            if text.strip():
                yield LabelledText(text.replace("\r\n", "\n").strip("\n"), name, str(path))
            elif text or path.stat().st_size == 0:
                self.skip(str(path), "it holds no text")
        for path in self.lines:
            found = 0
            for number, line in enumerate(self._read(path).split("\n"), start=1):
                if line.strip():
                    found += 1
                    yield LabelledText(line.strip(), _class(path), f"{path}:{number}")
            if not found:
                self.notes.append(f"{path.name} holds no text, and makes no class")

    def _read(self, path: Path) -> str:
        """What a file holds; nothing, noted as damage, where it cannot be read."""
        try:
            return read_text(path)
        except DataError as error:
            self.skip(error.where or str(path), error.problem)
            return ""


def _parts(path: Path) -> tuple[list[Path], list[Path]]:
    """The folders in a folder, and the texts in it that are not about the data."""
    inside = visible(path)
    files = [p for p in inside if p.is_file() and _is_text(p) and p.name.split(".")[0].lower() not in ABOUT]
    return [p for p in inside if p.is_dir() and not p.is_symlink()], files


def _is_text(path: Path) -> bool:
    return path.name.lower().endswith(_SUFFIXES)


def _class(path: Path) -> str:
    return path.name.removesuffix(".gz").rpartition(".")[0]
