"""One JSON object in each line, with a text and a label: {"text": "a fine film", "label": "good"}."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samoyed.errors import DataError
from samoyed.examples import LabelledText
from samoyed.sources import Source
from samoyed.sources._labels import LABELS, TEXTS, column, near_twins, no_label, no_such_column
from samoyed.sources._reading import read_text

SUFFIXES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")


class LabelledLines(Source):
    """Reads JSON Lines. A label may be a text, a number or a truth value, and is the class as it is written there."""

    yields = "LabelledText"
    reads = "a JSONL file with text and label in each line"
    holds = "lines"

    def __init__(self, path: Path, *, text: str | None = None, label: str | None = None) -> None:
        super().__init__(path)
        self.names = (text, label)
        self.lines = numbered_lines(path)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_file() and path.name.lower().endswith(SUFFIXES)

    def __len__(self) -> int:
        return len(self.lines)

    def examples(self) -> Iterator[LabelledText]:
        seen = set()
        for number, line in self.lines:
            where = f"{self.path}:{number}"
            row = json_object(line)
            if isinstance(row, str):
                self.skip(where, row)
                continue
            text, label = self._fields(row, where)
            if not isinstance(text, str):
                self.skip(where, "its text is no text")
            elif not text.strip():
                self.skip(where, "its text is empty")
            elif label is None or isinstance(label, list | dict) or not str(label).strip():
                raise no_label(where)
            else:
                name = label if isinstance(label, str) else json.dumps(label)
                seen.add(name)
                yield LabelledText(text, name, where)
        self.notes += near_twins(seen)

    def _fields(self, row: dict[str, Any], where: str) -> tuple[Any, Any]:
        """The values of text and label. Raises DataError where either field is missing."""
        found = []
        for name, usual, wanted in zip(self.names, (TEXTS, LABELS), ("text", "label"), strict=True):
            key = column(row, name, usual)
            if key is None:
                raise no_such_column(name or wanted, row, where)
            found.append(row[key])
        return found[0], found[1]


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a file that hold anything, with their numbers. Raises DataError where there is none."""
    text = read_text(path)
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines:
        why = "holds nothing but white space" if text else "is an empty file"
        raise DataError(why, where=path, remedy="give a file with an example in each line")
    return lines


def json_object(line: str) -> dict[str, Any] | str:
    """A line's object, or what is wrong with it."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        why = (
            f"{error.msg.lower()} at character {error.pos + 1}"
            if isinstance(error, json.JSONDecodeError)
            else "too deep"
        )
        return f"it is no JSON: {why}"
    return row if isinstance(row, dict) else "it is JSON, and no object"
