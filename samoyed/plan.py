"""What is to be done, checked before anything heavy is loaded."""

import shlex
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from samoyed import catalog
from samoyed.errors import DataError, UsageError


@dataclass(frozen=True)
class Plan:
    """One training run to be: names, forms, settled settings by owner, where data come from and results go."""

    task: str
    task_form: catalog.Form
    model: str
    model_form: catalog.Form
    data: Path | None
    out: Path | None
    given: dict[str, Any]
    settled: dict[str, dict[str, Any]]

    @property
    def command(self) -> str:
        """The command that repeats the run."""
        words = ["samoyed", "train", self.task, *([str(self.data)] if self.data else []), f"model={self.model}"]
        words += [f"{key}={_text(value)}" for key, value in self.given.items() if key != "model"]
        if "seed" not in self.given:
            words.append(f"seed={self.settled['training']['seed']}")
        return " ".join(shlex.quote(word) for word in words)


def make(
    task: str,
    data: str | PathLike[str] | None,
    model: str | None,
    out: str | PathLike[str] | None,
    given: dict[str, Any],
) -> Plan:
    """Checks names, settings and paths. Raises UsageError for a mistake in the call, DataError for data that are not there."""
    task_form = catalog.task(task)
    model = model or given.get("model") or task_form.attributes["model"]
    model_form = catalog.model(task_form, str(model))
    name = next(key for key, form in catalog.models_for(task_form).items() if form is model_form)
    settled = catalog.settle(task_form, model_form, given)
    where = None if data is None else Path(data).expanduser().resolve()
    if where is not None and not where.exists():
        from samoyed.sources import no_such_path

        raise no_such_path(Path(str(data)))
    folder = None if out is None else Path(out).expanduser()
    target = (folder or Path("runs")).resolve()
    if where is not None and where.is_dir() and target.is_relative_to(where):
        raise UsageError(
            f"the run would be written into the data folder {where}", remedy="work in another folder, or name one with --out DIR"
        )
    if folder is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already", remedy="name a new folder with --out DIR")
    task_name = task.lower().replace("_", "-")
    return Plan(task_name, task_form, name, model_form, where, folder, dict(given), settled)


def run_folder(plan: Plan) -> Path:
    """Makes and returns the run directory: `out`, or the next free number under runs/<task>."""
    if plan.out is not None:
        plan.out.mkdir(parents=True, exist_ok=True)
        return plan.out
    parent = Path("runs") / plan.task
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"no folder can be made here: {error.strerror}", where=parent, remedy="name one with --out DIR") from error
    number = max((int(p.name) for p in parent.iterdir() if p.name.isdigit()), default=0) + 1
    while True:
        try:
            (parent / str(number)).mkdir()
            return parent / str(number)
        except FileExistsError:  # another run took it in the meantime
            number += 1


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
