"""The lists of two public sets of captioned pictures: Flickr8k's (Hodosh, Young & Hockenmaier 2013) and COCO's (Chen 2015)."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from samoyed.errors import DataError
from samoyed.sources._paths import visible
from samoyed.sources._pictures import SUFFIXES
from samoyed.sources._reading import read_text


class Listed(NamedTuple):
    """A picture as it is named, its file or None where there is none, its captions, and where it is named."""

    name: str
    file: Path | None
    captions: tuple[str, ...]
    where: str


def by_flickr(tokens: Path, names: Path | None) -> list[Listed]:
    """Lines such as "10815824_2997e03d76.jpg#0<tab>A child runs ."; only the pictures that the file `names` lists, if given."""
    found: dict[str, Listed] = {}
    files = _files(tokens.parent, tokens.parent.parent)
    for number, line in enumerate(read_text(tokens).split("\n"), 1):
        key, tab, text = line.strip().partition("\t")
        if not key:
            continue
        if not tab:
            raise DataError(
                "has no tab between picture and caption", where=f"{tokens}:{number}", remedy="mend the line"
            )
        name, caption = key.rpartition("#")[0] or key, " ".join(text.split())
        entry = found.setdefault(name, Listed(name, files.get(name), (), f"{tokens}:{number}"))
        found[name] = entry._replace(captions=entry.captions + ((caption,) if caption else ()))
    if names is None:
        return list(found.values())
    wanted = [(n, line.strip()) for n, line in enumerate(read_text(names).split("\n"), 1) if line.strip()]
    return [found.get(name, Listed(name, files.get(name), (), f"{names}:{n}")) for n, name in wanted]


def by_coco(path: Path) -> list[Listed]:
    """{"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}. Raises DataError for anything else."""
    try:
        whole = json.loads(read_text(path))
        names = {image["id"]: str(image["file_name"]) for image in whole["images"]}
        captions: dict[Any, list[str]] = {number: [] for number in names}
        for note in whole["annotations"]:
            text = " ".join(str(note["caption"]).split())
            if text:
                captions.setdefault(note["image_id"], []).append(text)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        what = f"has no {error}" if isinstance(error, KeyError) else f"is not as COCO's captions are: {error}"
        raise DataError(
            what, where=path, remedy='give {"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}'
        ) from error
    files = _files(path.parent, *([path.parent.parent] if path.parent.name == "annotations" else []))
    return [
        Listed(name, files.get(Path(name).name), tuple(texts), str(path))
        for number, texts in captions.items()
        for name in [names.get(number, f"image {number}")]
    ]


def has_captions(path: Path) -> bool:
    """Whether a JSON file begins as one that holds captions, by its first half a megabyte and its last."""
    try:
        with path.open("rb") as file:
            head = file.read(2**19)
            file.seek(max(0, path.stat().st_size - 2**19))
            both = head + file.read()
    except OSError:
        return False
    return b'"caption"' in both and b'"image' in both


def _files(*folders: Path) -> dict[str, Path]:
    """The pictures in the first of the folders that has any, or folders directly inside it that do, by name."""
    for folder in folders:
        inside = visible(folder)
        below = [p for sub in inside if sub.is_dir() for p in visible(sub)]
        found = {p.name: p for p in [*below, *inside] if p.suffix.lower() in SUFFIXES and p.is_file()}
        if found:
            return found
    return {}
