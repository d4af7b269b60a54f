"""Ctrl-C and SIGTERM: what was learned is measured, saved and marked as stopped, and the exit code says so.

Most signals are sent by the process to itself at a chosen instant, so that the instant is the same in every run of the test.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import samoyed
from samoyed.errors import Interrupted, RunError
from samoyed.reporting.progress import Reporter
from samoyed.training import job, prepare

Command = Callable[..., Any]
Paths = dict[str, Path]

TEXT = "text-generation"
SMALL = ["hidden_size=8", "embedding_size=4", "sequence_length=16", "batch_size=4"]
BOTH = [signal.SIGINT, signal.SIGTERM]


def send(kind: int) -> None:
    """A signal to this process, handled before this returns."""
    os.kill(os.getpid(), kind)
    time.sleep(0)


def before(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, kind: int, times: int = 1) -> list[int]:
    """Sends the signal just before the first calls of a function; returns the growing list of what was sent."""
    sent: list[int] = []
    function = getattr(where, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if len(sent) < times:
            sent.append(kind)
            send(kind)
        return function(*args, **kwargs)

    monkeypatch.setattr(where, name, wrapped)
    return sent


def check_stopped(folder: Path) -> samoyed.run.Run:  # type: ignore[name-defined]
    """The run in `folder` is whole, and says in each of its files that it was stopped."""
    run = samoyed.load(folder)
    assert json.loads((folder / "results.json").read_text("utf-8"))["ended"] == "stopped"
    assert json.loads((folder / "manifest.json").read_text("utf-8"))["ended"] == "stopped"
    page = (folder / "report.html").read_text("utf-8")
    assert '<p class="alert">This run was stopped by hand; the weights are the best until then.</p>' in page
    assert set(run.metrics) == {"train", "valid", "test"}
    assert len(run.predict("to be")["continuation"]) == 200
    return run


# A real process, as people have it


@pytest.mark.parametrize("kind", BOTH)
def test_a_stopped_process(environment: dict[str, str], raw: Paths, tmp_path: Path, kind: int) -> None:
    words = ["samoyed", "train", TEXT, str(raw[TEXT]), *SMALL, "epochs=39", "batch_size=1", "--out", "run", "--json"]
    words.remove("batch_size=4")
    process = subprocess.Popen(
        words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith("epoch   1/39"):
            break
    process.send_signal(kind)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, (lines, err)
    *said, last = err.splitlines()  # among them the line of the epoch in which it came
    assert sum(line.startswith("stopping after this step; measuring and saving what was learned") for line in said) == 1
    assert last.startswith("error: stopped after ")
    assert "run holds the best weights until then" in last
    assert json.loads(out) == {"error": last.removeprefix("error: ")}
    assert out.count("\n") == 1
    run = check_stopped(tmp_path / "run")
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert 1 <= len(steps) < 39
    assert run.config["settings"]["training"]["epochs"] == 39


# In training


@pytest.mark.parametrize("kind", BOTH)
def test_stopped_within_the_first_epoch(
    command: Command, raw: Paths, monkeypatch: pytest.MonkeyPatch, kind: int
) -> None:
    handlers = [signal.getsignal(each) for each in BOTH]
    stepped, done = Reporter.stepped, []

    def note(self: Reporter, epoch: int, step: int, of: int, loss: float) -> None:
        done.append(step)
        if step == 3:
            send(kind)
        stepped(self, epoch, step, of, loss)

    monkeypatch.setattr(Reporter, "stepped", note)
    said = command("train", TEXT, raw[TEXT], *SMALL, "--out", "run")
    assert done == [1, 2, 3]  # no step after the one in which it came
    assert said.code == 130
    assert said.out == ""
    assert said.err.count("stopping after this step") == 1
    (line,) = Path("run/metrics.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["step"] == 3
    check_stopped(Path("run"))
    assert [signal.getsignal(each) for each in BOTH] == handlers


def test_the_weights_of_a_stopped_run_are_those_of_its_steps(
    command: Command, raw: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same number of steps under the same schedule gives the same weights, stopped or not."""
    settings = [*SMALL, "schedule=constant", "warmup=0"]
    whole = command("train", TEXT, raw[TEXT], *settings, "max_steps=5", "--out", "whole")
    assert whole.code == 0
    expected = samoyed.load("whole").model.state_dict()
    stepped = Reporter.stepped

    def note(self: Reporter, epoch: int, step: int, of: int, loss: float) -> None:
        if step == 5:
            send(signal.SIGINT)
        stepped(self, epoch, step, of, loss)

    monkeypatch.setattr(Reporter, "stepped", note)
    assert command("train", TEXT, raw[TEXT], *settings, "--out", "run").code == 130
    found = samoyed.load("run").model.state_dict()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_stopped_before_the_first_step(command: Command, raw: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    before(monkeypatch, job, "_descend", signal.SIGINT)
    said = command("train", TEXT, raw[TEXT], *SMALL, "--out", "run", "--json")
    assert said.code == 130
    text = "run: stopped before anything was learned; samoyed resume run goes on from there"
    assert said.err.splitlines()[-1] == f"error: {text}"
    assert json.loads(said.out) == {"error": text}
    with pytest.raises(RunError, match="is not a finished run"):
        samoyed.load("run")


def test_python_is_told_by_an_exception(raw: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = [signal.getsignal(each) for each in BOTH]
    before(monkeypatch, Reporter, "stepped", signal.SIGTERM)
    with pytest.raises(Interrupted, match=f"stopped after .*; {tmp_path / 'run'} holds the best weights until then"):
        samoyed.train(TEXT, raw[TEXT], out=tmp_path / "run", quiet=True, hidden_size=8, embedding_size=4)
    check_stopped(tmp_path / "run")
    assert [signal.getsignal(each) for each in BOTH] == handlers


# A second Ctrl-C gives it up


def test_twice_in_training(command: Command, raw: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    before(monkeypatch, Reporter, "stepped", signal.SIGINT, times=1)
    before(monkeypatch, job, "evaluate", signal.SIGINT)
    said = command("train", TEXT, raw[TEXT], *SMALL, "--out", "run")
    assert said.code == 130
    assert said.out == ""
    assert "Traceback" not in said.err
    assert "stopping after this step" in said.err
    with pytest.raises(RunError, match="is not a finished run"):
        samoyed.load("run")


def test_what_is_given_up_says_so(command: Command, raw: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    before(monkeypatch, Reporter, "stepped", signal.SIGINT)
    before(monkeypatch, job, "evaluate", signal.SIGINT)
    said = command("train", TEXT, raw[TEXT], *SMALL, "--out", "run", "--json")
    assert said.err.splitlines()[-1].endswith("stopped")
    assert list(json.loads(said.out)) == ["error"]


# Outside training


def test_in_reading(command: Command, raw: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    before(monkeypatch, prepare, "gather", signal.SIGINT)
    said = command("train", TEXT, raw[TEXT], *SMALL)
    assert said.code == 130
    assert said.out == ""
    assert "Traceback" not in said.err
    assert not Path("runs").exists()


@pytest.mark.parametrize("words", [("tasks",), ("tasks", "--json")])
def test_anywhere_else(command: Command, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    before(monkeypatch, samoyed, "tasks", signal.SIGINT)
    said = command(*words)
    assert said.code == 130
    assert said.err == "stopped\n"
    assert said.out == "" if len(words) == 1 else list(json.loads(said.out)) == ["error"]


WHILE = """
import os, signal, sys
from samoyed import cli
from samoyed.training import job, prepare
function, sent = getattr(job, {name!r}), []
def wrapped(*args, **kwargs):
    if not sent:
        sent.append(1)
        os.kill(os.getpid(), {kind})
    return function(*args, **kwargs)
setattr(job, {name!r}, wrapped)
cli.main()
"""


@pytest.mark.parametrize(
    ("name", "kind"), [("_measure", signal.SIGINT), ("_measure", signal.SIGTERM), ("write_page", signal.SIGTERM)]
)
def test_while_a_finished_training_is_measured_and_drawn(
    environment: dict[str, str], raw: Paths, tmp_path: Path, name: str, kind: int
) -> None:
    """Everything is learned already; a first signal may end the process sooner, and must not lose that."""
    words = ["train", TEXT, raw[TEXT], *SMALL, "max_steps=3", "--out", "run"]
    said = subprocess.run(
        [sys.executable, "-c", WHILE.format(name=name, kind=int(kind)), *map(str, words)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert said.returncode in (0, 130), said
    samoyed.load(tmp_path / "run")


def test_a_model_that_is_fitted(command: Command, raw: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its fitting has no steps after which it could stop: either it is stopped at once, or nothing is promised."""
    from samoyed.models.gaussian_kernel import GaussianKernel

    before(monkeypatch, GaussianKernel, "fit", signal.SIGINT)
    said = command("train", "image-classification", raw["image-classification"], "model=gaussian_kernel")
    assert said.code == 130 or "stopping" not in said.err
    assert said.code == 130 or samoyed.load("runs/image-classification/1")
