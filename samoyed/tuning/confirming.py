"""Whether the best trials of a search are good, or lucky: trained again with other seeds, and held against the defaults.

Each trial was proposed for what it reached with one seed on one validation split, so that the best of many owes a part of that to
luck. The seed's luck goes when other seeds decide. The split's luck stays: hence the defaults are left only for what is better on the
validation examples by more than chance, in a randomisation test over them. A validation split of few examples, or of windows that
overlap, cannot decide, and the defaults stay.
"""

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import safetensors.numpy

from samoyed.comparing.paired import swapped
from samoyed.errors import RunError
from samoyed.files import write_bytes
from samoyed.tasks import Metric
from samoyed.training.evaluation import pool
from samoyed.tuning.trial import Entries, held

if TYPE_CHECKING:
    from samoyed.tuning.study import Search

_CANDIDATES, _SEEDS = 3, (1, 2, 3, 4)
_LEVEL = 0.05  # p below which a difference counts as more than chance


class Winner(NamedTuple):
    """The trial that is `chosen`, the one with the `best` mean, and the p of no difference between that and the defaults; None
    where there were not two to compare or no time for other seeds."""

    chosen: Any
    best: Any
    p: float | None


def confirm(search: "Search") -> None:
    """Trains the candidates with other seeds, a whole round of them at a time, while the budget lasts."""
    for seed in _SEEDS:
        found = candidates(search)
        left = [trial for trial in found if again(search, trial, seed) is None]
        needed = sum(trial.user_attrs["seconds"] for trial in left)
        own = max((trial.user_attrs["seconds"] for trial in found), default=0.0)
        if len(found) < 2 or search.spent() + needed + own > search.budget:
            return
        for trial in left:
            entries = np.ascontiguousarray(
                held(search.job, search.plan_of(trial), seed)
            )  # else it is not written as it is
            write_bytes(_kept(search, trial, seed), safetensors.numpy.save({"entries": entries}))
            value = pool(entries, _metric(search), False).value
            search.reporter.say(f"trial {trial.number:>3}  {search.job.task.watch} {value:.4g} with seed {seed}")


def candidates(search: "Search") -> list[Any]:
    """The best trials by the seed that all were proposed with, and the defaults."""
    done = search.finished()
    lower = search.better == "lower"
    ranked = sorted(done, key=lambda t: (t.value if lower else -t.value, t.number))[:_CANDIDATES]
    return ranked + [t for t in done if t.number == 0 and t not in ranked]


def again(search: "Search", trial: Any, seed: int) -> Entries | None:
    """What a trial reached with another seed, example by example, if it was tried. Raises RunError where that cannot be read."""
    path = _kept(search, trial, seed)
    if not path.exists():
        return None
    try:
        return safetensors.numpy.load(path.read_bytes())["entries"]
    except (OSError, KeyError, safetensors.SafetensorError) as error:
        raise RunError("cannot be read", where=path, remedy="remove it, and it is made again") from error


def means(search: "Search") -> list[tuple[float, int, Any]]:
    """The candidates, best first: the mean over the other seeds that all of them were trained with, how many, and the trial; of the
    seed that proposed them, where there are no others."""
    made = []
    for trial, entries in _tried(search):
        values = [pool(one, _metric(search), False).value for one in entries] or [trial.value]
        made.append((statistics.fmean(values), len(values), trial))
    return sorted(made, key=lambda one: (one[0] if search.better == "lower" else -one[0], one[2].number))


def winner(search: "Search") -> Winner:
    """The best trial where it is better than the defaults by more than chance on the validation split, else the defaults."""
    best = means(search)[0][2]
    tried = {trial.number: (trial, entries) for trial, entries in _tried(search)}
    if best.number == 0 or 0 not in tried or not tried[0][1]:
        return Winner(best, best, None)
    default, theirs = tried[0]
    p = swapped(list(zip(theirs, tried[best.number][1], strict=True)), _metric(search), search.job.task.apart)
    return Winner(best if p < _LEVEL else default, best, p)


def _tried(search: "Search") -> list[tuple[Any, list[Entries]]]:
    """The candidates, and what each reached with the other seeds that all of them were trained with."""
    found = candidates(search)
    seeds = [[again(search, trial, seed) for trial in found] for seed in _SEEDS]
    whole = [row for row in seeds if all(entries is not None for entries in row)]
    return [(trial, [entries for row in whole if (entries := row[i]) is not None]) for i, trial in enumerate(found)]


def _metric(search: "Search") -> Metric:
    return search.job.task.reported[search.job.task.watch]


def _kept(search: "Search", trial: Any, seed: int) -> Path:
    return search.folder / "again" / f"{trial.number}-{seed}.safetensors"
