"""Choosing how steps are computed: nothing that is wrong, fails or gains too little is taken, and nothing else changes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from samoyed.plan import make
from samoyed.reporting.progress import Reporter
from samoyed.training import execution
from samoyed.training.execution import PLAIN, Execution, Rounds, candidates, choose
from samoyed.training.prepare import prepare
from samoyed.training.progress import Silent


def session_of(task: str = "image-classification", **settings: Any) -> Any:
    job = prepare(make(task, None, settings.pop("model", None), None, settings), Reporter(quiet=True))
    return job.trainer.session(job.task, job.model, job.data["train"], job.data["valid"], Silent())


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes every training worth a choice, among these candidates, with these gains over plain."""

    def set_up(gains: dict[Execution, float], busy: bool = False) -> None:
        monkeypatch.setattr(execution, "_WORTH", 0.0)
        monkeypatch.setattr(execution, "_busy", lambda: busy)
        monkeypatch.setattr(execution, "candidates", lambda *facts: list(gains))
        real = Rounds.of

        def of(self: Rounds, way: Execution) -> Any:
            steps = real(self, way)
            return lambda: (1.0 / gains.get(way, 1.0), steps()[1])

        monkeypatch.setattr(Rounds, "of", of)

    return set_up


THREAD, LAST = Execution(threads=1), Execution(channels_last=True)


@pytest.mark.parametrize(
    ("gains", "wanted"),
    [
        ({THREAD: 1.5, LAST: 1.2}, THREAD),
        ({THREAD: 1.2, LAST: 1.5}, LAST),
        ({THREAD: 1.04, LAST: 0.5}, PLAIN),
        ({}, PLAIN),
    ],
)
def test_the_fastest_is_taken_if_it_gains(timed: Any, gains: dict[Execution, float], wanted: Execution) -> None:
    timed(gains)
    said: list[str] = []
    session = session_of(model="lenet")
    assert choose(session, said.append) == wanted
    assert len(said) == 1
    assert said[0].startswith(str(wanted))
    assert "execution=plain turns this off" in said[0]
    said.clear()
    assert choose(session, said.append) == wanted
    assert said == [f"{wanted}, as found before for this model and machine"]


def test_what_is_chosen_beside_other_work_is_not_remembered(timed: Any) -> None:
    timed({THREAD: 2.0}, busy=True)
    said: list[str] = []
    for _ in range(2):
        assert choose(session_of(model="linear"), said.append) == THREAD
    assert all("times as fast" in line for line in said)


