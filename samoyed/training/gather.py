"""Raw data -> examples -> splits, with everything a person should hear about them before training."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samoyed import samples
from samoyed.errors import DataError
from samoyed.reporting.progress import Reporter
from samoyed.sources import Damaged, Source, open_splits
from samoyed.spool import Spool
from samoyed.tasks import Split, Task


@dataclass
class Gathered:
    """What was read: examples by part, and what was odd about them."""

    parts: dict[str, list[Any]]
    sources: dict[str, Source] = field(default_factory=dict)
    sample: str = ""

    @property
    def damaged(self) -> list[Damaged]:
        """Everything that was skipped."""
        return [d for source in self.sources.values() for d in source.damaged]

    @property
    def notes(self) -> list[str]:
        """What else people should know."""
        return list(dict.fromkeys(note for source in self.sources.values() for note in source.notes))


def gather(task: Task[Any, Any], data: Path | None, reporter: Reporter) -> Gathered:
    """Reads every example at `data`, or of the task's sample. Raises DataError."""
    if data is None:
        examples, text = samples.load(task.sample)
        return Gathered({"all": task.gathered(examples)}, sample=text)
    sources = open_splits(task.example, data, task.source_options())
    parts, kept = {}, Spool()
    for name, source in sources.items():
        read = reporter.track(source.examples(), len(source), "reading")
        parts[name] = task.gathered(kept.keep(example) for example in read)
        if not parts[name]:
            raise DataError("nothing in it can be read", where=source.path)
    return Gathered(parts, sources)


def found(task: Task[Any, Any], gathered: Gathered, split: Split, data: Path | None) -> list[tuple[str, str]]:
    """The block that says what was found: data, classes or sizes, splits and their rule, and whatever was left out."""
    rows = [("data", str(data) if data else gathered.sample), *task.found(split, gathered.sources)]
    counts = ", ".join(
        f"{name} {task.count(part)}" for name, part in zip(("train", "valid", "test"), split[:3], strict=True)
    )
    rows += [("splits", counts), ("rule", split.rule)]
    rows += [("note", note) for note in gathered.notes]
    if gathered.damaged:
        listed = "; ".join(f"{d.where} ({d.why})" for d in gathered.damaged[:5])
        more = f" and {len(gathered.damaged) - 5} more" if len(gathered.damaged) > 5 else ""
        rows.append(("damaged", f"{len(gathered.damaged)} skipped: {listed}{more}"))
    return rows
