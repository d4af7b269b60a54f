"""Earlier runs of the same folder that were measured on the same examples, for a report. No weights are loaded."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from samoyed.files import MANIFEST, age
from samoyed.stored import Config, Results
from samoyed.training.evaluation import Result

_LOOKED_AT, _SHOWN = 100, 11  # the newest of a folder; the best of these


class Table(NamedTuple):
    """A table of the report: its heading, the columns' names, the rows, and a sentence on how to read it."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    caption: str


class Row(NamedTuple):
    """A run: its folder's name, its model, each metric on the test split (value, low, high, unit, better), numbers learned, seconds."""

    name: str
    model: str
    test: Mapping[str, Result]
    parameters: int
    seconds: float


def others(folder: Path, task: str, tested_on: str) -> list[Row]:
    """The finished runs next to `folder`, of the same task and measured on the same examples, the newest first; what is damaged,
    unfinished or of an older version is left out."""
    found = []
    for path in (p.parent for p in sorted(folder.parent.glob(f"*/{MANIFEST}"), key=age)[:_LOOKED_AT]):
        try:
            results = Results.model_validate_json((path / "results.json").read_bytes())
            if path.resolve() == folder.resolve() or results.tested_on != tested_on:
                continue
            config = Config.model_validate(yaml.safe_load((path / "config.yaml").read_text("utf-8")))
        except (OSError, ValueError, RecursionError, yaml.YAMLError):
            continue
        if config.task == task:
            test = {key: Result(**figure.model_dump()) for key, figure in results.metrics["test"].items()}
            found.append(Row(path.name, config.model, test, results.parameters, results.seconds))
    return found


def beside(own: Row, earlier: list[Row]) -> Table | None:
    """This run and the best of the earlier ones, by the first metric; None where there is no other."""
    if not earlier:
        return None
    main = next(iter(own.test))
    unit, sign = own.test[main].unit, -1 if own.test[main].better == "higher" else 1

    def rank(row: Row) -> float:
        figure = row.test.get(main)
        return sign * figure.value if figure is not None and figure.unit == unit else float("inf")

    shown = sorted([own._replace(name=f"{own.name}, this run"), *sorted(earlier, key=rank)[:_SHOWN]], key=rank)
    units = {key: figure.unit for key, figure in own.test.items()}
    cells = [
        [row.name, row.model, *(_cell(row.test.get(k), u) for k, u in units.items()), *_costs(row)] for row in shown
    ]
    names = [f"{key} {unit}" for key, unit in units.items()]
    caption = (
        "Runs of the same folder, measured on the same test examples, with 95 % intervals. "
        "Whether two differ by more than chance: samoyed compare RUN RUN."
    )
    return Table("Beside other runs", ["run", "model", *names, "parameters", "training"], cells, caption)


def _cell(figure: Result | None, unit: str) -> str:
    if figure is None:
        return ""
    return figure.bare() if figure.unit == unit else f"{figure.bare()} {figure.unit}"


def _costs(row: Row) -> list[str]:
    return [f"{row.parameters:,}", f"{row.seconds:.1f} s"]
