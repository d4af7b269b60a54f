"""Whether runs may be held against each other: of one task, and measured on the same examples in the same order."""

from collections.abc import Sequence
from typing import Any

from samoyed.comparing.identity import content
from samoyed.errors import RunError, UsageError
from samoyed.examples import Series
from samoyed.run import Run


def refuse_unlike(runs: Sequence[Run]) -> None:
    """Raises UsageError for fewer than two runs, one that is named twice, or runs of different tasks."""
    if len(runs) < 2:
        raise UsageError("one run cannot be compared", remedy="name two or more, such as: samoyed compare RUN RUN")
    seen: set[str] = set()
    for run in runs:
        if str(run.path.resolve()) in seen:
            raise UsageError(f"{run.path} is named twice", remedy="name each run once")
        seen.add(str(run.path.resolve()))
        first, task = runs[0].config["task"], run.config["task"]
        if task != first:
            raise UsageError(
                f"{runs[0].path} is a run of {first} and {run.path} one of {task}",
                remedy="compare runs of one task",
            )


def refuse_other_examples(first: Run, expected: Sequence[Any], run: Run, found: Sequence[Any]) -> None:
    """Raises RunError where a run's test examples are not those of the first, in the same order."""
    if len(expected) == len(found):
        unlike = sum(not same(a, b) for a, b in zip(expected, found, strict=True))
        if unlike == 0:
            return
        how = f"{unlike:,} of {len(found):,} examples differ"
    else:
        how = f"it has {len(found):,}, the other {len(expected):,}"
    raise RunError(
        f"was not tested on the examples that {first.path} was tested on: {how}",
        where=run.path,
        remedy="train them on the same data with the same seed, or name data that none has seen with --data DATA",
    )


def same(first: Any, second: Any) -> bool:
    """Whether two examples are the same one: of one origin, or of one content. Windows of a series have one origin."""
    if isinstance(first, Series):
        return content(first) == content(second)
    named = first.origin == second.origin and getattr(first, "label", None) == getattr(second, "label", None)
    return bool(named or content(first) == content(second))
