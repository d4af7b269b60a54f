"""What every source of texts with labels shares: the names of columns, and notes on labels that look alike."""

from collections.abc import Iterable

from samoyed.errors import DataError, shown

TEXTS = (
    "text",
    "sentence",
    "review",
    "document",
    "content",
    "body",
    "message",
    "comment",
    "sequence",
    "headline",
    "title",
)
LABELS = ("label", "class", "category", "target", "sentiment", "topic", "tag")


def column(names: Iterable[str], wanted: str | None, usual: tuple[str, ...]) -> str | None:
    """The name of a column or field: the one that was asked for, else the first of the usual ones, else None."""
    found = {name.lower(): name for name in reversed(list(names))}
    if wanted is not None:
        return wanted if wanted in found.values() else None
    return next((found[name] for name in usual if name in found), None)


def near_twins(labels: Iterable[str]) -> list[str]:
    """A note where two labels differ only by white space or capitals: they stay two classes, which is rarely meant."""
    seen: dict[str, str] = {}
    notes = []
    for label in sorted(set(labels)):
        other = seen.setdefault(" ".join(label.split()).casefold(), label)
        if other != label:
            notes.append(f"{other!r} and {label!r} are two classes, as written")
    return notes


def no_label(where: str) -> DataError:
    """The error for an example without a label."""
    return DataError("there is no label here", where=where, remedy="fill it in, or remove the example")


def no_such_column(name: str, names: Iterable[str], where: object) -> DataError:
    """The error for a column that was asked for and is not there."""
    listed = ", ".join(list(names)[:12])
    return DataError(f"has no column {shown(name)!r}", where=str(where), remedy=f"its columns are {listed}")
