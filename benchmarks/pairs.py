"""The arithmetic of paired timings."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Measured(NamedTuple):
    """One contestant's round, and the share of the machine that others took meanwhile (None: unknown)."""

    seconds: float
    cpu_seconds: float
    loss: float
    others: float | None


class Ratio(NamedTuple):
    """Peer's time over ours: the median over clean rounds and the quartiles; how many rounds are in it, and how many are not."""

    median: float
    low: float
    high: float
    rounds: int
    discarded: int


def clean(timing: Measured | None, most_load: float) -> bool:
    """Whether a timing was made, and made in peace."""
    return timing is not None and (timing.others is None or timing.others <= most_load)


def compare(ours: Sequence[Measured | None], peers: Sequence[Measured | None], most_load: float) -> Ratio | None:
    """Pairs round by round. A pair counts if both its timings are clean; None where no pair does.

    >>> quiet, loaded = (lambda s: Measured(s, s, 0.0, 0.0)), Measured(9.0, 1.0, 0.0, 0.6)
    >>> compare([quiet(1.0), quiet(2.0), loaded, quiet(1.0)], [quiet(2.0), quiet(2.0), quiet(1.0), quiet(3.0)], 0.05)
    Ratio(median=2.0, low=1.5, high=2.5, rounds=3, discarded=1)
    """
    both = list(zip(ours, peers, strict=True))
    ratios = [
        peer.seconds / our.seconds
        for our, peer in both
        if our is not None and peer is not None and clean(our, most_load) and clean(peer, most_load)
    ]
    if not ratios:
        return None
    low, middle, high = quartiles(ratios)
    return Ratio(middle, low, high, len(ratios), len(both) - len(ratios))


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The first quartile, the median and the third, interpolated; of a single value, itself.

    >>> quartiles([1.0, 2.0, 3.0, 4.0, 5.0])
    (2.0, 3.0, 4.0)
    """
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high
