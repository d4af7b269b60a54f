"""Pairs, quartiles, load, agreement and the counting of work, without any process."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks import load, pairs
from benchmarks.agreement import Answer, errors, relative, too_far
from benchmarks.lenet import ROWS
from benchmarks.lenet.data import pictures, weights
from benchmarks.lenet.sizes import Sizes
from benchmarks.load import Reading
from benchmarks.pairs import Measured, compare, quartiles
from benchmarks.rows import Tolerance, catalogue


def timing(seconds: float, others: float | None = 0.0) -> Measured:
    return Measured(seconds, seconds, 0.0, others)


def test_ratios_are_of_pairs_not_of_medians() -> None:
    ours, peer = [timing(1.0), timing(2.0), timing(4.0)], [timing(3.0), timing(4.0), timing(4.0)]
    found = compare(ours, peer, 0.05)
    assert found == pairs.Ratio(median=2.0, low=1.5, high=2.5, rounds=3, discarded=0)


@pytest.mark.parametrize("lost", [timing(9.0, 0.06), None])
@pytest.mark.parametrize("side", [0, 1])
def test_a_pair_with_a_loaded_or_missing_half_is_discarded(lost: Measured | None, side: int) -> None:
    both: list[list[Measured | None]] = [[timing(1.0), timing(1.0)], [timing(2.0), timing(2.0)]]
    both[side][0] = lost
    assert compare(both[0], both[1], 0.05) == pairs.Ratio(2.0, 2.0, 2.0, 1, 1)


def test_unknown_load_counts_and_no_clean_pair_is_no_ratio() -> None:
    assert compare([timing(1.0, None)], [timing(2.0, None)], 0.05) is not None
    assert compare([timing(1.0, 0.5)], [timing(2.0)], 0.05) is None
    assert compare([], [], 0.05) is None


def test_quartiles_interpolate() -> None:
    assert quartiles([4.0, 1.0, 2.0, 3.0]) == (1.75, 2.5, 3.25)
    assert quartiles([2.0]) == (2.0, 2.0, 2.0)


def test_load_of_others_is_what_we_did_not_use(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu  100 20 30 900 9 1 2 3 50 0\ncpu0 ...\n")
    for pid in ("4242", str(os.getpid())):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "stat").write_text(f"{pid} (a (b) c) S 1 1 1 0 -1 0 0 0 0 0 30 5 0 0 20 0 1 0 0\n")
    tick = os.sysconf("SC_CLK_TCK")
    found = load.read([4242], tmp_path)
    assert found.busy == pytest.approx(156 / tick)  # without idle, waiting and guests, which user time holds
    assert found.own == pytest.approx(70 / tick)


def test_load_is_unknown_without_proc(tmp_path: Path) -> None:
    found = load.read([], tmp_path)
    assert found.busy is None
    assert load.others(found, found, 2) is None


def test_load_is_a_share() -> None:
    assert load.others(Reading(0.0, 0.0, 0.0), Reading(1.0, 1.0, 1.5), 2) == 0.0
    assert load.others(Reading(0.0, 0.0, 0.0), Reading(0.001, 0.01, 0.0), 2) == 1.0


def test_waiting_for_calm_ends() -> None:
    assert load.calm([], most=1.0, patience=0.0) < 0.5
    assert load.calm([], most=-1.0, patience=0.05) < 2.0


def answer(**changed: object) -> Answer:
    return Answer(2, 0.5, np.array([3.0, 4.0]), [0.5, 0.4])._replace(**changed)  # type: ignore[arg-type]


def test_equal_answers_agree() -> None:
    found = errors(answer(), answer())
    assert found == (0.0, 0.0, 0.0)
    assert too_far(found, Tolerance()) == ""


def test_unequal_answers_are_told_apart() -> None:
    found = errors(answer(), answer(loss=0.6, gradient=np.array([3.0, 4.5]), losses=[0.5, 0.41]))
    assert found == pytest.approx((0.2, 0.1, 0.025))
    words = too_far(found, Tolerance())
    assert "loss off by 2.0e-01" in words
    assert "gradient off" in words
    assert "losses off" in words
    assert "gradient off by inf" in too_far(errors(answer(), answer(gradient=np.array([3.0, np.nan]))), Tolerance())


@pytest.mark.parametrize("changed", [{"parameters": 3}, {"gradient": np.zeros(3)}, {"losses": [0.5]}])
def test_another_network_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="where Samoyed"):
        errors(answer(), answer(**changed))


def test_relative_error_against_nothing() -> None:
    assert relative(1.0, 0.0) == float("inf")


def test_work_of_lenet_is_counted_by_hand() -> None:
    work = Sizes((1, 28, 28), 10).work(1)
    forward = 2 * (6 * 28 * 28 * 25 + 16 * 100 * 150 + 400 * 120 + 120 * 84 + 84 * 10)
    assert work.operations == 3 * forward - 2 * 6 * 28 * 28 * 25
    assert Sizes((1, 28, 28), 10).work(128).operations == 128 * work.operations


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_sizes_are_those_of_our_lenet(row: object) -> None:
    from samoyed.models.lenet import LeNet

    settings = dict(row.settings)  # type: ignore[attr-defined]
    model = LeNet(image_shape=settings["image_shape"], num_classes=settings["num_classes"])
    shapes = [tuple(p.shape) for p in model.parameters()]
    assert shapes == Sizes(settings["image_shape"], settings["num_classes"]).shapes
    assert shapes == [array.shape for array in weights(settings)]


def test_small_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="24"):
        Sizes((1, 8, 8), 10)


def test_pictures_depend_on_the_seed_alone() -> None:
    settings = {"seed": 3, "examples": 64, "num_classes": 10, "image_shape": (3, 28, 28)}
    one, two, other = pictures(settings), pictures(settings), pictures(settings | {"seed": 4})
    assert (one.images == two.images).all()
    assert not (one.images == other.images).all()
    assert one.images.dtype == np.uint8
    normal = one.normalised()
    assert normal.dtype == np.float32
    assert normal.mean((0, 2, 3)) == pytest.approx(np.zeros(3), abs=1e-4)
    assert normal.std((0, 2, 3)) == pytest.approx(np.ones(3), abs=1e-4)


def test_the_folder_is_the_catalogue() -> None:
    assert {"lenet-28", "lenet-32"} <= set(catalogue())
    for row in catalogue().values():
        assert not row.contestants[0].family
        assert all(c.family for c in row.contestants[1:])
        assert row.examples == row.settings["examples"]
