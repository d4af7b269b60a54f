"""A CSV or TSV of texts and labels: a column of texts and a column of class names."""

from collections.abc import Iterator
from pathlib import Path

from samoyed.errors import DataError
from samoyed.examples import LabelledText
from samoyed.sources import Source, needed
from samoyed.sources._labels import LABELS, TEXTS, column, near_twins, no_label, no_such_column
from samoyed.sources._tables import SUFFIXES, Table, read_table


class LabelledTable(Source):
    """Reads the rows of a table as texts with labels. Labels are text exactly as written: "NA" and "007" too.

    `text` and `label` name the columns; without them they are found by their usual names, or the text is the one column beside
    the label.
    """

    yields = "LabelledText"
    reads = "a CSV or TSV with the columns text and label (reviews.csv)"
    holds = "rows"

    def __init__(self, path: Path, *, text: str | None = None, label: str | None = None) -> None:
        super().__init__(path)
        self.table = read_table(path)
        self.columns = _columns(self.table, text, label)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_file() and path.name.lower().removesuffix(".gz").endswith(SUFFIXES)

    def __len__(self) -> int:
        return len(self.table.rows)

    def examples(self) -> Iterator[LabelledText]:
        table = self.table
        texts, labels = (table.column(name) for name in self.columns)
        self.notes += near_twins(labels)
        for row, (text, label) in enumerate(zip(texts, labels, strict=True)):
            if not label.strip():
                raise no_label(table.at(row))
            if text.strip():
                yield LabelledText(text, label, table.at(row))
            else:
                self.skip(table.at(row), "its text is empty")


def _columns(table: Table, text: str | None, label: str | None) -> tuple[str, str]:
    """The names of the columns of texts and labels. Raises DataError where one is missing."""
    for name in (text, label):
        if name is not None and name not in table.header:
            raise no_such_column(name, table.header, table.path)
    labels = column([name for name in table.header if name != text], label, LABELS)
    others = [name for name in table.header if name != labels]
    texts = column(others, text, TEXTS) or (others[0] if len(others) == 1 and labels is not None else None)
    if texts is None or labels is None:
        missing = "text" if texts is None else "label"
        raise DataError(
            f"has no column called {missing}; its columns are {table.columns()}",
            where=table.path,
            remedy=f"say which it is with {missing}=NAME" if len(table.header) > 1 else needed("LabelledText"),
        )
    return texts, labels
