"""Each small recipe runs, what it expects holds, its picture is one; and a recipe whose cause is taken away fails."""

import ast
import importlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from samoyed.recipes import _small, family_trees, long_memory
from samoyed.recipes.outcome import Outcome

RECIPES = (
    "backpropagation",
    "batch_norm_rates",
    "dropout_scaling",
    "kernel_distance",
    "perceptron",
    "pooling",
    "relu_depth",
    "sgd_against_full",
    "through_time",
    "warping",
)


@pytest.fixture(autouse=True)
def _one_thread():
    """Small matrices run fastest on one thread, and the other cores are somebody else's."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def check_picture(path: Path) -> None:
    assert path.is_file()
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert 900 <= image.width <= 2400
        assert 400 <= image.height <= 1600
        pixels = np.asarray(image.convert("L"))
    assert 0.005 < (pixels < 200).mean() < 0.9  # ink, and paper


_LONG = ("batch_norm_rates", "dropout_scaling", "pooling", "relu_depth", "sgd_against_full")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.prove if name in _LONG else ()) for name in RECIPES]
)
def test_recipe_holds(name: str, tmp_path: Path) -> None:
    recipe = importlib.import_module(f"samoyed.recipes.{name}")
    state, said = torch.get_rng_state(), []
    outcome = recipe.run(tmp_path, said.append)
    assert isinstance(outcome, Outcome)
    assert outcome.holds is True, outcome.sentence
    assert said
    json.dumps(outcome.measured, allow_nan=False)
    assert all(type(value) is float for value in outcome.measured.values())
    assert outcome.pictures == (tmp_path / f"{name}.png",)
    check_picture(outcome.pictures[0])
    assert torch.equal(torch.get_rng_state(), state), "a recipe must leave torch's generator as it found it"


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_says_what_it_expects_without_being_imported(name: str) -> None:
    tree = ast.parse(Path(_small.__file__).with_name(f"{name}.py").read_text("utf-8"))
    literals = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    assert "\n" not in literals["expected"]
    assert type(literals["seconds"]) is int
    assert len((ast.get_docstring(tree) or "").splitlines()[0]) < 90


def test_recipe_gives_the_same_numbers_again(tmp_path: Path) -> None:
    recipe = importlib.import_module("samoyed.recipes.perceptron")
    first, second = (recipe.run(tmp_path, lambda line: None) for _ in range(2))
    assert first.measured == second.measured


def test_perceptron_fails_when_xor_is_separable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = importlib.import_module("samoyed.recipes.perceptron")
    monkeypatch.setitem(recipe.TARGETS, "XOR", recipe.TARGETS["OR"])
    assert recipe.run(tmp_path, lambda line: None).holds is False


def test_backpropagation_fails_with_a_wrong_slope(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = importlib.import_module("samoyed.recipes.backpropagation")
    f, slope = recipe.ACTIVATIONS["tanh"]
    monkeypatch.setitem(recipe.ACTIVATIONS, "tanh", (f, lambda z: slope(z) * (1 + 1e-8)))
    assert recipe.run(tmp_path, lambda line: None).holds is False


def test_pooling_fails_when_the_maximum_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = importlib.import_module("samoyed.recipes.pooling")
    monkeypatch.setitem(recipe.POOLS, "max", recipe.POOLS["none"])
    monkeypatch.setattr(recipe, "STARTS", 1)
    monkeypatch.setattr(recipe, "STEPS", 60)
    assert recipe.run(tmp_path, lambda line: None).holds is False


def test_capsule_poses_fail_without_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = importlib.import_module("samoyed.recipes.capsule_poses")
    small = {"maps": 8, "capsules": 2, "max_steps": 2, "quiet": True}
    monkeypatch.setattr(recipe, "SETTINGS", recipe.SETTINGS | small)
    outcome = recipe.run(tmp_path, lambda line: None)
    assert outcome.holds is False
    assert outcome.measured["variance_kept"] < 0.5
    check_picture(outcome.pictures[0])


def test_a_turned_number_is_the_only_one_that_moves(tmp_path: Path) -> None:
    recipe = importlib.import_module("samoyed.recipes.capsule_poses")
    seen = []

    class Decoder:
        def draw(self, poses: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
            seen.append((poses, classes))
            return poses[:, :1, :1, None]

    pose = torch.randn(1, 3, 4)
    assert recipe.turn(Decoder(), pose, torch.tensor([2])).shape == (4, recipe.TURNS, 1, 1, 1)
    moved = (seen[0][0] - pose).view(4, recipe.TURNS, 3, 4)
    for number in range(4):
        assert torch.allclose(moved[number, :, 2, number], torch.linspace(-0.25, 0.25, recipe.TURNS), atol=1e-6)
    assert (moved.abs() > 1e-6).sum() == 4 * (recipe.TURNS - 1)
    assert (seen[0][1] == 2).all()


def test_warping_fails_without_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = importlib.import_module("samoyed.recipes.warping")
    train = recipe.train
    monkeypatch.setattr(recipe, "train", lambda sizes, starts, steps, penalty=0.0: train(sizes, 1, 2, penalty))
    assert recipe.run(tmp_path, lambda line: None).holds is False


def test_warping_draws_into_a_folder_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = importlib.import_module("samoyed.recipes.warping")
    network = recipe.network()
    monkeypatch.setattr(recipe, "network", lambda: network)
    assert recipe.draw(tmp_path) == tmp_path / "warping.png"
    assert recipe.draw(tmp_path / "mine.png") == tmp_path / "mine.png"
    check_picture(tmp_path / "mine.png")


@pytest.mark.parametrize("norm", [False, True])
def test_crowd_learns_as_torch_networks_do(norm: bool) -> None:
    """A model of a crowd equals an nn.Sequential trained by torch.optim.SGD from its weights on its batches."""
    rates, data = (0.05, 0.3), _small.digits()
    x, y = data.x[:120], data.y[:120]
    with _small.seeded(3):
        crowd = _small.Crowd([64, 12, 10], [1.0, 2.0], torch.tanh, norm)
    models = []
    for m in range(2):
        layers = [nn.Linear(64, 12), *([nn.BatchNorm1d(12)] * norm), nn.Tanh(), nn.Linear(12, 10)]
        with torch.no_grad():
            for linear, weight in zip((layers[0], layers[-1]), crowd.weights, strict=True):
                linear.weight.copy_(weight[m].T)
                linear.bias.zero_()
        models.append(nn.Sequential(*layers))
    with _small.seeded(4):
        losses = torch.stack(list(crowd.descend(x, y, rates=rates, steps=9, batch=40, momentum=0.9)))
    with _small.seeded(4):
        batches = [b for _ in range(3) for b in torch.randperm(120).split(40)]
    for m, model in enumerate(models):
        optimiser = torch.optim.SGD(model.parameters(), lr=rates[m], momentum=0.9)
        for step, batch in enumerate(batches):
            loss = F.cross_entropy(model(x[batch]), y[batch])
            assert losses[step, m].item() == pytest.approx(loss.item(), rel=1e-4)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert torch.allclose(crowd.only(m)(x)[0], model(x), rtol=1e-3, atol=1e-4)


def test_steps_until_finds_the_first_low_window() -> None:
    falling = torch.tensor([4.0, 2.0, 1.0, 0.5, 0.25])
    never = torch.tensor([1.0, math.nan, math.nan, math.nan, math.nan])
    assert _small.steps_until(torch.stack([falling, never], 1), level=1.0, window=2).tolist() == [4.0, math.inf]


def test_digits_are_split_without_overlap() -> None:
    data = _small.digits()
    assert (len(data.x), len(data.test_x)) == (1347, 450)
    assert data.x.mean(0).abs().max() < 1e-6
    both = torch.cat([data.x, data.test_x])
    assert len(both.unique(dim=0)) == 1797


@pytest.mark.parametrize("kind", long_memory.KINDS)
def test_adders_add_what_lies_near(kind: str) -> None:
    found = long_memory.learn(kind, 0.01, time_=4, units=24, steps=400)
    assert found.error < 0.02
    assert found.errors[:20].mean() > 0.1


def test_an_identity_at_the_start_carries_a_number_through() -> None:
    reach = {}
    for kind in ("tanh", "irnn"):
        with _small.seeded(0):
            net = long_memory.Adder(kind, 32)
            x, _ = _small.adding(60, 8)
        x.requires_grad_()
        (slope,) = torch.autograd.grad(net(x).sum(), x)
        norms = slope.norm(dim=(0, 2))
        reach[kind] = float(norms[0] / norms[-1])
    assert reach["irnn"] > 0.1
    assert reach["tanh"] < 1e-6


def test_the_family_trees_are_hintons() -> None:
    known = family_trees.facts()
    assert len(known.person) == 104
    assert torch.equal(known.relation[:52], known.relation[52:])  # the two trees have one form
    assert torch.equal(known.answers[:52, :12], known.answers[52:, 12:])
    assert not known.answers[:52, 12:].any()
    said = {
        (family_trees.ENGLISH[p], family_trees.RELATIONS[r]): {
            family_trees.ENGLISH[i] for i in a.nonzero()[:, 0].tolist()
        }
        for p, r, a in zip(known.person[:52].tolist(), known.relation[:52].tolist(), known.answers[:52], strict=True)
    }
    assert said["Colin", "aunt"] == {"Jennifer", "Margaret"}
    assert said["Charlotte", "father"] == {"James"}
    assert said["Christopher", "daughter"] == {"Victoria"}
    assert said["Jennifer", "nephew"] == {"Colin"}


def test_family_trees_are_learned_by_heart_first() -> None:
    _, held, right = family_trees.learn(lambda _: None, trials=3, sweeps=1500)
    told = right.scatter(1, held, True)
    assert float(told.float().mean()) > 0.8
