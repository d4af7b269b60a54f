"""The table of runs: the newest first, unfinished and damaged ones named."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from samoyed import listing
from samoyed.errors import DataError


def made(folder: Path, age: int, results: Any = None) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("task: image-classification\nmodel: lenet\n")
    os.utime(folder / "config.yaml", (10**9 - age, 10**9 - age))
    if results is not None:
        (folder / "results.json").write_text(results)
        (folder / "manifest.json").write_text('{"files": {}}')
    return folder


def test_runs_are_listed(tmp_path: Path, command: Any) -> None:
    figure = {"value": 2.5, "low": 1.0, "high": 4.0, "unit": "%"}
    whole = json.dumps(
        {"metrics": {"test": {"error": figure}}, "parameters": 1200, "seconds": 3.21, "ended": "finished"}
    )
    paths = [made(tmp_path / "t" / "2", 1, whole), made(tmp_path / "t" / "3", 0), made(tmp_path / "t" / "1", 2, "{")]
    found = listing.runs(tmp_path)
    assert [row["run"] for row in found] == [str(paths[1]), str(paths[0]), str(paths[2])]
    assert found[0]["ended"] == "unfinished"
    assert found[2]["ended"].startswith("damaged")
    assert found[1]["test"] == "error 2.5 (1 to 4) %"
    said = command("runs", tmp_path)
    assert said.code == 0
    assert len(said.out.splitlines()) == 4
    assert "1,200" in said.out


def test_no_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        listing.runs(tmp_path / "none")
    assert listing.table(listing.runs(tmp_path)) == "no runs"
