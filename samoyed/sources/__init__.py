"""Raw files -> examples. One file of this folder reads one raw format; the class in it says whether a path is its own.

A source yields examples lazily, each with its file, line or row. A damaged datum is skipped and listed in `damaged`; more
than `MOST_DAMAGED` of all stops the reading. Nothing is ever written beside the user's files.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from samoyed import catalog
from samoyed.errors import DataError
from samoyed.examples import Example

MOST_DAMAGED = 0.1
_SPLIT_NAMES = {
    "train": ("train", "training"),
    "valid": ("valid", "validation", "val", "dev"),
    "test": ("test", "testing"),
}


class Damaged(NamedTuple):
    """A datum that could not be read: where it is and why."""

    where: str
    why: str


class Source(ABC):
    """Reads one raw format. `yields` names the kind of example, `reads` tells people what the format looks like."""

    yields: ClassVar[str]
    reads: ClassVar[str]

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged: list[Damaged] = []
        self.notes: list[str] = []

    @classmethod
    @abstractmethod
    def recognises(cls, path: Path) -> bool:
        """Whether `path` looks like this format, judged by names and first bytes only."""

    @abstractmethod
    def __len__(self) -> int:
        """How many data there are to read, damaged ones included."""

    @abstractmethod
    def examples(self) -> Iterator[Example]:
        """Every example in a fixed order. Raises DataError for what cannot be skipped."""

    @classmethod
    def splits(cls, path: Path) -> dict[str, Path]:
        """The parts of `path` that are named train, valid and test; empty where it is one undivided whole."""
        return named_splits(path)

    def skip(self, where: str, why: str) -> None:
        """Notes a damaged datum. Raises DataError once more than one, and more than the stated share, are damaged."""
        self.damaged.append(Damaged(where, why))
        if len(self.damaged) > max(1, MOST_DAMAGED * len(self)):
            listed = ", ".join(d.where for d in self.damaged[:3])
            raise DataError(
                f"more than {MOST_DAMAGED:.0%} of {len(self)} files cannot be read, among them {listed} ({why})",
                where=self.path,
                remedy="mend or remove them",
            )


def named_splits(path: Path) -> dict[str, Path]:
    """Folders or files called train, valid (validation, val, dev) and test inside `path`.

    A folder counts as divided only if all of its sub-folders, or all of its data files, bear such names: a class of
    pictures may be called "train". Raises DataError where valid or test is there and train is not.
    """
    if not path.is_dir():
        return {}
    inside = [p for p in sorted(path.iterdir()) if not p.name.startswith(".")]
    folders = [p for p in inside if p.is_dir()]
    named = {p: split for p in inside for split, names in _SPLIT_NAMES.items() if p.name.split(".")[0].lower() in names}
    if not named or any(folder not in named for folder in folders):
        return {}
    found: dict[str, Path] = {}
    for part, split in named.items():
        if split in found:
            raise DataError(f"both {found[split].name} and {part.name} are the {split} split", where=path)
        found[split] = part
    if "train" not in found:
        raise DataError(
            f"holds {' and '.join(p.name for p in found.values())} but nothing named train",
            where=path,
            remedy="name the file to learn from as DATA, or add a train split",
        )
    return {split: found[split] for split in ("train", "valid", "test") if split in found}


def open_splits(kind: str, path: Path, options: dict[str, Any] | None = None) -> dict[str, Source]:
    """The sources at `path` that yield `kind` of example: by split, or {"all": source} where there are no splits.

    Raises DataError, in words about this kind of data, where no format fits.
    """
    if not path.exists():
        raise no_such_path(path)
    readers: Sequence[type[Source]] = [
        form.load() for entry in catalog.sources().values() for form in entry.forms if form.attributes.get("yields") == kind
    ]
    for reader in readers:
        parts = reader.splits(path)
        if parts:
            return {name: open_one(readers, part, kind, options or {}) for name, part in parts.items()}
    return {"all": open_one(readers, path, kind, options or {})}


def open_one(readers: Sequence[type[Source]], path: Path, kind: str, options: dict[str, Any]) -> Source:
    """The first of `readers` that recognises `path`, opened. Raises DataError that says what was found and what is read."""
    for reader in readers:
        if reader.recognises(path):
            return reader(path, **options)
    wanted = "; or ".join(reader.reads for reader in readers)
    raise DataError(f"{_describe(path)} and no {kind.lower()} data that can be read", where=path, remedy=f"give {wanted}")


def no_such_path(path: Path) -> DataError:
    """The error for a path that is not there, with the names beside it that are close."""
    return DataError("there is no such file or folder", where=path, remedy=_similar(path))


def _describe(path: Path) -> str:
    if not path.is_dir():
        size = path.stat().st_size
        return "is an empty file" if size == 0 else f"is a {path.suffix or 'nameless'} file of {size:,} bytes"
    inside = [p for p in path.iterdir() if not p.name.startswith(".")]
    files: dict[str, int] = {}
    for p in inside:
        if p.is_file():
            files[p.suffix or "no suffix"] = files.get(p.suffix or "no suffix", 0) + 1
    kinds = ", ".join(f"{n} {suffix}" for suffix, n in sorted(files.items(), key=lambda item: -item[1])[:4])
    folders = sum(p.is_dir() for p in inside)
    if not inside:
        return "is an empty folder"
    return f"holds {f'files ({kinds})' if kinds else 'no file'}, {f'{folders} folders' if folders else 'no folder'},"


def _similar(path: Path) -> str | None:
    import difflib

    siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, siblings, n=2)
    return f"did you mean {' or '.join(str(path.parent / name) for name in close)}?" if close else None
