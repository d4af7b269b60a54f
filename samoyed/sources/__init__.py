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
from samoyed.sources._paths import no_such_path, one_file, unpacked_first, visible, without
from samoyed.sources._reading import looks_like_text, unreadable

__all__ = [
    "ABOUT",
    "Damaged",
    "Source",
    "named_splits",
    "needed",
    "no_such_path",
    "one_file",
    "open_one",
    "open_splits",
]

MOST_DAMAGED = 0.1
_SPLIT_NAMES = {
    "train": ("train", "training"),
    "valid": ("valid", "validation", "val", "dev"),
    "test": ("test", "testing"),
}
ABOUT = ("readme", "license", "licence", "source", "copying", "notice", "changelog")  # files about data, not data
_NOUNS = {
    "Image": "pictures",
    "Text": "text",
    "LabelledText": "texts with labels",
    "TaggedText": "texts with tags",
    "Pair": "pairs of texts",
    "Utterance": "recordings with transcripts",
    "Recording": "recordings of classes",
    "LabelledRecording": "recordings with labels in time",
    "Clip": "clips of classes",
    "TaggedClip": "clips with tags of their frames",
    "Volume": "volumes of classes",
    "TextLine": "pictures of lines with transcripts",
    "CaptionedImage": "pictures with captions",
    "Series": "series of numbers",
    "Drawing": "pen strokes",
}


class Damaged(NamedTuple):
    """A datum that could not be read: where it is and why."""

    where: str
    why: str


class Source(ABC):
    """Reads one raw format. `yields` names the kind of example, `reads` tells people what the format looks like; a format
    that few people have is not `usual`, and errors do not suggest it. `holds` names what is counted and may be damaged."""

    yields: ClassVar[str]
    reads: ClassVar[str]
    usual: ClassVar[bool] = True
    holds: ClassVar[str] = "files"

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
            listed = ", ".join(f"{d.where} ({d.why})" for d in self.damaged[:2])
            raise DataError(
                f"more than {MOST_DAMAGED:.0%} of its {len(self):,} {self.holds} cannot be read, among them {listed}",
                where=self.path,
                remedy="mend or remove them",
            )


def named_splits(path: Path) -> dict[str, Path]:
    """Folders or files called train, valid (validation, val, dev) and test inside `path`.

    A folder is divided if it holds train and one of the others, or if nothing but data of such names is in it: a class of
    pictures may be called "train". Raises DataError where valid or test is there and train is not, or one is there twice.
    """
    if not path.is_dir():
        return {}
    inside = [p for p in visible(path) if _stem(p) not in ABOUT]
    named = {p: split for p in inside for split, names in _SPLIT_NAMES.items() if _stem(p) in names}
    if not named:
        return {}
    kinds = {_kind(p) for p in named}
    alone = all(p in named for p in inside if p.is_dir() or _kind(p) in kinds)
    splits = set(named.values())
    if not alone and not ("train" in splits and len(splits) > 1):
        return {}
    found: dict[str, Path] = {}
    for part, split in named.items():
        if split in found:
            raise DataError(
                f"both {found[split].name} and {part.name} are the {split} split",
                where=path,
                remedy="keep one of them there",
            )
        found[split] = part
    if "train" not in found:
        raise DataError(
            f"holds {' and '.join(p.name for p in found.values())} but nothing named train to learn from",
            where=path,
            remedy=f"add train, or give {next(iter(found.values()))} alone",
        )
    return {split: found[split] for split in ("train", "valid", "test") if split in found}


def open_splits(kind: str, path: Path, options: dict[str, Any] | None = None) -> dict[str, Source]:
    """The sources at `path` that yield `kind` of example: by split, or {"all": source} where there are no splits.

    Raises DataError, in words about this kind of data, where no format fits or the path may not be read.
    """
    try:
        if not path.exists():
            raise no_such_path(path)
        readers = _readers(kind)
        for reader in readers:
            parts = reader.splits(path)
            if parts:
                opened = {name: open_one(readers, part, kind, options or {}) for name, part in parts.items()}
                opened["train"].notes += _beside(path, parts)
                return opened
        return {"all": open_one(readers, path, kind, options or {})}
    except OSError as error:
        raise unreadable(path, error) from error


def open_one(readers: Sequence[type[Source]], path: Path, kind: str, options: dict[str, Any]) -> Source:
    """The first of `readers` that recognises `path`, opened. Raises DataError that says what was found and what is read."""
    for reader in readers:
        if reader.recognises(path):
            return reader(path, **options)
    inside = visible(path) if path.is_dir() else []
    fitting = next((p for p in inside if looks_like_text(p) and any(r.recognises(p) for r in readers)), None)
    remedy = f"name one of its files, such as {fitting}" if fitting else unpacked_first(path) or needed(kind)
    raise DataError(without(path, _noun(kind)), where=path, remedy=remedy)


def needed(kind: str) -> str:
    """What is learned from examples of this kind, and which formats of them are read: the remedy for anything else."""
    tasks = [name for name, entry in catalog.tasks().items() if entry.main.attributes.get("example") == kind]
    learn = f"{' and '.join(tasks)} {'learns' if len(tasks) == 1 else 'learn'}" if tasks else "this learns"
    return f"{learn} from {_noun(kind)}: give {', or '.join(r.reads for r in _readers(kind) if r.usual)}"


def _readers(kind: str) -> list[type[Source]]:
    forms = [form for entry in catalog.sources().values() for form in entry.forms]
    return [form.load() for form in forms if form.attributes.get("yields") == kind]


def _beside(path: Path, parts: dict[str, Path]) -> list[str]:
    """A note on data that lie beside named splits and are not read."""
    known = {name for names in _SPLIT_NAMES.values() for name in names}
    if not all(_stem(p) in known for p in parts.values()):
        return []  # divided by another rule than these names
    kinds = {_kind(p) for p in parts.values()}
    others = [p.name for p in visible(path) if p not in parts.values() and _kind(p) in kinds and _stem(p) not in ABOUT]
    return [f"beside the splits, and not read: {', '.join(others[:5])}"] if others else []


def _stem(path: Path) -> str:
    return path.name.split(".")[0].lower()


def _kind(path: Path) -> str:
    return "folder" if path.is_dir() else path.suffix.lower()


def _noun(kind: str) -> str:
    return _NOUNS.get(kind, kind.lower())
