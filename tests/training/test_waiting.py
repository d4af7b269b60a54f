"""Processes that find one another in a store with old keys, wait as long as work takes, and notice who is no more."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch.distributed as dist

from samoyed import launch
from samoyed.errors import RunError
from samoyed.training import waiting
from samoyed.training.waiting import Letters, Present, assemble


def at_once(*works: Any) -> list[Any]:
    """What each work gives, all of them at the same time in threads."""
    found: list[Any] = [None] * len(works)

    def run(i: int) -> None:
        found[i] = works[i]()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_processes_assemble_under_a_new_name_each_time() -> None:
    """In whatever order they come, and though everything that was written before is still there."""
    store = dist.HashStore()
    names = []
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        found = at_once(*(lambda rank=rank: assemble(store, rank, 3, 20) for rank in order))
        assert len({name for name, _ in found}) == 1
        assert all(present == found[0][1] for _, present in found)
        assert [one.pid for one in found[0][1]] == [os.getpid()] * 3
        names.append(found[0][0])
    assert len(set(names)) == 3


def test_who_does_not_come_is_not_waited_for_for_ever() -> None:
    with pytest.raises(RunError, match="not all 2 processes have come"):
        assemble(dist.HashStore(), 0, 2, 0.05)


def letters(store: Any, present: list[Present], rank: int, stopping: bool = False) -> Letters:
    return Letters(store, rank, present, lambda: stopping)


def test_everybody_learns_what_everybody_wrote() -> None:
    store, here = dist.HashStore(), [Present("a", os.getpid(), str(i)) for i in range(3)]
    three = [letters(store, here, rank) for rank in range(3)]
    try:
        for round_ in range(3):
            found = at_once(*(lambda one=one, round_=round_: one.gather([round_, one.rank, None]) for one in three))
            assert found == [[[round_, rank, None] for rank in range(3)]] * 3
    finally:
        at_once(*(one.close for one in three))


def test_a_process_of_this_machine_that_has_ended_is_noticed() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here = socket.gethostname()
    one = letters(dist.HashStore(), [Present(here, os.getpid(), "a"), Present(here, gone.pid, "b")], 0)
    try:
        with pytest.raises(RunError, match="process 1 has ended"):
            one.gather(None)
    finally:
        one.close()


@pytest.mark.parametrize("stopping", [False, True])
def test_a_process_elsewhere_that_shows_no_life_is_noticed(stopping: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_HURRY" if stopping else "_SILENCE", 0.2)
    one = letters(dist.HashStore(), [Present("a", 1, "a"), Present("b", 1, "b")], 0, stopping)
    try:
        with pytest.raises(RunError, match="process 1 has shown no life"):
            one.gather(None)
    finally:
        one.close()


# Which run a job has begun


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("RANK", "WORLD_SIZE", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)
    return lambda **values: [monkeypatch.setenv(name, str(value)) for name, value in values.items()]


def test_outside_torchrun_a_process_is_alone(environment: Any, tmp_path: Path) -> None:
    assert (launch.size(), launch.first(), launch.job(), launch.restarted()) == (1, True, None, False)
    launch.mark(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert launch.begun(tmp_path) is None


def test_the_first_of_several_speaks(environment: Any) -> None:
    environment(RANK=1, WORLD_SIZE=4)
    assert (launch.size(), launch.first()) == (4, False)
    environment(RANK=0)
    assert launch.first()


def test_a_job_finds_the_run_that_it_began_and_no_other(environment: Any, tmp_path: Path) -> None:
    for number in (2, 9, 10, 11):
        (tmp_path / str(number)).mkdir()
    environment(TORCHELASTIC_RUN_ID="one")
    launch.mark(tmp_path / "9")
    launch.mark(tmp_path / "10")
    environment(TORCHELASTIC_RUN_ID="two")
    launch.mark(tmp_path / "11")
    environment(TORCHELASTIC_RUN_ID="one")
    assert launch.begun(tmp_path) == tmp_path / "10"
    assert not launch.began(tmp_path / "11")
    environment(TORCHELASTIC_RUN_ID="three")
    assert launch.begun(tmp_path) is None


def test_a_job_without_a_name_is_known_while_it_restarts(environment: Any, tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    environment(TORCHELASTIC_RUN_ID="none")
    launch.mark(tmp_path / "1")
    assert launch.begun(tmp_path) is None
    environment(TORCHELASTIC_RESTART_COUNT=1)
    assert launch.begun(tmp_path) == tmp_path / "1"
    (tmp_path / "1" / "checkpoint" / "job.json").write_text(json.dumps({"job": "elsewhere 1"}))
    assert launch.begun(tmp_path) is None
