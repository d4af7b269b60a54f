"""Several processes take the steps that one takes on the same batches, and agree on everything that is decided.

Two or three gloo processes, and one, run the same cases on rows of the tasks' own samples; in float64, so that sums in another order
differ by rounding alone.
"""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from samoyed.training.world import ALONE
from tests.training.reading import close

_HELPER = Path(__file__).with_name("processes.py")
_spec = importlib.util.spec_from_file_location("samoyed_processes", _HELPER)
assert _spec is not None
assert _spec.loader is not None
of = importlib.util.module_from_spec(_spec)
sys.modules["samoyed_processes"] = of
_spec.loader.exec_module(of)


def run(size: int, work: str, folder: Path) -> Path:
    ended = of.processes(size, work, folder)
    assert [code for code, _ in ended] == [0] * size, ended
    return folder


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    for work in (of.equal, of.decided):
        work(folder, ALONE)
    return folder


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    of.stopped(folder / "from one", ALONE)
    return run(2, "two", folder)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(3, "few", tmp_path_factory.mktemp("three"))


def same(one: tuple[Any, Any], other: tuple[Any, Any], tolerance: float) -> None:
    assert close(one[0], other[0], tolerance), (one[0], other[0])
    assert one[1].keys() == other[1].keys()
    for name, tensor in one[1].items():
        assert float((tensor - other[1][name]).abs().max()) <= tolerance, name


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("name", of.CASES)
def test_two_processes_take_the_steps_of_one(name: str, rank: int, one: Path, two: Path) -> None:
    same(of.kept(one, name), of.kept(two, name, rank), 1e-10)


@pytest.mark.prove
@pytest.mark.parametrize("name", of.FEW)
def test_three_processes_take_the_steps_of_one(name: str, one: Path, three: Path) -> None:
    for rank in range(3):
        same(of.kept(one, name), of.kept(three, name, rank), 1e-10)


@pytest.mark.parametrize("name", ["mlp", "text lstm"])
def test_in_float32_they_differ_by_rounding(name: str, one: Path, two: Path) -> None:
    """Ten to twenty-four steps of Adam, which divides by small gradients: 1e-3 of the weights, which are about 0.1."""
    name = f"{name} in float32"
    same(of.kept(one, name), of.kept(two, name), 1e-3)
    alike, other = of.kept(two, name), of.kept(two, name, 1)
    assert alike[0] == other[0]
    assert all(torch.equal(tensor, other[1][key]) for key, tensor in alike[1].items())


@pytest.mark.parametrize("name", of.CASES)
def test_sharded_processes_take_the_steps_of_one(name: str, one: Path, two: Path) -> None:
    sharded = of.kept(two / "sharded", name)
    same(of.kept(one, name), sharded, 1e-10)
    assert of.kept(two / "sharded", name, 1)[0] == sharded[0]


@pytest.mark.parametrize("how", ["", "sharded"])
@pytest.mark.parametrize("stop", [4, 7])
@pytest.mark.parametrize("name", of.DRAWING)
def test_a_resumed_training_equals_the_uninterrupted_one(name: str, stop: int, how: str, two: Path) -> None:
    """Bit for bit, with dropout that every process draws for itself, in every process."""
    for rank in (0, 1):
        whole, resumed = (of.kept(two / how, f"{name}, {what}", rank) for what in ("whole", f"resumed at {stop}"))
        stopped = of.kept(two / how, f"{name}, stopped at {stop}", rank)[0]
        assert (stopped["ended"], stopped["steps"]) == ("stopped", stop + 1)  # which is agreed on with the step's loss
        assert whole[0] == resumed[0]
        assert all(torch.equal(tensor, resumed[1][key]) for key, tensor in whole[1].items())


def test_another_number_of_processes_may_go_on(one: Path, two: Path) -> None:
    """One from a checkpoint that two left, two from one's, in the middle of a text whose state is carried."""
    of.gone_on(two, ALONE)
    whole = of.kept(one, "text lstm")
    same(whole, of.kept(two, "gone on by 1"), 1e-10)
    same(whole, of.kept(two / "from one", "gone on by 2"), 1e-10)
    same(whole, of.kept(two / "from one", "gone on by 2", 1), 1e-10)


def test_a_wish_of_one_process_to_stop_is_everybodys(two: Path) -> None:
    first, second = (of.kept(two, "stop", rank)[0] for rank in (0, 1))
    assert first == second
    assert first["ended"] == "stopped"
    assert 0 < first["steps"] <= 5


def test_the_first_process_has_the_clock(two: Path) -> None:
    first, second = (of.kept(two, "clock", rank)[0] for rank in (0, 1))
    assert first == second
    assert first["ended"] == "finished"
    assert first["steps"] > 5


def test_what_one_process_finds_not_finite_takes_all_of_them_back(one: Path, two: Path) -> None:
    first, second = (of.kept(two, "spoiled", rank) for rank in (0, 1))
    assert first[0] == second[0]
    same(of.kept(one, "spoiled"), first, 1e-10)
    warned = json.loads((two / "warned.0.json").read_text())
    assert warned == json.loads((one / "warned.0.json").read_text())
    assert len(warned) == 2
    assert json.loads((two / "warned.1.json").read_text()) == []  # the first says it


@pytest.mark.parametrize(
    ("work", "mine", "others"),
    [
        ("raising", "ValueError: a mistake in one process", "RunError: another of the 2 processes has ended"),
        pytest.param(
            "hungry",
            "UsageError: memory runs out on a batch",
            "RunError: another of the 2 processes has ended",
            marks=pytest.mark.prove,
        ),
        ("differing", "DataError: photos: cannot be read", "DataError: process 1: photos: cannot be read"),
    ],
)
def test_a_process_that_fails_does_not_hang_the_others(
    work: str, mine: str, others: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTS_PATIENCE", "1000")  # which is not waited for: the processes are killed before
    (first, said), (second, told) = of.processes(2, work, tmp_path)
    assert (first, second) == (1, 1)
    assert others in said
    assert mine in told
