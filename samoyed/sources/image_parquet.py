"""Pictures in Parquet files, as collections of Hugging Face come: one file, or a folder of them (the shards).

A column holds the pictures' files, as bytes or as a struct of bytes and path; another the classes, as text or as numbers, whose
names stand in the file's description. Row groups are read when their rows are due, so that several processes read
different ones; one that lies across the border of two shares is read by both.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from samoyed.errors import DataError, printable, require, shown
from samoyed.examples import Image
from samoyed.sources import Source, needed
from samoyed.sources._labels import LABELS, near_twins, no_label
from samoyed.sources._paths import visible
from samoyed.sources._pictures import MOST_BYTES, Unreadable, decode_parts

_PICTURES = ("image", "img", "picture", "photo", "jpg", "png")
_CLASSES = (*LABELS, "labels", "fine_label", "cls")
_SPLIT = re.compile(r"(train|training|valid|validation|val|dev|test|testing)(-\d+-of-\d+)?\.parquet", re.I)
_NAMES = {"training": "train", "validation": "valid", "val": "valid", "dev": "valid", "testing": "test"}
_AT_ONCE = 64  # rows that are taken out of a row group together
_AGAIN = "get the file again"


class _Group(NamedTuple):
    """A row group: where it is, how many rows it has, the column of pictures."""

    file: Path
    number: int
    rows: int
    column: str


class ImageParquet(Source):
    """Reads the pictures of Parquet files in the order of the files' names and of their rows."""

    yields = "Image"
    reads = "Parquet files with a column image (bytes, or a struct of bytes and path) and a column label"
    usual = False
    holds = "pictures"

    def __init__(self, path: Path, *, longest_side: int | None = None) -> None:
        super().__init__(path)
        require("pyarrow", "parquet")
        self.longest_side = longest_side
        self.groups: list[_Group] = []
        self.labels: list[str] = []
        self.origins: list[str] = []
        for file in _files(path):
            groups, labels = _index(file)
            self.groups += groups
            self.labels += labels
            self.origins += [f"{file}#{row}" for row in range(len(labels))]
        if not self.labels:
            raise DataError("holds no rows", where=path, remedy=needed("Image"))
        self.notes += near_twins(self.labels)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return bool(_files(path))

    @classmethod
    def splits(cls, path: Path) -> dict[str, Path]:
        """Of train-00000-of-00002.parquet and its like, a pattern that stands for all of a split."""
        if not path.is_dir():
            return {}
        found: dict[str, Path] = {}
        for file in visible(path):
            match = _SPLIT.fullmatch(file.name)
            if match:
                word = match[1]
                found.setdefault(_NAMES.get(word.lower(), word.lower()), path / f"{word}*.parquet")
        return {name: found[name] for name in ("train", "valid", "test") if name in found} if "train" in found else {}

    def __len__(self) -> int:
        return len(self.labels)

    def examples(self) -> Iterator[Image]:
        decoded = decode_parts(self.origins, self._bytes, self.longest_side)
        for origin, label, pixels in zip(self.origins, self.labels, decoded, strict=True):
            if isinstance(pixels, Unreadable):
                self.skip(origin, str(pixels))
            else:
                yield Image(pixels, label, origin)

    def _bytes(self, start: int, stop: int) -> Iterator[bytes]:
        """The files in the rows from `start` to `stop`; no bytes where there are none, or the row group is damaged."""
        first = 0
        for group in self.groups:
            begin, end = max(start - first, 0), min(stop - first, group.rows)
            if begin < end:
                yield from _rows(group, begin, end)
            first += group.rows


def _files(path: Path) -> list[Path]:
    if "*" in path.name and path.parent.is_dir() and not path.exists():
        word = path.name.partition("*")[0]
        matches = [(p, _SPLIT.fullmatch(p.name)) for p in visible(path.parent)]
        return [p for p, match in matches if match and match[1] == word]
    if path.is_file():
        return [path] if path.suffix.lower() == ".parquet" else []
    inside = visible(path) if path.is_dir() else []
    found = [p for p in inside if p.is_file() and p.suffix.lower() == ".parquet"]
    return found if len(found) == len(inside) else []


