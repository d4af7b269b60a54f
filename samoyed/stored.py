"""What a run directory's JSON and YAML must be, checked strictly: a run may come from anybody."""

from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, Lt
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

Settings = dict[str, Any]


def _seeded(training: Settings) -> Settings:
    if not isinstance(training.get("seed"), int):
        raise ValueError("no seed is in it")
    return training


class Stored(BaseModel):
    """Facts in a file: exactly these keys, each of exactly its type, and no number that is infinite or none."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


class Owned(Stored):
    """Settings by whose they are."""

    task: Settings
    model: Settings
    training: Annotated[Settings, AfterValidator(_seeded)]


class Compressed(Stored):
    """How a run was made smaller, and which run it was: the share of weights left out, bits of a level, the form of numbers."""

    of: str
    prune: Annotated[float, Ge(0), Lt(1)] = 0.0
    share: Annotated[int, Ge(0), Le(8)] = 0
    quantise: Literal["none", "int8"] = "none"


class Config(Stored):
    """config.yaml."""

    samoyed: str
    task: str
    model: str
    data: str | None
    settings: Owned
    command: str
    compressed: Compressed | None = None


class Figure(Stored):
    """One measured figure with its interval; see `samoyed.training.evaluation.Result`."""

    value: float
    low: float
    high: float
    unit: str
    better: str
    count: int


class Stage(Stored):
    """What a network was after one step of compression."""

    stage: str
    bytes: Annotated[int, Ge(1)]
    milliseconds: Annotated[float, Ge(0)] | None
    milliseconds_together: Annotated[float, Ge(0)] | None = None
    test: dict[str, Figure]


class Differs(Stored):
    """How far the first figure lies above the original's on the same test examples."""

    metric: str
    unit: str
    value: float
    low: float
    high: float
    p: Annotated[float, Ge(0), Le(1)]
    test: str
    counts: list[int] | None


class Compression(Stored):
    """compression.json."""

    weights_left: Annotated[float, Ge(0), Le(1)]
    stages: list[Stage]
    differs: Differs | None = None
    together: Annotated[int, Ge(1)] = 32


class Results(Stored):
    """results.json. `tested_on`: SHA-256 over the examples of the test split."""

    metrics: dict[str, dict[str, Figure]]
    parameters: Annotated[int, Ge(0)]
    seconds: Annotated[float, Ge(0)]
    ended: str
    tested_on: str | None = None


def brief(error: Exception) -> str:
    """The first thing wrong, in one line: for a pydantic error the key and what it should be."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
