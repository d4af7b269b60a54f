"""The steps of a compression beside each other: bytes, figures on the test split, times."""

from dataclasses import dataclass
from typing import Any

from samoyed.comparing.beside import Table
from samoyed.training.evaluation import Result
from samoyed.training.machine import environment

TOGETHER = 32  # examples of a batch whose time is taken


@dataclass
class Stage:
    """What the network was after one step: in words, its bytes, its figures on the test split, its times for one example and for
    `TOGETHER`."""

    name: str
    size: int
    results: dict[str, Result]
    milliseconds: float | None = None
    milliseconds_together: float | None = None


def table_of(stages: list[Stage], whole: list[str] | None, device: Any) -> Table:
    """Each stage in a row: bytes, how many times smaller, the first metric with its interval, the times for one example and for
    `TOGETHER`. `whole` are the layers that are computed in int8, None where that was not wanted."""
    name, first = next(iter(stages[0].results.items()))
    columns = ["", "bytes of weights", "smaller", f"{name}, {first.unit}", "ms for one example", f"for {TOGETHER}"]
    rows = []
    for stage in stages:
        times = ["" if t is None else f"{t:.3g}" for t in (stage.milliseconds, stage.milliseconds_together)]
        smaller = f"{stages[0].size / stage.size:.1f} x"
        rows.append([stage.name, f"{stage.size:,}", smaller, stage.results[name].bare(), *times])
    caption = (
        f"On the test split, with 95 % intervals. Pruned and shared weights are computed as before, so that they take as long. "
        f"{_arithmetic(whole)}Milliseconds on {environment(device)['device']}, medians of the two networks in turns."
    )
    return Table("Before and after", columns, rows, caption)


def _arithmetic(whole: list[str] | None) -> str:
    """Which layers multiply in int8, in a sentence, if that was wanted."""
    if whole is None:
        return ""
    if not whole:
        return "No layer is of a kind and size that int8 makes faster, so that all are computed in float32. "
    return f"Computed in int8: {', '.join(whole)}; the rest in float32. "


def facts_of(stage: Stage) -> dict[str, Any]:
    """The stage as JSON."""
    return {
        "stage": stage.name,
        "bytes": stage.size,
        "milliseconds": stage.milliseconds,
        "milliseconds_together": stage.milliseconds_together,
        "test": {name: result._asdict() for name, result in stage.results.items()},
    }


def stage_of(facts: dict[str, Any]) -> Stage:
    """The inverse of `facts_of`."""
    return Stage(facts["stage"], facts["bytes"], {name: Result(**found) for name, found in facts["test"].items()})
