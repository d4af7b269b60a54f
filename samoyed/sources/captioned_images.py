"""Pictures with captions: a table, Flickr8k's lists, COCO's JSON, or a .txt beside each picture.

Captions of one picture may stand in rows of their own, in columns of their own (caption_1, caption_2), or in lines of its .txt.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from samoyed.errors import DataError
from samoyed.examples import CaptionedImage
from samoyed.sources import Source
from samoyed.sources._captions import Listed, by_coco, by_flickr, has_captions
from samoyed.sources._paths import files_below, plural, visible
from samoyed.sources._pictures import SUFFIXES, Unreadable, decode_all
from samoyed.sources._reading import read_text
from samoyed.sources._tables import SUFFIXES as TABLES
from samoyed.sources._tables import read_table

_PATHS = ("path", "file", "filename", "file_name", "filepath", "image", "picture", "image_name")
_CAPTION = re.compile(r"(captions?|text|sentence|description|comment)[ _]?\d*")
_SPLIT_LIST = re.compile(r"(train|dev|val|valid|test)images\.txt")
_COCO = re.compile(r"captions_(train|val|test)\w*\.json")


class CaptionedImages(Source):
    """Reads each picture once, with all its captions. What has no caption, no picture, or is damaged is skipped and listed."""

    yields = "CaptionedImage"
    reads = (
        "a table with the columns path and caption (several rows or columns per picture), Flickr8k's lists, COCO's JSON, or a "
        "folder with a .txt beside each picture, a caption a line"
    )
    holds = "pictures"

    def __init__(self, path: Path, *, longest_side: int | None = None) -> None:
        super().__init__(path)
        self.longest_side = longest_side
        self.listed, notes = _listed(path)
        self.notes += notes
        if not self.listed:
            raise DataError("lists no picture", where=path, remedy="name a picture and a caption in each row")
        found = [entry for entry in self.listed if entry.file is not None]
        if not found:
            first = self.listed[0]
            raise DataError(
                f"{first.name!r} is no file, nor is any other of the {plural(len(self.listed), 'picture')} that are named",
                where=first.where,
                remedy=f"put the pictures into {path if path.is_dir() else path.parent}, or a folder in it",
            )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        if path.is_dir():
            return bool(_table_in(path) or _coco_in(path) or _token_file(path)) or _has_texts(path)
        name = path.name.lower()
        if name.endswith(".json"):
            return path.is_file() and has_captions(path)
        if _split_list(path) or name.endswith(".token.txt"):
            return path.is_file() and _token_file(path.parent) is not None
        return path.is_file() and _columns_of(path) is not None

    @classmethod
    def splits(cls, path: Path) -> dict[str, Path]:
        found = super().splits(path)
        if found or not path.is_dir():
            return found
        lists = {n: p for p in visible(path) if (n := _split_list(p))}
        if "train" in lists and _token_file(path) is not None:
            return lists
        found = {_named(_COCO.fullmatch(p.name.lower())[1]): p for p in _coco_in(path)}  # type: ignore[index]
        return found if "train" in found and len(found) > 1 else {}

    def __len__(self) -> int:
        return len(self.listed)

    def examples(self) -> Iterator[CaptionedImage]:
        whole = []
        for entry in self.listed:
            if entry.file is None:
                self.skip(entry.where, f"there is no picture {entry.name!r} for this caption")
            elif not entry.captions:
                self.skip(entry.where, f"the picture {entry.name!r} has no caption")
            else:
                whole.append(entry)
        files = [entry.file for entry in whole if entry.file is not None]
        for entry, pixels in zip(whole, decode_all(files, self.longest_side), strict=True):
            if isinstance(pixels, Unreadable):
                self.skip(str(entry.file), str(pixels))
            else:
                yield CaptionedImage(pixels, entry.captions, str(entry.file))


def _listed(path: Path) -> tuple[list[Listed], list[str]]:
    """What is named at `path`, and notes for people."""
    if path.is_file():
        if path.suffix.lower() == ".json":
            return by_coco(path), []
        split = _split_list(path)
        if split or path.name.lower().endswith(".token.txt"):
            tokens = _token_file(path.parent)
            assert tokens is not None
            return by_flickr(tokens, path if split else None), []
        return _of_table(path), []
    table, tokens = _table_in(path), _token_file(path)
    if table is not None:
        found = _of_table(table)
    elif tokens is not None:
        found = by_flickr(tokens, None)
    elif _coco_in(path):
        found = by_coco(_coco_in(path)[0])
    else:
        return _beside(path)
    used = {entry.file for entry in found}
    more = [p for p in files_below(path) if p.suffix.lower() in SUFFIXES and p not in used]
    notes = [f"{plural(len(more), 'picture')} without a caption left out, such as {more[0].name}"] if more else []
    return found, notes


def _of_table(path: Path) -> list[Listed]:
    columns = _columns_of(path)
    table = read_table(path)
    if columns is None:
        raise DataError(
            "has no columns for pictures and captions",
            where=path,
            remedy=f"call them path and caption; its columns are {table.columns()}",
        )
    file, texts = columns
    rows = list(zip(table.column(file), *(table.column(text) for text in texts), strict=True))
    folders = [path.parent, *(p for p in visible(path.parent) if p.is_dir())]
    grouped: dict[str, Listed] = {}
    for i, (name, *captions) in enumerate(rows):
        name = name.strip().replace("\\", "/")
        if name not in grouped:
            grouped[name] = Listed(name, located(folders, name), (), table.at(i))
        said = tuple(text for caption in captions if (text := " ".join(caption.split())))
        grouped[name] = grouped[name]._replace(captions=grouped[name].captions + said)
    return list(grouped.values())


def _beside(path: Path) -> tuple[list[Listed], list[str]]:
    """A .txt beside each picture, with a caption in each line."""
    pictures = [p for p in files_below(path) if p.suffix.lower() in SUFFIXES]
    found = []
    for file in pictures:
        beside = file.with_suffix(".txt")
        lines = read_text(beside).splitlines() if beside.is_file() else []
        captions = tuple(text for line in lines if (text := " ".join(line.split())))
        found.append(Listed(file.name, file, captions, str(beside if beside.is_file() else file)))
    known = {p.with_suffix("") for p in pictures}
    alone = [p for p in files_below(path) if p.suffix.lower() == ".txt" and p.with_suffix("") not in known]
    notes = [f"{plural(len(alone), '.txt file')} without a picture left out, such as {alone[0].name}"] if alone else []
    return found, notes


def located(folders: list[Path], name: str) -> Path | None:
    """The file of that name in the first of `folders` that has it."""
    return next((folder / name for folder in folders if name and (folder / name).is_file()), None)


def _columns_of(path: Path) -> tuple[str, list[str]] | None:
    """The column of paths and those of captions; None where either is missing."""
    if not path.name.lower().endswith((*TABLES, ".txt")):
        return None
    try:
        header = read_table(path).header
    except DataError:
        return None
    known = {name.lower(): name for name in reversed(header)}
    file = next((known[name] for name in _PATHS if name in known), None)
    texts = [name for name in header if _CAPTION.fullmatch(name.lower()) and name != file]
    return (file, texts) if file is not None and texts else None


def _table_in(path: Path) -> Path | None:
    """The one table of a folder, or the captions.txt that Flickr8k is also given away with."""
    inside = [p for p in visible(path) if p.is_file()]
    tables = [p for p in inside if p.name.lower().endswith(TABLES) or p.name.lower() == "captions.txt"]
    return tables[0] if len(tables) == 1 and _columns_of(tables[0]) is not None else None


def _token_file(path: Path) -> Path | None:
    return next((p for p in visible(path) if p.name.lower().endswith(".token.txt")), None) if path.is_dir() else None


def _coco_in(path: Path) -> list[Path]:
    """captions_train2017.json and its like, in a folder or in its annotations/."""
    found = [p for folder in (path, path / "annotations") if folder.is_dir() for p in visible(folder)]
    return [p for p in found if _COCO.fullmatch(p.name.lower())]


def _split_list(path: Path) -> str | None:
    """The split that one of Flickr8k's lists of names is of."""
    found = _SPLIT_LIST.search(path.name.lower().replace("_", ""))
    return _named(found[1]) if found else None


def _named(split: str) -> str:
    return {"dev": "valid", "val": "valid"}.get(split, split)


def _has_texts(path: Path) -> bool:
    below = files_below(path)
    texts = {p.with_suffix("") for p in below if p.suffix.lower() == ".txt"}
    return any(p.suffix.lower() in SUFFIXES and p.with_suffix("") in texts for p in below)
