"""Aligned texts: one file per language, whose lines answer each other (train.en and train.fr, plain or gzipped)."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from samoyed.errors import DataError, nearest
from samoyed.examples import Pair
from samoyed.sources import ABOUT, Source
from samoyed.sources._paths import visible
from samoyed.sources._reading import read_text

_SPLITS = {"train": ("train",), "valid": ("valid", "val", "dev"), "test": ("test",)}
_OTHER = ("txt", "csv", "tsv", "json", "jsonl", "md", "zip", "tar", "py", "yaml", "html", "pdf", "xml")


class AlignedText(Source):
    """Reads files that share their name up to the language at its end: train.en.gz and train.fr.gz, line by line.

    A folder may hold one such name, or several that begin with train, val or test. Lines of which one side is empty are
    skipped and listed.
    """

    yields = "Pair"
    reads = "a folder with a file per language (train.en and train.fr), line by line"

    def __init__(self, path: Path, source: str | None = None, target: str | None = None) -> None:
        super().__init__(path)
        files = _languages(path)
        known = sorted(files)
        if source is None and target is None and len(known) > 2:
            raise DataError(
                f"has {len(known)} languages, {', '.join(known)}",
                where=path,
                remedy=f"set source={known[0]} target={known[1]}",
            )
        for wanted in (source, target):
            if wanted is not None and wanted not in files:
                raise DataError(
                    f"has no file that ends in .{wanted}",
                    where=path,
                    remedy=f"{nearest(wanted, known)} There are {', '.join(known)}",
                )
        source = source or next(name for name in known if name != target)
        target = target or next(name for name in known if name != source)
        if source == target:
            raise DataError(f"source and target are both {source}", where=path, remedy=f"there are {', '.join(known)}")
        self.files = files[source], files[target]
        self.notes.append(f"from {source} to {target}")
        self.lines = [read_text(file).replace("\r\n", "\n").removesuffix("\n").split("\n") for file in self.files]
        counts = [len(lines) for lines in self.lines]
        if counts[0] != counts[1]:
            raise DataError(
                f"has {counts[0]:,} lines, and {self.files[1].name} has {counts[1]:,}",
                where=self.files[0],
                remedy="each line must have its answer at the same place in the other file",
            )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return len(_languages(path)) > 1

    @classmethod
    def splits(cls, path: Path) -> dict[str, Path]:
        """The names that begin with train, val and test, of files in several languages; a part is a path without its language.

        Of several tests the first is taken.
        """
        if not path.is_dir():
            return {}
        stems = sorted({stem for stem, _ in map(_parted, visible(path)) if stem and len(_languages(path / stem)) > 1})
        found: dict[str, Path] = {}
        for split, begins in _SPLITS.items():
            stem = next((s for s in stems if s.lower().startswith(begins)), None)
            if stem is not None:
                found[split] = path / stem
        return found if "train" in found else {}

    def __len__(self) -> int:
        return len(self.lines[0])

    def examples(self) -> Iterator[Pair]:
        for number, (source, target) in enumerate(zip(*self.lines, strict=True), 1):
            empty = [file.name for file, text in zip(self.files, (source, target), strict=True) if not text.strip()]
            if empty:
                self.skip(f"{self.files[0]}:{number}", f"nothing in {' and '.join(empty)}")
                continue
            yield Pair(source.strip(), target.strip(), f"{self.files[0]}:{number}")


def _parted(path: Path) -> tuple[str, str]:
    """The name without its language, and the language; two empty texts for a file that is none of these."""
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    stem, _, language = name.rpartition(".")
    fits = language.replace("-", "").replace("_", "").isalnum() and 1 < len(language) <= 12
    fits = fits and language.lower() not in _OTHER and stem.lower() not in ABOUT
    return (stem, language) if stem and fits and path.is_file() else ("", "")


def _languages(path: Path) -> dict[str, Path]:
    """Language -> file. `path` is a folder with files of one name, or such a name in a folder, without the language."""
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    folder = path if path.is_dir() else path.parent
    if not folder.is_dir() or path.is_file():
        return {}
    for file in visible(folder):
        stem, language = _parted(file)
        if stem and (path.is_dir() or stem == path.name):
            found[stem][language] = file
    several = [files for files in found.values() if len(files) > 1]
    return several[0] if len(several) == 1 else {}
