"""The rule by which data are divided: per class, equal contents together, the same for the same seed, within the caps."""

from collections import Counter
from typing import NamedTuple

import pytest

from samoyed import splitting
from samoyed.errors import DataError
from samoyed.splitting import stratified, tail
from samoyed.tasks import Split


class Thing(NamedTuple):
    """An example: its class, and what is in it."""

    label: str
    content: bytes


def things(**counts: int) -> list[Thing]:
    return [Thing(label, f"{label}{i}".encode()) for label, count in counts.items() for i in range(count)]


def divide(examples: list[Thing], seed: int = 0, **named: list[Thing]) -> Split:
    parts = {"train": examples, **named} if named else {"all": examples}
    return stratified(parts, seed, label=lambda e: e.label, content=lambda e: e.content)


def test_every_example_is_in_exactly_one_split() -> None:
    examples = things(a=50, b=30, c=20)
    split = divide(examples)
    assert sorted([*split.train, *split.valid, *split.test]) == sorted(examples)


def test_each_class_gives_its_share() -> None:
    split = divide(things(a=500, b=100, c=50))
    assert Counter(e.label for e in split.test) == {"a": 100, "b": 20, "c": 10}
    assert Counter(e.label for e in split.valid) == {"a": 40, "b": 8, "c": 4}


def test_equal_contents_stay_together() -> None:
    copies = [
        Thing(label, f"{i}".encode()) for i in range(40) for label in ("a", "a", "b")
    ]  # b: the same under another name
    split = divide(copies + things(b=40))
    owners = [{e.content for e in part} for part in split[:3]]
    assert not owners[0] & owners[1]
    assert not owners[0] & owners[2]
    assert not owners[1] & owners[2]
    assert min(map(len, owners)) > 0


def test_the_seed_alone_decides() -> None:
    examples = things(a=60, b=60)
    assert divide(examples, 3) == divide(examples, 3)
    assert divide(examples, 3).test != divide(examples, 4).test
    assert set(divide(examples, 3).test) != set(divide(examples, 3).valid)


def test_other_classes_do_not_change_a_class() -> None:
    alone = {e for e in divide(things(a=60)).test if e.label == "a"}
    assert {e for e in divide(things(a=60, b=60)).test if e.label == "a"} == alone


def test_the_order_is_kept() -> None:
    examples = things(a=50)
    assert list(divide(examples).train) == [e for e in examples if e in set(divide(examples).train)]


def test_the_caps_hold_and_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "_MOST_TEST", 50)
    monkeypatch.setattr(splitting, "_MOST_VALID", 20)
    split = divide(things(a=600, b=400))
    assert len(split.test) == 50
    assert len(split.valid) == 20
    assert split.rule.startswith("test: 5% of all, drawn per class with seed 0; validation: 2% of the training data")


def test_splits_that_are_named_are_kept() -> None:
    examples, test, valid = things(a=50, b=50), things(a=5), things(b=5)
    split = divide(examples, test=test, valid=valid)
    assert (split.train, split.valid, split.test) == (examples, valid, test)
    assert split.rule == "train, valid, test as named"
    split = divide(examples, test=test)
    assert split.test == test
    assert len(split.valid) == 10
    assert split.rule == "train, test as named; validation: 10% of the training data, drawn per class with seed 0"


def test_small_classes() -> None:
    split = divide(things(a=50, once=1, twice=2))
    assert Counter(e.label for e in split.train)["once"] == 1
    assert Counter(e.label for e in split.test)["twice"] == 1


@pytest.mark.parametrize("examples", [[], things(a=1, b=1), things(a=2), [Thing("a", b"x")] * 20])
def test_too_few(examples: list[Thing]) -> None:
    with pytest.raises(DataError, match="examples are too few to learn from and to hold some out; give at least 10"):
        divide(examples)


@pytest.mark.parametrize("count", [10, 99, 144, 1000])
def test_the_end_of_a_series_is_the_test(count: int) -> None:
    valid, test = tail(count)
    assert 0 < valid < test < count
    assert (count - test) / count == pytest.approx(0.2, abs=0.06)
