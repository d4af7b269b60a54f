"""What is searched follows from signatures: types, defaults, and what the user gave."""

import ast
from typing import Any

import pytest

from samoyed import catalog, settings
from samoyed.errors import UsageError
from samoyed.tuning import space
from samoyed.tuning.front import checked


def ranged(kind: str, default: Any) -> space.Range | None:
    return space.ranged("x", ast.parse(kind, mode="eval").body, default)


@pytest.mark.parametrize(
    ("kind", "default", "shown"),
    [
        ("Count", 128, "32 to 512"), ("Count", 2, "1 to 4"), ("Share", 0.2, "0 to 0.6"), ("Share", 0.8, "0 to 0.95"),
        ("Positive", 2.0, "0.5 to 8"), ("bool", False, "False, True"), ("Literal['a', 'b']", "a", "a, b"),
        ("Literal[18, 34, 50, 20]", 20, "18, 20, 34"), ("tuple[Count, ...]", (64, 32), "32,16, 64,32, 128,64"),
    ],
)  # fmt: skip
def test_a_type_and_a_default_give_a_range(kind: str, default: Any, shown: str) -> None:
    assert str(ranged(kind, default)) == shown


@pytest.mark.parametrize(
    ("kind", "default"),
    [("Count | None", None), ("str", "x"), ("NonNegative", 0.0), ("Literal[3]", 3), ("tuple[Count, ...]", (3, 4)), ("Whole", 2)],
)  # fmt: skip
def test_what_says_too_little_is_not_searched(kind: str, default: Any) -> None:
    assert ranged(kind, default) is None


@pytest.mark.parametrize("name", catalog.tasks())
def test_every_value_of_every_models_ranges_is_allowed(name: str) -> None:
    """The ends of each range pass the same check as what a user types, and the default lies inside."""
    form = catalog.task(name)
    for model in catalog.models_for(form).values():
        settled = catalog.settle(form, model, {})
        own = {**model.settings, **catalog.trainer().settings}
        for one in space.of(model, settled, {}, True):
            ends = one.choices or tuple(int(e) if one.whole else e for e in (one.low, one.high))
            for end in ends:
                settings.check(one.name, own[one.name].annotation, end)


def test_what_is_given_is_not_searched() -> None:
    _, models, ranges, seconds = checked(
        "image-classification", None, {"model": "mlp,lenet", "dropout": "0..0.3", "epochs": "3"}, "1h30min"
    )
    assert models == ["mlp", "lenet"]
    assert (str(ranges[0]), ranges[0].whole, ranges[0].logarithmic) == ("0 to 0.3", False, False)
    assert seconds == 5400
    form = catalog.task("image-classification")
    model = catalog.model(form, "mlp")
    names = {r.name for r in space.of(model, catalog.settle(form, model, {}), {"dropout": 0, "batch_size": 9}, True)}
    assert names == {"hidden_sizes", "activation", "batch_norm", "learning_rate", "weight_decay"}
    assert not {r.name for r in space.of(model, catalog.settle(form, model, {}), {}, False)} & {"learning_rate"}


@pytest.mark.parametrize(
    ("pairs", "budget", "said"),
    [
        ({"dropout": "0.5..0.1"}, "1min", "holds nothing"), ({"dropout": "0..2"}, "1min", "is not allowed"),
        ({"activation": "relu..tanh"}, "1min", "is no range"), ({"augment_strength": "1..2"}, "1min", "setting of the task"),
        ({}, "soon", "is no time"), ({}, "0", "no time"), ({"model": "lenet,nothing"}, "1min", "there is no model called"),
        ({"depht": "1..2"}, "1min", "there is no setting called"), ({"model": ","}, "1min", "no model is named"),
    ],
)  # fmt: skip
def test_mistakes_are_said_before_anything_is_read(pairs: dict[str, str], budget: str, said: str) -> None:
    given = {"model": "lenet", **pairs}
    with pytest.raises(UsageError, match=said):
        checked("image-classification", None, given, budget)
