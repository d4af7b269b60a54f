"""One JSON object in each line, with the strokes of a pen: {"strokes": [[[0, 0], [3, 1]], [[9, 0], [9, 4]]], "text": "i"}.

The drawings of Quick, Draw! are read too, where a stroke is a list of xs, of ys, and perhaps of times:
{"word": "cat", "drawing": [[[0, 3], [0, 1]], [[9, 9], [0, 4]]]}.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samoyed.examples import Drawing
from samoyed.sources import Source
from samoyed.sources.labelled_lines import SUFFIXES, json_object, numbered_lines

_TEXTS = ("text", "transcript", "word", "label")
_FARTHEST = 1e9
Stroke = NDArray[np.float64]


class StrokeLines(Source):
    """Reads JSON Lines of strokes, absolute points in any unit, y downwards."""

    yields = "Drawing"
    reads = "a JSONL file with strokes, and perhaps text, in each line (Quick, Draw!'s ndjson too)"
    holds = "lines"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.lines = numbered_lines(path)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_file() and path.name.lower().endswith(SUFFIXES)

    def __len__(self) -> int:
        return len(self.lines)

    def examples(self) -> Iterator[Drawing]:
        for number, line in self.lines:
            where = f"{self.path}:{number}"
            found = drawing_of(json_object(line), where)
            if isinstance(found, str):
                self.skip(where, found)
            else:
                yield found


def drawing_of(row: dict[str, Any] | str, where: str) -> Drawing | str:
    """What a JSON object holds, or what is wrong with it."""
    if isinstance(row, str):
        return row
    text = next((row[name] for name in _TEXTS if row.get(name) is not None), "")
    if not isinstance(text, str):
        return "its text is no text"
    if "strokes" in row:
        strokes = _listed(row["strokes"], False)
    elif "drawing" in row:
        strokes = _listed(row["drawing"], True)
    else:
        return 'it has no "strokes"'
    return strokes if isinstance(strokes, str) else checked(strokes, text, where)


def checked(strokes: list[Stroke], text: str, where: str) -> Drawing | str:
    """A drawing of at least two points, without strokes that are empty, or what is wrong with it."""
    kept = tuple(stroke for stroke in strokes if len(stroke))
    if sum(map(len, kept)) < 2:
        return "it has fewer than two points"
    if not all(bool((np.abs(stroke) <= _FARTHEST).all()) for stroke in kept):
        return f"a point in it is not a number, or farther out than {_FARTHEST:,.0f}"
    return Drawing(text, where, tuple(stroke.astype(np.float32) for stroke in kept))


def _listed(value: Any, across: bool) -> list[Stroke] | str:
    """Lists of points as arrays [T, 2]; lists of xs and ys where they lie `across`."""
    if not isinstance(value, list):
        return "its strokes are no list"
    found = []
    for place, stroke in enumerate(value, 1):
        try:
            points = np.asarray(stroke[:2] if across else stroke, dtype=np.float64)
        except (ValueError, TypeError, OverflowError, KeyError):
            return f"stroke {place} holds something besides points"
        points = points.T if across else points
        if points.size == 0:
            continue
        if points.ndim != 2 or points.shape[1] not in ((2,) if across else (2, 3)):
            return f"stroke {place} is no list of points [x, y]"
        found.append(np.ascontiguousarray(points[:, :2]))
    return found
