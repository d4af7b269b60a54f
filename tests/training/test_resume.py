"""A training that is stopped anywhere and gone on with equals the one that never stopped, bit for bit."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import samoyed
from samoyed.errors import DataError, RunError, UsageError
from samoyed.plan import make
from samoyed.reporting.progress import Reporter
from samoyed.training import checkpoint
from samoyed.training.prepare import prepare

CASES = {
    "images": ("image-classification", "mlp", {"epochs": 3, "dropout": 0.3, "batch_size": 100, "batch_norm": True}),
    "images by sgd": ("image-classification", "lenet", {"epochs": 3, "dropout": 0.3, "optimizer": "sgd", "accumulate": 3}),
    "images deformed": (
        "image-classification", "lenet",
        {"epochs": 3, "batch_size": 100, "accumulate": 3, "augment": ("strong", "elastic", "random_flip", "mixup")},
    ),
    "text": (
        "text-generation", "lstm",
        {"epochs": 2, "dropout": 0.3, "hidden_size": 16, "num_layers": 2, "embedding_size": 8, "max_steps": 30, "batch_size": 8, "sequence_length": 32},
    ),
    "weights averaged": (
        "image-classification", "mlp", {"epochs": 3, "batch_size": 100, "average": 0.6, "optimizer": "sgd", "momentum": 0.0},
    ),
    "series": ("time-series-forecasting", "gru", {"epochs": 6, "dropout": 0.2, "hidden_size": 8, "patience": 3}),
}  # fmt: skip


class Crash(BaseException):
    """A kill, as far as the training can tell."""


class Watcher:
    """Keeps a snapshot on the disk every few steps, and crashes after a step."""

    def __init__(self, folder=None, crash_after=None, every=4):
        self.folder, self.crash_after, self.every, self.steps, self.warned = folder, crash_after, every, 0, []

    def stepped(self, epoch, done, of, loss):
        if self.crash_after is not None and self.steps >= self.crash_after:
            raise Crash
        self.steps += 1

    def passed(self, epoch, left):
        pass

    def stopping(self):
        return False

    def due(self, epoch=False):
        return self.folder is not None and (epoch or self.steps % self.every == 0)

    def save(self, snapshot):
        checkpoint.write(self.folder, snapshot)

    def warn(self, text):
        self.warned.append(text)


def job_of(task, model, settings):
    return prepare(make(task, None, model, None, settings), Reporter(quiet=True))


def session_of(case, watcher):
    task, model, settings = CASES[case]
    job = job_of(task, model, settings)
    if task == "text-generation":  # a slice of the sample, so that epochs are short
        job.data = {name: rows._replace(tokens=rows.tokens[:, :4000]) for name, rows in job.data.items()}
    return job.trainer.session(job.task, job.model, job.data["train"], job.data["valid"], watcher)


def digest(session):
    """Of weights, best weights, optimiser, random generators, and every epoch but its timing."""
    state = session.snapshot()
    for moment in ("elapsed", "epochs"):
        state.facts.pop(moment)
    found = hashlib.sha256(json.dumps(state.facts, sort_keys=True).encode())
    for group in (state.model, state.best, state.optimizer, state.other):
        for name in sorted(group):
            found.update(name.encode() + group[name].numpy().tobytes())
    timing = {"seconds", "step_ms", "per_second"}
    for epoch in session.result.epochs:
        found.update(repr([value for key, value in epoch._asdict().items() if key not in timing]).encode())
    return found.hexdigest()


@pytest.mark.parametrize("case", CASES)
def test_a_resumed_session_equals_the_uninterrupted_one(case, tmp_path):
    whole = session_of(case, Watcher())
    whole.run()
    wanted, steps = digest(whole), whole.descent.steps
    for crash_after in sorted({5, 6, 7, 10, steps // 2, steps - 1} & set(range(5, steps))):
        folder = tmp_path / str(crash_after)
        broken = session_of(case, Watcher(folder, crash_after, every=3))
        with pytest.raises(Crash):
            broken.run()
        start, problems = checkpoint.read(folder)
        assert start is not None
        assert not problems
        torch.manual_seed(12345)  # nothing of the old process is left
        resumed = session_of(case, Watcher(folder, None, every=3))
        resumed.restore(start)
        assert 0 < resumed.descent.steps <= broken.descent.steps
        resumed.run()
        assert digest(resumed) == wanted, crash_after


def samoyed_command(*words, cwd, wait=True):
    command = [sys.executable, "-m", "samoyed", *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(samoyed.__file__).parents[1])}
    if wait:
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def lines_of(run):
    timing = ("seconds", "step_ms", "per_second")
    return [
        {key: value for key, value in json.loads(line).items() if key not in timing}
        for line in (run / "metrics.jsonl").read_text().splitlines()
    ]


def interrupted(words, cwd, run, kind, after):
    """Starts a training, waits for its `after`th checkpoint, and sends it a signal."""
    process = samoyed_command(*words, "--out", run, "checkpoint_every=0.03", cwd=cwd, wait=False)
    seen = set()
    while len(seen) < after and process.poll() is None:
        seen |= {p.name for p in (run / "checkpoint").glob("0*")} if (run / "checkpoint").is_dir() else set()
        time.sleep(0.002)
    process.send_signal(kind)
    _, said = process.communicate(timeout=300)
    return process.returncode, said


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (signal.SIGKILL, -9),
        pytest.param(signal.SIGTERM, 130, marks=pytest.mark.prove),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.prove),
    ],
)
def test_a_run_that_was_stopped_by_a_signal_ends_as_if_it_had_not_been(kind, status, in_memory):
    words = ("train", "image-classification", "model=mlp", "epochs=6", "hidden_sizes=64", "batch_size=64")
    whole, run = in_memory / "whole", in_memory / "run"
    assert samoyed_command(*words, "checkpoint_every=0.03", "--out", whole, cwd=in_memory).returncode == 0
    returned, said = interrupted(words, in_memory, run, kind, after=3)
    assert returned == status, said
    if status == 130:
        assert f"samoyed resume {run}" in said
    done = samoyed_command("resume", run, "--json", cwd=in_memory)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"] == str(run)
    assert (run / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert (run / "last.safetensors").read_bytes() == (whole / "last.safetensors").read_bytes()
    assert lines_of(run) == lines_of(whole)
    assert [line["epoch"] for line in lines_of(run)] == list(range(1, 7))
    assert not (run / "checkpoint").exists()
    assert samoyed.load(run).metrics == samoyed.load(whole).metrics


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A run that was killed after a few checkpoints."""
    folder = tmp_path_factory.mktemp("killed")
    words = ("train", "image-classification", "model=mlp", "epochs=60", "hidden_sizes=64")
    interrupted(words, folder, folder / "run", signal.SIGKILL, after=4)
    assert list((folder / "run" / "checkpoint").glob("0*"))
    return folder / "run"


