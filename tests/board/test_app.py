"""What the board says of runs that have ended, are in progress, are silent or damaged; and what it refuses."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

import samoyed
from samoyed.board.app import application
from samoyed.board.watching import Watching
from samoyed.errors import DataError

from .conftest import line  # type: ignore[import-not-found]


def by_name(shown: Any) -> dict[str, dict[str, Any]]:
    return {run["run"]: run for run in shown.client.get("/runs.json").json()["runs"]}


def test_finished_runs_are_told_as_they_were_measured(shown: Any, finished: Path) -> None:
    found = by_name(shown)["image-classification/2"]
    run = samoyed.load(finished / "image-classification" / "2")
    error = run.metrics["test"]["error"]
    assert found["figure"] == {"name": "error", **{k: error[k] for k in ("value", "low", "high", "unit")}}
    assert (found["state"], found["model"], found["done"], found["watch"]) == ("finished", "mlp", 2, "error")
    whole = shown.client.get("/run.json", params={"name": "image-classification/2"}).json()
    assert whole["command"] == run.config["command"]
    assert whole["settings"]["hidden_sizes"] == "512,256"
    assert [e["epoch"] for e in whole["epochs"]] == [1, 2]
    assert whole["units"] == {"error": "%", "loss": "nats"}


def test_a_run_in_progress_is_followed(shown: Any, live: Path) -> None:
    assert by_name(shown)["live"]["state"] == "in progress"
    assert by_name(shown)["live"]["last"] == {"loss": 2.0, "valid": {"error": 30.0, "loss": 2.0}}
    with (live / "metrics.jsonl").open("a") as log:
        log.write(line(2, 1.5) + line(3, 1.2)[:40])  # the last is being written
    more = shown.client.get("/run.json", params={"name": "live", "begin": 1}).json()
    assert more["count"] == 2
    assert [e["loss"] for e in more["epochs"]] == [1.5]
    with (live / "metrics.jsonl").open("a") as log:
        log.write(line(3, 1.2)[40:])
    assert by_name(shown)["live"]["done"] == 3


def test_a_run_without_a_sign_is_silent(shown: Any, live: Path) -> None:
    past = time.time() - 4000
    for file in live.iterdir():
        os.utime(file, (past, past))
    found = by_name(shown)["live"]
    assert found["state"] == "silent"
    assert found["silent"] == pytest.approx(4000, abs=30)


@pytest.mark.parametrize("text", ["", "[", "task: [1", "a: &a [*a, *a]", "- 1", "task: x\nmodel: y\nsettings: 3\n"])
def test_damaged_runs_are_listed(shown: Any, root: Path, text: str) -> None:
    (root / "broken").mkdir()
    (root / "broken" / "config.yaml").write_text(text)
    (root / "broken" / "results.json").write_text('{"metrics": {"test": {"error": {"value": NaN}}}}')
    assert by_name(shown)["broken"]["state"].startswith("damaged")
    assert shown.client.get("/run.json", params={"name": "broken"}).status_code == 200


def test_a_report_is_shown(shown: Any, finished: Path) -> None:
    said = shown.client.get("/report", params={"name": "image-classification/1"})
    assert said.text == (finished / "image-classification" / "1" / "report.html").read_text("utf-8")


def test_a_report_outside_of_the_folder_is_not_given(root: Path, shown: Any, live: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.html").write_text("secret")
    (live / "report.html").symlink_to(tmp_path / "secret.html")
    assert shown.client.get("/report", params={"name": "live"}).status_code == 404


def test_reports_are_given_without_any_right(root: Path, shown: Any, live: Path) -> None:
    (live / "report.html").write_text("<h1>A report</h1><script>alert(1)</script>")
    said = shown.client.get("/report", params={"name": "live"})
    assert said.text.startswith("<h1>A report</h1>")
    policy = said.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script" not in policy
    assert len(said.headers.get_list("content-security-policy")) == 1


@pytest.mark.parametrize("name", ["..", "/etc", "live/../..", "live/../live", "", "none", "live\0", "a" * 5000])
def test_no_name_is_a_path(shown: Any, live: Path, name: str) -> None:
    for path in ("/report", "/run.json"):
        assert shown.client.get(path, params={"name": name}).status_code == 404
    assert shown.client.post("/compare", json={"runs": [name, "live"]}).status_code == 404


def test_runs_are_compared(root: Path, shown: Any) -> None:
    said = shown.client.post("/compare", json={"runs": ["image-classification/1", "image-classification/2"]})
    assert said.status_code == 200, said.text
    page = shown.client.get("/" + said.json()["page"])
    assert "2 runs of image classification" in page.text
    assert shown.client.get("/compared", params={"number": "99"}).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [({"runs": ["image-classification/1"]}, 422), ({"runs": []}, 422), ({"runs": 3}, 400), ([], 400), ({}, 400),
     ({"runs": ["image-classification/1"] * 17}, 400), ({"runs": [["x"]]}, 404)],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(shown: Any, body: Any, status: int) -> None:
    said = shown.client.post("/compare", json=body)
    assert said.status_code == status
    assert said.json()["error"]


def test_other_sites_may_not_ask(shown: Any) -> None:
    assert shown.client.get("/runs.json", headers={"host": "evil.example"}).status_code == 403
    assert shown.client.post("/compare", json={}, headers={"origin": "http://evil.example"}).status_code == 403
    assert shown.client.put("/runs.json").status_code == 405
    assert shown.client.get("/nothing").json()["error"] == "not found"
    assert shown.client.post("/compare", content=b"x" * 100_000).status_code == 413


def test_files_are_read_again_only_when_they_change(root: Path, live: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from samoyed import history

    read: list[Path] = []
    whole = history.epochs
    monkeypatch.setattr(history, "epochs", lambda path: read.append(path) or whole(path))  # type: ignore[func-returns-value]
    watching = Watching(root)
    watching.runs()
    assert live in read
    read.clear()
    watching.runs()
    assert read == []
    with (live / "metrics.jsonl").open("a") as log:
        log.write(line(2, 1.5))
    watching.runs()
    assert read == [live]


def test_a_folder_that_is_not_there_is_said(tmp_path: Path, command: Any) -> None:
    with pytest.raises(DataError, match="there is no such folder"):
        application(tmp_path / "none")
    said = command("board", tmp_path / "none")
    assert said.code == 1
    assert "there is no such folder" in said.err
