"""A comparison for the terminal: a column for each run, a line for each figure."""

from samoyed.comparing.paired import Difference, shown
from samoyed.comparing.sides import Comparison
from samoyed.comparing.speed import TOGETHER
from samoyed.errors import printable


def text(found: Comparison) -> str:
    """The whole comparison, in lines."""
    head = [f"{i}  {side.name}  {side.run.config['model']}" for i, side in enumerate(found.sides, 1)]
    where = f" of {found.data}" if found.data else ""
    head.append(f"{found.examples:,} examples{where}, the same for all; 95 % intervals in brackets")
    numbers = ["", *(str(i) for i in range(1, len(found.sides) + 1))]
    rows = [numbers, *figures(found), *costs(found), *settings(found)]
    notes = [f"note: {note}" for note in found.notes]
    return "\n".join([*head, "", *_columns(rows), "", *legend(found), *notes])


def figures(found: Comparison) -> list[list[str]]:
    """Each metric, and how it differs from the first run's: a name, and a cell for each run."""
    made = []
    for name, metric in found.metrics.items():
        of_each = [side.metrics.get(name) for side in found.sides]
        made.append([printable(f"{name} {metric.unit}"), *(r.bare() if r else "" for r in of_each)])
        if any(name in side.differs for side in found.sides):
            made.append(["  against 1", *(against(side.differs.get(name)) for side in found.sides)])
    return made


def costs(found: Comparison) -> list[list[str]]:
    """Size, and time of training and of answering."""
    sides = found.sides
    return [
        ["parameters", *(f"{side.run.parameters:,}" for side in sides)],
        ["bytes on disk", *(f"{side.size:,}" for side in sides)],
        ["training", *(f"{side.run.seconds:.1f} s" for side in sides)],
        ["epochs", *(f"{len(side.epochs)}" for side in sides)],
        ["one row", *(f"{1000 * side.speed.alone:.3g} ms" for side in sides)],
        [f"{TOGETHER} together", *(f"{side.speed.together:,.0f} rows a second" for side in sides)],
    ]


def settings(found: Comparison) -> list[list[str]]:
    """The settings that are not alike."""
    return [[name, *map(_brief, values)] for name, values in found.settings.items()]


def _brief(value: str) -> str:
    """A setting in a cell: of a number with many digits, as a search draws them, the first four.

    >>> _brief("0.1473211953271639"), _brief("32"), _brief("0.0001"), _brief("relu")
    ('0.1473', '32', '0.0001', 'relu')
    """
    if len(value) < 8:
        return value
    try:
        return f"{float(value):.4g}" if "." in value else value
    except ValueError:
        return value


def against(difference: Difference | None) -> str:
    """A difference in a cell."""
    if difference is None:
        return ""
    return f"{difference.value:+.3g} ({difference.low:+.3g} to {difference.high:+.3g}), p {shown(difference.p)}"


def legend(found: Comparison) -> list[str]:
    """How the tests were made, what is right in one alone, and how speed was measured."""
    tests: dict[str, list[str]] = {}
    for side in found.sides:
        for name, one in side.differs.items():
            if name not in tests.setdefault(one.test, []):
                tests[one.test].append(name)
    lines = []
    if tests:
        said = "; ".join(f"{test} for {', '.join(names)}" for test, names in tests.items())
        adjusted = ", adjusted by Holm for the number of runs" if len(found.sides) > 2 else ""
        lines.append(
            f"p: {said}{adjusted}. It speaks of other examples, not of other trainings: another seed may differ more."
        )
    for i, alone in enumerate(found.unlike, 1):
        if alone["count"]:
            some = ", ".join(alone["examples"][:3]) + (", ..." if alone["count"] > 3 else "")
            lines.append(f"right in {i} alone: {alone['count']:,} ({some})")
    rounds = found.sides[0].speed.rounds
    lines.append(f"speed: the network and its measures on {found.machine}, in turn, medians of {rounds} rounds.")
    return lines


def _columns(cells: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells]
