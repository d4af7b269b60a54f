"""Pairs of texts as a table: CSV or TSV with a column for each side, or JSON Lines with a key for each."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samoyed.errors import DataError
from samoyed.examples import Pair
from samoyed.sources import Source
from samoyed.sources._reading import read_text
from samoyed.sources._tables import SUFFIXES, read_table


class PairTable(Source):
    """Reads the columns `source` and `target`, or those that are named; without such a header, the first two columns."""

    yields = "Pair"
    reads = "a CSV or TSV with the columns source and target"

    def __init__(self, path: Path, source: str | None = None, target: str | None = None) -> None:
        super().__init__(path)
        table = read_table(path)
        if len(table.header) < 2:
            raise DataError("has one column", where=path, remedy="give the source in one and the target in another")
        names = source or "source", target or "target"
        self.rows: list[tuple[str, str, str]] = []
        if source is None and target is None and not set(names) <= set(table.header):
            self.notes.append(
                f"{path.name} has no columns source and target: its first two are taken, the first line too"
            )
            self.rows.append((table.header[0], table.header[1], f"{path}:1"))
            sides = [[row[i] for row in table.rows] for i in (0, 1)]
        else:
            sides = [table.column(name) for name in names]
        self.rows += [(a, b, table.at(i)) for i, (a, b) in enumerate(zip(*sides, strict=True))]

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_file() and path.name.lower().removesuffix(".gz").endswith(SUFFIXES)

    def __len__(self) -> int:
        return len(self.rows)

    def examples(self) -> Iterator[Pair]:
        for source, target, where in self.rows:
            if source.strip() and target.strip():
                yield Pair(source.strip(), target.strip(), where)
            else:
                self.skip(where, f"no {'target' if source.strip() else 'source'}")


class PairLines(Source):
    """Reads an object per line with the keys `source` and `target`, or those that are named, also inside "translation"."""

    yields = "Pair"
    reads = 'JSON Lines ({"source": ..., "target": ...})'

    def __init__(self, path: Path, source: str | None = None, target: str | None = None) -> None:
        super().__init__(path)
        self.names = source or "source", target or "target"
        self.lines = [(n, line) for n, line in enumerate(read_text(path).split("\n"), 1) if line.strip()]

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_file() and path.name.lower().removesuffix(".gz").endswith((".jsonl", ".ndjson"))

    def __len__(self) -> int:
        return len(self.lines)

    def examples(self) -> Iterator[Pair]:
        for number, line in self.lines:
            where = f"{self.path}:{number}"
            try:
                source, target = self._sides(json.loads(line))
            except (ValueError, RecursionError) as error:
                self.skip(where, str(error).partition(":")[0].lower())
                continue
            yield Pair(source, target, where)

    def _sides(self, found: Any) -> tuple[str, str]:
        """Both texts. Raises ValueError that says what is missing."""
        if isinstance(found, dict) and isinstance(found.get("translation"), dict):
            found = found["translation"]
        if not isinstance(found, dict):
            raise ValueError("no object")
        texts = []
        for name in self.names:
            if not isinstance(found.get(name), str) or not found[name].strip():
                raise ValueError(f"no text under {name!r}")
            texts.append(found[name].strip())
        return texts[0], texts[1]
