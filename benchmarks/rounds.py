"""Interleaved rounds: in each, every entrant works once; who begins rotates; timings under load do not count."""

import time
from collections.abc import Callable, Sequence

from benchmarks import load
from benchmarks.pairs import Measured, clean
from benchmarks.process import FailedError
from benchmarks.results import Entrant

_AT_MOST = 3  # times as many rounds as are asked for, where the machine is not quiet
_PAUSE = 0.05  # seconds, in which the last one's threads stop spinning


def interleave(
    entrants: Sequence[Entrant], rounds: int, most_load: float, patience: float, say: Callable[[str], None]
) -> int:
    """One warm-up round, then rounds until every peer still there has `rounds` clean pairs with the first entrant.

    Fills the entrants' timings. Gives up after three times as many rounds. Before a round it waits for a
    quiet machine, `patience` seconds in all. Returns how many there were, warm-up excluded.
    """
    _round(entrants, 0)
    for entrant in entrants:
        entrant.timings.clear()
    for number in range(1, _AT_MOST * rounds + 1):
        patience -= load.calm(_pids(entrants), most_load, patience)
        _round(entrants, number)
        pairs = fewest_pairs(entrants, most_load)
        say(f"round {number}, {pairs} clean of {rounds}")
        if pairs >= rounds or entrants[0].process is None:
            return number
    return _AT_MOST * rounds


def fewest_pairs(entrants: Sequence[Entrant], most_load: float) -> int:
    """The clean pairs of whoever has fewest of them among those still there; alone, the first one's clean timings."""
    ours = [clean(timing, most_load) for timing in entrants[0].timings]
    peers = [e for e in entrants[1:] if e.process is not None] or [entrants[0]]
    return min(sum(a and clean(b, most_load) for a, b in zip(ours, e.timings, strict=True)) for e in peers)


def _round(entrants: Sequence[Entrant], number: int) -> None:
    start = number % len(entrants)
    for entrant in [*entrants[start:], *entrants[:start]]:
        entrant.timings.append(_time(entrant, _pids(entrants)))


def _pids(entrants: Sequence[Entrant]) -> list[int]:
    return [e.process.pid for e in entrants if e.process is not None]


def _time(entrant: Entrant, pids: Sequence[int]) -> Measured | None:
    if entrant.process is None:
        return None
    time.sleep(_PAUSE)
    before = load.read(pids)
    try:
        reply = entrant.process.ask("round")
    except FailedError as error:
        entrant.leave(f"failed: {error}")
        return None
    return Measured(**reply, others=load.others(before, load.read(pids), load.cores()))
