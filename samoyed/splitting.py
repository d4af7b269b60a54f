"""How data is divided where the user has not divided it. Every rule is stated in words that are printed before training.

The test split is set aside first and is not looked at while training; validation is made from what remains.
"""

import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from samoyed.errors import DataError
from samoyed.tasks import Split

_TEST, _MOST_TEST = 0.20, 10_000
_VALID, _MOST_VALID = 0.10, 5_000


def stratified(
    parts: dict[str, list[Any]], seed: int, *, label: Callable[[Any], str], content: Callable[[Any], bytes]
) -> Split:
    """20 % for the test and 10 % of the rest for validation, drawn from each class by `seed`; equal contents stay together.

    Splits that the user named are kept as they are. A class of one example is trained on; of two or more, at least one is
    held out. Raises DataError where a split would be empty.
    """
    pool = parts["all"] if "all" in parts else parts["train"]
    rules = []
    train, test, valid = list(pool), parts.get("test"), parts.get("valid")
    if test is None:
        train, test = _draw(train, _TEST, _MOST_TEST, seed, label, content)
        rules.append(f"test: {_share(test, train)} of all, drawn per class with seed {seed}")
    if valid is None:
        train, valid = _draw(train, _VALID, _MOST_VALID, seed + 1, label, content)
        rules.append(f"validation: {_share(valid, train)} of the training data, drawn per class with seed {seed}")
    if not train or not valid or not test:
        raise DataError(
            f"{len(pool)} examples are too few to learn from and to hold some out",
            remedy="give at least 10 examples of each class, or name the splits yourself",
        )
    named = [name for name in ("train", "valid", "test") if name in parts]
    return Split(train, valid, test, "; ".join([f"{', '.join(named)} as named"] * bool(named) + rules))


def by_identity(parts: dict[str, list[Any]], seed: int, *, label: Callable[[Any], str]) -> Split:
    """30 % of the identities, at most 1,000, for the test, and 20 % of the rest for validation, at least two each, drawn by `seed`;
    all examples of an identity stay together.

    Splits that the user named are kept as they are. Raises DataError where there are too few identities.
    """
    pool = parts["all"] if "all" in parts else parts["train"]
    rules = [f"{', '.join(name for name in ('train', 'valid', 'test') if name in parts)} as named"] * (
        "all" not in parts
    )
    names = sorted({label(example) for example in pool})
    random.Random(f"identities {seed}").shuffle(names)
    drawn: dict[str, list[str]] = {}
    for split, share, most in (("test", 0.3, 1000), ("valid", 0.2, 1000)):
        if split not in parts:
            count = min(most, max(2, round(share * len(names))))
            drawn[split], names = names[:count], names[count:]
            rules.append(f"{split}: {count} identities, drawn with seed {seed}")
    if len(names) < 2 or not pool:
        needed = 2 + 2 * len(drawn)
        raise DataError(
            f"{len(names) + sum(map(len, drawn.values()))} identities are too few to learn from some and to hold others out",
            remedy=f"give at least {needed}, each with several pictures, or name the splits yourself",
        )
    of = {name: split for split, some in drawn.items() for name in some}
    made: dict[str, list[Any]] = {"train": [], "valid": [*parts.get("valid", [])], "test": [*parts.get("test", [])]}
    for example in pool:
        made[of.get(label(example), "train")].append(example)
    return Split(made["train"], made["valid"], made["test"], "; ".join(rules))


def tail(count: int, test: float = 0.2, valid: float = 0.1) -> tuple[int, int]:
    """Where validation and test begin in an ordered series of `count`: the last 20 % are the test, the 10 % before it
    validation.

    >>> tail(100)
    (70, 80)
    """
    return round(count * (1 - test - valid)), round(count * (1 - test))


def _draw(
    examples: Sequence[Any],
    share: float,
    most: int,
    seed: int,
    label: Callable[[Any], str],
    content: Callable[[Any], bytes],
) -> tuple[list[Any], list[Any]]:
    """(kept, drawn): about `share` of each class's distinct contents."""
    capped = most < share * len(examples)
    share = most / len(examples) if capped else share
    groups: dict[str, dict[bytes, list[int]]] = defaultdict(lambda: defaultdict(list))
    whose: dict[bytes, str] = {}  # one content under two labels belongs to the first of them
    for i, example in enumerate(examples):
        digest = hashlib.sha1(content(example), usedforsecurity=False).digest()
        groups[whose.setdefault(digest, label(example))][digest].append(i)
    drawn: set[int] = set()
    for name in sorted(groups):
        alike = list(groups[name].values())
        random.Random(f"{seed} {name}".encode("utf-8", "surrogateescape")).shuffle(alike)
        count = 0 if len(alike) < 2 else max(1, int(share * len(alike)) if capped else round(share * len(alike)))
        drawn.update(i for group in alike[:count] for i in group)
    kept = [e for i, e in enumerate(examples) if i not in drawn]
    return kept, [e for i, e in enumerate(examples) if i in drawn]


def _share(drawn: Sequence[Any], kept: Sequence[Any]) -> str:
    return f"{len(drawn) / max(1, len(drawn) + len(kept)):.0%}"