def _opened(file: Path) -> Any:
    """A pyarrow.parquet.ParquetFile. Raises DataError where it is none."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(file, page_checksum_verification=True)
    except (ArrowException, OSError, ValueError) as error:
        raise _damaged(file, error) from error


def _index(file: Path) -> tuple[list[_Group], list[str]]:
    """The row groups of a file, and the class of each row. Raises DataError."""
    from pyarrow import ArrowException

    with _opened(file) as opened:
        try:
            schema, facts = opened.schema_arrow, opened.metadata
            picture, label = _columns(file, schema)
            size = file.stat().st_size
            if facts.num_rows < 0 or facts.num_rows > max(size, 1) * 1000:
                raise DataError(f"claims {facts.num_rows:,} rows, and has {size:,} bytes", where=file, remedy=_AGAIN)
            groups = [_Group(file, i, facts.row_group(i).num_rows, picture) for i in range(facts.num_row_groups)]
            values: list[Any] = []
            for group in groups:
                column = opened.read_row_group(group.number, columns=[label], use_threads=False).column(0)
                if len(column) != group.rows:
                    raise DataError(f"row group {group.number} is damaged", where=file, remedy=_AGAIN)
                values += column.to_pylist()
            return groups, _named(file, values, _classes(schema, label))
        except (ArrowException, OSError, ValueError, MemoryError) as error:
            raise _damaged(file, error) from error


def _columns(file: Path, schema: Any) -> tuple[str, str]:
    """The names of the columns of pictures and classes. Raises DataError where one is missing."""
    import pyarrow.types as kinds

    def bytes_in(kind: Any) -> bool:
        return bool(kinds.is_binary(kind) or kinds.is_large_binary(kind))

    pictures, classes = [], []
    for field in schema:
        kind = field.type.value_type if kinds.is_dictionary(field.type) else field.type
        inner = kinds.is_struct(kind) and kind.get_field_index("bytes") >= 0
        if bytes_in(kind) or (inner and bytes_in(kind.field("bytes").type)):
            pictures.append(field.name)
        elif kinds.is_integer(kind) or kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_boolean(kind):
            classes.append(field.name)
    picture = next((n for name in _PICTURES for n in pictures if n.lower() == name), next(iter(pictures), None))
    label = next((n for name in _CLASSES for n in classes if n.lower() == name), None)
    if picture is None or label is None or schema.names.count(picture) > 1 or schema.names.count(label) > 1:
        listed = shown(", ".join(printable(name) for name in schema.names[:12]), 200)
        what = "pictures" if picture is None else "classes, such as label"
        raise DataError(f"has no one column of {what}; its columns are {listed}", where=file, remedy=needed("Image"))
    return picture, label


def _classes(schema: Any, label: str) -> list[str] | None:
    """The names of numbered classes, as the file's description has them under "huggingface"."""
    try:
        found = json.loads(schema.metadata[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return found if isinstance(found, list) and all(isinstance(name, str) for name in found) else None


def _named(file: Path, values: list[Any], names: list[str] | None) -> list[str]:
    """The class of each row in words. Raises DataError where a row has none."""
    labels = []
    for row, value in enumerate(values):
        known = names is None or not isinstance(value, int) or 0 <= value < len(names)
        text = "" if value is None or not known else names[value] if names and isinstance(value, int) else str(value)
        if not text.strip():
            raise no_label(f"{file}#{row}")
        labels.append(text)
    return labels


def _rows(group: _Group, start: int, stop: int) -> Iterator[bytes]:
    """The files in some rows of a row group; no bytes from where it cannot be read."""
    from pyarrow import ArrowException

    done = start
    try:
        with _opened(group.file) as opened:
            if opened.metadata.row_group(group.number).total_byte_size > 4 * MOST_BYTES:
                raise DataError("its row groups are too large", where=group.file)
            at = 0
            batches = opened.iter_batches(_AT_ONCE, [group.number], [group.column], use_threads=False)
            for batch in batches:
                values = batch.column(0)[max(done - at, 0) : stop - at]
                at += batch.num_rows
                for value in values.to_pylist():
                    data = value.get("bytes") if isinstance(value, dict) else value
                    done += 1
                    yield data or b""
                if done >= stop:
                    return
    except (ArrowException, OSError, ValueError, MemoryError, DataError):
        pass
    for _ in range(done, stop):
        yield b""


def _damaged(file: Path, error: BaseException) -> DataError:
    why = printable(str(error).splitlines()[0] if str(error) else type(error).__name__)
    return DataError(f"is no whole Parquet file: {shown(why, 160)}", where=file, remedy=_AGAIN)
