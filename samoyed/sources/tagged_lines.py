"""One JSON object in each line, with tokens and as many tags: {"tokens": ["Bonn", "is", "old"], "tags": ["B-LOC", "O", "O"]}."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samoyed.examples import TaggedText
from samoyed.sources import Source
from samoyed.sources.labelled_lines import SUFFIXES, json_object, numbered_lines

_TAGS = ("tags", "labels", "ner_tags", "pos_tags", "upos")


class TaggedLines(Source):
    """Reads JSON Lines of tokens and tags."""

    yields = "TaggedText"
    reads = "a JSONL file with tokens and tags in each line"
    holds = "lines"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.lines = numbered_lines(path)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_file() and path.name.lower().endswith(SUFFIXES)

    def __len__(self) -> int:
        return len(self.lines)

    def examples(self) -> Iterator[TaggedText]:
        for number, line in self.lines:
            where, row = f"{self.path}:{number}", json_object(line)
            if isinstance(row, str):
                self.skip(where, row)
                continue
            tokens: Any = row.get("tokens")
            tags: Any = next((row[name] for name in _TAGS if name in row), None)
            if not _texts(tokens) or not (_texts(tags) or _whole(tags)):
                self.skip(where, "it has no list of tokens, or none of tags")
            elif len(tokens) != len(tags):
                self.skip(where, f"it has {len(tokens)} tokens and {len(tags)} tags")
            else:
                yield TaggedText(tuple(tokens), tuple(map(str, tags)), where)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) and item.strip() for item in value)


def _whole(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, int) for item in value)