def copied(killed, tmp_path):
    import shutil

    return Path(shutil.copytree(killed, tmp_path / "run"))


def test_a_damaged_checkpoint_is_noticed_and_the_one_before_is_used(killed, tmp_path):
    run = copied(killed, tmp_path)
    found = sorted((run / "checkpoint").glob("0*"))
    if len(found) < 2:
        pytest.skip("it was killed between two removals")
    before, newest = found[-2:]
    data = bytearray((newest / "optimizer.safetensors").read_bytes())
    data[len(data) // 2] ^= 1
    (newest / "optimizer.safetensors").write_bytes(data)
    start, problems = checkpoint.read(run)
    assert start is not None
    assert start.facts["steps"] == int(before.name)
    assert len(problems) == 1
    assert "optimizer.safetensors" in problems[0]


def test_a_changed_configuration_is_refused(killed, tmp_path):
    run = copied(killed, tmp_path)
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("epochs: 60", "epochs: 61"))
    with pytest.raises(RunError, match="was changed"):
        samoyed.resume(run, quiet=True)


def test_other_data_are_refused(tmp_path):
    series = tmp_path / "series.csv"
    series.write_text(
        "month,value\n" + "\n".join(f"{1990 + i // 12}-{i % 12 + 1:02},{i % 12 + 10}" for i in range(160))
    )
    words = ("train", "time-series-forecasting", series, "epochs=400", "patience=none", "hidden_size=4")
    interrupted(words, tmp_path, tmp_path / "run", signal.SIGKILL, after=2)
    series.write_text(series.read_text().replace(",12\n", ",13\n"))
    with pytest.raises(DataError, match="not the data"):
        samoyed.resume(tmp_path / "run", quiet=True)


def test_what_is_no_run_cannot_be_resumed_and_a_finished_one_is_returned(tmp_path):
    with pytest.raises(RunError, match="there is no such run"):
        samoyed.resume(tmp_path / "nothing", quiet=True)
    run = samoyed.train("image-classification", model="linear", epochs=1, out=tmp_path / "run", quiet=True)
    before = (run.path / "manifest.json").read_bytes()
    assert samoyed.resume(tmp_path / "run", quiet=True).metrics == run.metrics
    assert (run.path / "manifest.json").read_bytes() == before


def test_train_with_resume_begins_goes_on_and_refuses_other_settings(killed, tmp_path):
    out = tmp_path / "run"
    first = samoyed.train("image-classification", model="linear", epochs=2, out=out, quiet=True, resume=True)
    again = samoyed.train("image-classification", model="linear", epochs=2, out=out, quiet=True, resume=True)
    assert again.metrics == first.metrics
    with pytest.raises(UsageError, match="other settings"):
        samoyed.train("image-classification", model="linear", epochs=3, out=out, quiet=True, resume=True)
    with pytest.raises(UsageError, match="is there already"):
        samoyed.train("image-classification", model="linear", epochs=2, out=out, quiet=True)


def test_nothing_of_a_kill_during_a_save_stays(tmp_path):
    run = tmp_path / "run"
    (run / "checkpoint" / ".tmp-12-99").mkdir(parents=True)
    (run / "checkpoint" / ".tmp-12-99" / "model.safetensors").write_bytes(b"half")
    (run / ".results.json.abc.tmp").write_bytes(b"half")
    checkpoint.clean(run)
    assert [p.name for p in run.rglob("*")] == ["checkpoint"]
