"""Files and what is written for each: a table with a column for either, LibriSpeech's lists, or a .txt beside each file."""

from pathlib import Path
from typing import NamedTuple

from samoyed.errors import DataError
from samoyed.sources._paths import files_below, visible
from samoyed.sources._reading import read_text
from samoyed.sources._tables import SUFFIXES as TABLES
from samoyed.sources._tables import read_table

_PATHS = ("path", "file", "filename", "audio", "image", "wav")
_TEXTS = ("text", "transcript", "transcription", "sentence")
_LIST = ".trans.txt"  # of LibriSpeech: an utterance's name and its words in each line


class Entry(NamedTuple):
    """A file, its transcript, and where that stands."""

    file: Path
    transcript: str
    where: str


def entries(path: Path, suffixes: tuple[str, ...]) -> list[Entry]:
    """Every file with its transcript, in a fixed order; empty where `path` holds none. Raises DataError for a broken table."""
    if path.is_file():
        return _of_table(path) if path.name.lower().endswith(TABLES) else []
    if not path.is_dir():
        return []
    tables = [p for p in visible(path) if p.is_file() and p.name.lower().endswith(TABLES)]
    if len(tables) == 1:
        return _of_table(tables[0])
    below = files_below(path)
    listed = [entry for p in below if p.name.endswith(_LIST) for entry in _of_list(p, suffixes)]
    if listed:
        return listed
    found = []
    for file in below:
        beside = next((b for s in (".txt", ".gt.txt") if (b := file.with_suffix(s)).is_file()), None)
        if file.suffix.lower() in suffixes and beside is not None:
            found.append(Entry(file, " ".join(read_text(beside).split()), str(beside)))
    return found


def has_entries(path: Path, suffixes: tuple[str, ...]) -> bool:
    """Whether `path` looks like one of these, by names alone and a table's first line."""
    if path.is_file():
        return path.name.lower().endswith(TABLES) and _columns(path) is not None
    if not path.is_dir():
        return False
    tables = [p for p in visible(path) if p.is_file() and p.name.lower().endswith(TABLES)]
    if len(tables) == 1 and _columns(tables[0]) is not None:
        return True
    below = files_below(path)
    media = [p for p in below if p.suffix.lower() in suffixes]
    texts = {p.name.partition(".")[0] for p in below if p.name.endswith(".txt")}
    return bool(media) and (any(p.name.endswith(_LIST) for p in below) or any(p.stem in texts for p in media))


def _columns(path: Path) -> tuple[str, str] | None:
    try:
        header = read_table(path).header
    except DataError:
        return None
    known = {name.lower(): name for name in reversed(header)}
    file = next((known[name] for name in _PATHS if name in known), None)
    text = next((known[name] for name in _TEXTS if name in known), None)
    return None if file is None or text is None else (file, text)


def _of_table(path: Path) -> list[Entry]:
    columns = _columns(path)
    table = read_table(path)
    if columns is None:
        raise DataError(
            "has no columns for the files and their texts",
            where=path,
            remedy=f"call them path and text; its columns are {table.columns()}",
        )
    files, texts = (table.column(name) for name in columns)
    return [
        Entry(path.parent / file, " ".join(text.split()), table.at(i))
        for i, (file, text) in enumerate(zip(files, texts, strict=True))
    ]


def _of_list(path: Path, suffixes: tuple[str, ...]) -> list[Entry]:
    found = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        name, _, text = line.strip().partition(" ")
        if name:
            file = next(
                (f for s in suffixes if (f := path.parent / f"{name}{s}").is_file()),
                path.parent / f"{name}{suffixes[0]}",
            )
            found.append(Entry(file, " ".join(text.split()), f"{path}:{number}"))
    return found
