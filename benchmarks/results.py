"""What a run leaves: the floor, and of each row its entrants with their figures. All of it can be written as JSON."""

import statistics
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.agreement import Errors
from benchmarks.pairs import Measured, Ratio, clean, compare
from benchmarks.process import Process
from benchmarks.rows import Contestant, Row, Work


@dataclass(frozen=True)
class Floor:
    """This machine: GEMM in FLOP/s on one thread and on `threads`, copying in bytes/s read and written.

    `others` is the share of the machine that other processes took meanwhile.
    """

    torch: str
    threads: int
    gemm_one: float
    gemm_all: float
    copy: float
    cores: int
    others: float | None
    load_average: float | None

    def seconds(self, work: Work) -> tuple[float, str]:
        """The least seconds of a step, and what bounds it."""
        return max((work.operations / self.gemm_all, "arithmetic"), (work.traffic / self.copy, "copying"))

    def json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


@dataclass
class Entrant:
    """A contestant in a run. `process` is None before it entered and after it left, and then `note` says why."""

    contestant: Contestant
    process: Process | None = None
    note: str = ""
    built: dict[str, Any] = field(default_factory=dict)
    errors: Errors | None = None
    first_seconds: float | None = None
    peak_bytes: int | None = None
    timings: list[Measured | None] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its name in the table."""
        return self.contestant.name

    @property
    def ours(self) -> bool:
        """Whether it is Samoyed: it has no family of peers."""
        return not self.contestant.family

    def leave(self, note: str) -> None:
        """Ends its part."""
        self.note = note
        if self.process is not None:
            self.process.close()
            self.process = None

    def middle(self, what: str, most_load: float) -> float | None:
        """The median of a field over its clean rounds."""
        found = [getattr(t, what) for t in self.timings if t is not None and clean(t, most_load)]
        return statistics.median(found) if found and not self.note else None


@dataclass(frozen=True)
class Claim:
    """Of one family of baselines the smaller win, with the target of that baseline."""

    family: str
    against: str
    ratio: float
    target: float

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        return self.ratio >= self.target


@dataclass(frozen=True)
class Result:
    """A measured row. `load_averages` are those at its start and its end."""

    row: Row
    floor: Floor
    entrants: list[Entrant]
    parameters: int
    rounds: int
    most_load: float
    load_averages: tuple[float | None, float | None]

    def ratio(self, entrant: Entrant) -> Ratio | None:
        """The entrant's time over ours."""
        if entrant.note or entrant is self.entrants[0]:
            return None
        return compare(self.entrants[0].timings, entrant.timings, self.most_load)

    def claims(self) -> list[Claim]:
        """One per family that has a target and was measured."""
        found: dict[str, Claim] = {}
        for entrant in self.entrants[1:]:
            ratio, of = self.ratio(entrant), entrant.contestant
            if ratio is None or of.target is None:
                continue
            claim = Claim(of.family, of.name, ratio.median, of.target)
            if of.family not in found or claim.ratio / claim.target < found[of.family].ratio / found[of.family].target:
                found[of.family] = claim
        return list(found.values())

    def json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        least, bound = self.floor.seconds(self.row.work)
        return {
            "title": self.row.title,
            "parameters": self.parameters,
            "work": asdict(self.row.work),
            "floor_seconds_per_step": least,
            "bound": bound,
            "rounds": self.rounds,
            "load_averages": self.load_averages,
            "entrants": {e.name: self._entrant(e) for e in self.entrants},
            "claims": [asdict(claim) | {"met": claim.met} for claim in self.claims()],
        }

    def _entrant(self, entrant: Entrant) -> dict[str, Any]:
        ratio = self.ratio(entrant)
        return {
            "note": entrant.note,
            "target": entrant.contestant.target,
            "ratio": ratio._asdict() if ratio else None,
            "seconds": entrant.middle("seconds", self.most_load),
            "cpu_seconds": entrant.middle("cpu_seconds", self.most_load),
            "loss": entrant.middle("loss", self.most_load),
            "errors": entrant.errors._asdict() if entrant.errors else None,
            "first_seconds": entrant.first_seconds,
            "peak_bytes": entrant.peak_bytes,
            "timings": [t._asdict() if t else None for t in entrant.timings],
            **entrant.built,
        }
