"""metrics.jsonl as it is while it is written, and when it is damaged."""

import json
from pathlib import Path
from typing import Any

import pytest

from samoyed import history

LINE: dict[str, Any] = {
    "epoch": 1, "step": 9, "seconds": 0.5, "step_ms": 5.0, "per_second": 80.0, "learning_rate": 0.01, "loss": 2.0,
    "gradient_norm": 1.0, "valid": {"error": 30.0}, "best": True,
}  # fmt: skip


def test_whole_lines_are_read(tmp_path: Path) -> None:
    lines = [json.dumps(LINE), json.dumps(LINE | {"epoch": 2, "best": False})]
    (tmp_path / "metrics.jsonl").write_text("\n".join([*lines, lines[0][:30]]))
    assert history.epochs(tmp_path) == [LINE, LINE | {"epoch": 2, "best": False}]
    assert history.epochs(tmp_path / "none") == []


@pytest.mark.parametrize(
    "line",
    [
        "", "{", "[]", "null", "3", json.dumps(LINE | {"loss": "low"}), json.dumps(LINE | {"loss": float("nan")}),
        json.dumps(LINE | {"valid": {"error": None}}), json.dumps(LINE | {"valid": 3}), json.dumps(LINE | {"best": 1}),
        json.dumps(LINE | {"epoch": True}), "[" * 100_000,
    ],
)  # fmt: skip
def test_other_lines_are_left_out(line: str) -> None:
    assert history.parsed(line) is None
