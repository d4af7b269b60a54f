"""Pen strokes in JSON lines: what is read, what is skipped with its line and reason, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samoyed.errors import DataError
from samoyed.examples import Drawing
from samoyed.sources import open_splits

GOOD = {"strokes": [[[0, 0], [3, 1.5]], [[9, 0], [9, 4, 20]][:1]], "text": "i"}


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def read(path: Path) -> tuple[list[Drawing], list[tuple[str, str]]]:
    source = open_splits("Drawing", path)["all"]
    found = [e for e in source.examples() if isinstance(e, Drawing)]
    return found, [(d.where.rpartition(":")[2], d.why) for d in source.damaged]


def test_strokes_texts_and_quick_draw(tmp_path: Path) -> None:
    quick = {"word": "cat", "key_id": "1", "recognized": True, "drawing": [[[0, 3, 5], [0, 1, 2]], [[9, 9], [0, 4]]]}
    timed = {"word": "cat", "drawing": [[[0.5, 3], [0, 1], [0, 17]]]}
    found, damaged = read(
        lines(tmp_path / "x.ndjson", GOOD, "", quick, timed, {"strokes": [[[1, 2, 0.5], [3, 4, 0.6]], []]})
    )
    assert not damaged
    assert [e.text for e in found] == ["i", "cat", "cat", ""]
    assert [e.origin.rpartition(":")[2] for e in found] == ["1", "3", "4", "5"]
    assert [s.tolist() for s in found[0].strokes] == [[[0, 0], [3, 1.5]], [[9, 0]]]
    assert [s.tolist() for s in found[1].strokes] == [[[0, 0], [3, 1], [5, 2]], [[9, 0], [9, 4]]]
    assert [s.tolist() for s in found[3].strokes] == [[[1, 2], [3, 4]]]  # times are left out
    assert all(s.dtype == np.float32 for e in found for s in e.strokes)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("{", "no JSON"),
        ("[1]", "no object"),
        ({"text": "a"}, 'no "strokes"'),
        ({"strokes": 3}, "no list"),
        ({"strokes": [[[1, 2]]]}, "fewer than two points"),
        ({"strokes": []}, "fewer than two points"),
        ({"strokes": [[1, 2, 3]]}, "stroke 1 is no list of points"),
        ({"strokes": [[[1, 2], [3]]]}, "stroke 1 holds something besides points"),
        ({"strokes": [[[1, 2], [3, "x"]]]}, "stroke 1 holds something besides points"),
        ({"strokes": [[[1, 2], [3, None]]]}, "not a number"),
        ('{"strokes": [[[1, 2], [1e99, 3]]]}', "not a number"),
        ('{"strokes": [[[1, 2], [NaN, 3]]]}', "not a number"),
        ({"strokes": [{"x": 1}]}, "holds something besides points"),
        ({"drawing": [[[1, 2], [3]]]}, "holds something besides points"),
        ({"drawing": ["ab"]}, "holds something besides points"),
        ({"strokes": GOOD["strokes"], "text": 5}, "its text is no text"),
    ],
)
def test_a_line_that_cannot_be_used_is_skipped_and_named(tmp_path: Path, row: Any, why: str) -> None:
    found, damaged = read(lines(tmp_path / "x.jsonl", *[GOOD] * 12, row))
    assert len(found) == 12
    ((where, said),) = damaged
    assert where == "13"
    assert why in said


def test_nothing_but_damage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read(lines(tmp_path / "x.jsonl", *["{}"] * 5))
    (tmp_path / "e.jsonl").write_text("")
    with pytest.raises(DataError, match="empty"):
        read(tmp_path / "e.jsonl")
    (tmp_path / "x.txt").write_text("hello")
    with pytest.raises(DataError, match="pen strokes"):
        read(tmp_path / "x.txt")