def test_nothing_is_compiled_beside_other_work(timed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[list[Execution]] = []
    monkeypatch.setattr(Rounds, "run", lambda self, found, seconds: tried.append(found) or {})
    for busy in (True, False):
        timed({THREAD: 1.0, Execution(compiled=True): 2.0}, busy=busy)
        choose(session_of(model="linear"), lambda line: None)
    assert [any(one.compiled for one in found) for found in tried] == [False, True]


def test_other_losses_are_not_taken_however_fast(timed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    timed({THREAD: 9.0})
    real = Rounds.of

    def of(self: Rounds, way: Execution) -> Any:
        steps = real(self, way)
        return steps if way == PLAIN else lambda: (0.001, [loss * 1.01 for loss in steps()[1]])

    monkeypatch.setattr(Rounds, "of", of)
    assert choose(session_of(model="linear"), lambda line: None) == PLAIN


def test_a_backend_that_fails_leaves_plain(timed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    timed({LAST: 3.0})
    real = Rounds.of

    def of(self: Rounds, way: Execution) -> Any:
        if way != PLAIN:
            raise RuntimeError("no such layout here")
        return real(self, way)

    monkeypatch.setattr(Rounds, "of", of)
    session = session_of(model="linear")
    assert choose(session, lambda line: None) == PLAIN
    assert session.watcher.warned == ["the execution channels_last fails here (RuntimeError), and is not used"]


def test_choosing_changes_nothing_of_the_training(timed: Any) -> None:
    timed({THREAD: 1.0, LAST: 1.0})
    results = []
    for chooses in (False, True):
        session = session_of(model="lenet", epochs=2, max_steps=20, dropout=0.3)
        if chooses:
            choose(session, lambda line: None)
        session.run()
        results.append(session.result)
    assert all(torch.equal(results[0].last[name], results[1].last[name]) for name in results[0].last)
    assert [epoch.loss for epoch in results[0].epochs] == [epoch.loss for epoch in results[1].epochs]


def test_short_trainings_are_plain() -> None:
    said: list[str] = []
    assert choose(session_of(model="linear", epochs=1), said.append) == PLAIN
    assert said == []


@pytest.mark.parametrize("way", [LAST, THREAD, Execution("bfloat16"), Execution("bfloat16", True, 1)])
def test_a_way_is_left_as_it_was_entered(way: Execution) -> None:
    session = session_of(model="lenet", epochs=1, max_steps=3)
    layouts = {name: p.is_contiguous() for name, p in session.model.named_parameters()}
    threads = torch.get_num_threads()
    session.execution = way
    trained = session.run()
    assert trained.ended == "finished"
    assert torch.get_num_threads() == threads
    assert {name: p.is_contiguous() for name, p in session.model.named_parameters()} == layouts
    assert all(tensor.dtype == torch.float32 for tensor in trained.best.values() if tensor.is_floating_point())


@pytest.mark.parametrize(("way", "tolerance"), [(LAST, 1e-3), (THREAD, 1e-3), (Execution("bfloat16", True), 3e-2)])
def test_every_way_learns_the_same(way: Execution, tolerance: float) -> None:
    losses = []
    for each in (PLAIN, way):
        session = session_of(model="lenet", epochs=3)
        session.execution = each
        losses.append([epoch.loss for epoch in session.run().epochs])
    assert losses[1] == pytest.approx(losses[0], rel=tolerance)


def test_candidates_fit_the_model_and_the_time() -> None:
    lenet, linear = (session_of(model=name).model for name in ("lenet", "linear"))
    cpu = torch.device("cpu")
    assert any(way.channels_last for way in candidates(lenet, cpu, 100.0))
    assert not any(way.channels_last for way in candidates(linear, cpu, 100.0))
    assert not any(way.compiled for way in candidates(lenet, cpu, 100.0))
    assert all(way != PLAIN for way in candidates(linear, cpu, 1e6))
    assert str(Execution("bfloat16", True, 2, True)) == "bfloat16 + channels_last + compiled + 2 threads"
    assert str(PLAIN) == "plain"


def test_graphs_are_for_gpus_and_for_models_that_carry_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "_has_bfloat16", lambda device: True)
    lenet, cuda, cpu = session_of(model="lenet").model, torch.device("cuda"), torch.device("cpu")
    captured = Execution("bfloat16", True, 0, True, True)
    assert captured in candidates(lenet, cuda, 1e6)
    assert str(captured) == "bfloat16 + channels_last + compiled + CUDA graphs"
    assert captured not in candidates(lenet, cuda, 1e6, carries=True)
    assert captured not in candidates(lenet, cuda, 10.0)
    assert captured not in candidates(lenet, cpu, 1e6)


def test_a_way_that_fails_later_gives_way_to_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"model": "lenet", "epochs": 3, "dropout": 0.3}
    wanted = session_of(**settings).run()
    session = session_of(**settings)
    session.execution = THREAD._replace(threads=torch.get_num_threads())  # the same numbers, and not the plain one
    update, calls = session.task.update, []

    def failing(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 30:  # in the second epoch
            raise RuntimeError("the backend has lost its way\nat line 1")
        return update(*arguments)

    monkeypatch.setattr(session.task, "update", failing)
    trained = session.run()
    assert session.execution == PLAIN
    assert len(session.watcher.warned) == 1
    assert "failed (the backend has lost its way): back to the beginning of epoch 2" in session.watcher.warned[0]
    assert [epoch.loss for epoch in trained.epochs] == [epoch.loss for epoch in wanted.epochs]
    assert all(torch.equal(trained.last[name], wanted.last[name]) for name in wanted.last)


def test_plain_has_nothing_to_give_way_to(monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_of(model="lenet", epochs=1)

    def failing(*arguments: Any) -> Any:
        raise RuntimeError("a bug of one's own")

    monkeypatch.setattr(session.task, "update", failing)
    with pytest.raises(RuntimeError, match="a bug of one's own"):
        session.run()
