"""What a row of the benchmarks is. Each package beside this file that has ROWS adds to the catalogue."""

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import benchmarks


@dataclass(frozen=True)
class Work:
    """What one step cannot do without.

    Attributes: operations in FLOP, a multiplication and an addition being two; traffic in bytes read and written; formula
    says how both were counted.
    """

    operations: float
    traffic: float
    formula: str


@dataclass(frozen=True)
class Contestant:
    """One of those who do the work.

    Attributes: factory is "module:class" (`worker.Contestant` is what it must offer); family joins baselines of which the
    smaller win is claimed; target the least ratio to be met; peer whether it needs the peers' environment; options are given
    to the class beside the row's settings; environment holds variables of its process.
    """

    name: str
    factory: str
    family: str = ""
    target: float | None = None
    peer: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tolerance:
    """The largest relative errors with which an answer still counts as the same.

    `losses` is over a few steps of the optimiser, which multiplies rounding errors: Adam's first step is the gradient's sign.
    """

    loss: float = 1e-5
    gradient: float = 1e-4
    losses: float = 2e-3


@dataclass(frozen=True)
class Row:
    """One comparison. Of `contestants` the first is Samoyed; a round is `steps` steps over `examples` examples."""

    name: str
    title: str
    unit: str
    steps: int
    examples: int
    settings: Mapping[str, Any]
    work: Work
    contestants: tuple[Contestant, ...]
    tolerance: Tolerance = Tolerance()


def catalogue() -> dict[str, Row]:
    """Every row by its name, in the order of the packages' names."""
    packages = [found.name for found in pkgutil.iter_modules(benchmarks.__path__, "benchmarks.") if found.ispkg]
    rows = [row for name in sorted(packages) for row in getattr(importlib.import_module(name), "ROWS", ())]
    return {row.name: row for row in rows}
