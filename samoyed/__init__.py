"""Samoyed: from raw data to a trained, measured, drawn network.

    import samoyed
    run = samoyed.train("image-classification", "photos/", model="lenet")
    run.evaluate("more-photos/")
    run.predict("dog.png")

The verbs are those of the command line, with the same words, defaults and errors. Importing this package does not load
PyTorch; the first verb that computes does.
"""

import sys
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from samoyed import catalog, launch
from samoyed.errors import DataError, Interrupted, RunError, SamoyedError, TrainingError, UsageError

if TYPE_CHECKING:
    from samoyed.run import Run

__version__ = "0.1.0"
__all__ = [
    "DataError",
    "Interrupted",
    "RunError",
    "SamoyedError",
    "TrainingError",
    "UsageError",
    "compress",
    "distil",
    "evaluate",
    "load",
    "models",
    "predict",
    "resume",
    "tasks",
    "train",
]


def tasks() -> dict[str, str]:
    """Every task and what it does, in a line.

    >>> "image-classification" in tasks()
    True
    """
    return {name: entry.summary for name, entry in catalog.tasks().items()}


def models(task: str | None = None) -> dict[str, str]:
    """Every model, or those that fit `task` with its default first, and what each is, in a line.

    Raises UsageError for an unknown task.

    >>> next(iter(models("image-classification")))
    'lenet'
    """
    known = catalog.models()
    names = known if task is None else catalog.models_for(catalog.task(task))
    return {name: known[name].summary for name in names}


def train(
    task: str,
    data: str | PathLike[str] | None = None,
    *,
    model: str | None = None,
    out: str | PathLike[str] | None = None,
    quiet: bool = False,
    resume: bool = False,
    **settings: Any,
) -> "Run":
    """Reads `data`, trains `model` on it, measures it, and returns the run.

    Args:
        task: What is wanted; see `tasks`.
        data: A file, or a folder, which may hold splits named train, valid and test; None for the task's embedded sample.
        model: The architecture; None for the task's default.
        out: The run directory; by default runs/<task>/<number>.
        quiet: Print no progress.
        resume: Go on with the run in `out`, if it was begun with the same settings; begin it if there is none.
        **settings: Any setting of the task, the model or the trainer: epochs=20, hidden_size=512.

    Raises:
        UsageError: an unknown task, model or setting, or a value of the wrong type or range; before anything is loaded.
        DataError: the data cannot be learned from.
        TrainingError: the loss or a gradient was not finite; the weights of before are saved.
        Interrupted: stopped by Ctrl-C or SIGTERM; what was learned until then is saved.
    """
    plan = plan_of(task, data, model, out, settings, resume)
    from samoyed.reporting.progress import Reporter
    from samoyed.training.job import train_or_resume

    return train_or_resume(plan, Reporter(quiet or not launch.first()))


def resume(run: str | PathLike[str], *, quiet: bool = False) -> "Run":
    """Goes on with a run that was stopped, killed or failed, or with a compression, from its last whole checkpoint, and returns it.

    The result equals that of a run that was never stopped, bit for bit on the same machine. Raises RunError where there is
    nothing to go on with, DataError where the data have changed, and what `train` raises.
    """
    from samoyed.compressing import resuming
    from samoyed.reporting.progress import Reporter

    if resuming.is_begun(Path(run)):
        from samoyed.compressing.job import resume as go_on

        return go_on(Path(run), Reporter(quiet))
    from samoyed.training.job import resume as run_job

    return run_job(Path(run), Reporter(quiet or not launch.first()))


def load(run: str | PathLike[str]) -> "Run":
    """Opens a run directory. Raises RunError if it is unfinished or damaged. Nothing of the run is executed."""
    from samoyed.plan import finished_run

    path = finished_run(run)  # before PyTorch is loaded
    from samoyed.run import Run

    return Run.load(path)


def evaluate(run: str | PathLike[str], data: str | PathLike[str] | None = None) -> dict[str, Any]:
    """Measures a run on `data`, or again on its own test split: metric -> value and 95 % interval."""
    return load(run).evaluate(data)


def predict(run: str | PathLike[str], raw: Any) -> dict[str, Any]:
    """The answer of a run to one raw thing: a picture's path, a text, a series' file."""
    return load(run).predict(raw)


def compress(
    run: str | PathLike[str],
    data: str | PathLike[str] | None = None,
    *,
    prune: float = 0.0,
    share: int = 0,
    quantise: str = "none",
    out: str | PathLike[str] | None = None,
    quiet: bool = False,
    resume: bool = False,
    **settings: Any,
) -> "Run":
    """Makes a run smaller, as a new run, and returns it; with neither prune, share nor quantise, its weights become int8.

    Args:
        run: The run directory.
        data: What to fine-tune on; None for the run's own data.
        prune: The share of weights that are left out, from 0 up to, not including, 1.
        share: Bits of a level, 1 to 8: the weights of a layer take at most 2^share values besides 0. 0 shares none.
        quantise: int8, or none.
        out: The new run directory; by default runs/<task>/<number>.
        quiet: Print no progress.
        resume: Go on with what the same call began and did not end, in `out` or under runs/<task>; begin it if there is none.
        **settings: Of each round of training: epochs=2, learning_rate=0.001.

    Raises UsageError for a model that learns no matrices by gradients, and what `train` raises. After Interrupted, `resume` goes on.
    """
    if not 0 <= prune < 1 or share not in range(9) or quantise not in ("none", "int8"):
        raise UsageError(
            f"prune={prune}, share={share}, quantise={quantise} is not allowed",
            remedy="prune is a share below 1, share from 1 to 8 bits, quantise int8",
        )
    from samoyed.plan import existing_run

    path = existing_run(run)
    from samoyed.compressing.job import compress as carry_out
    from samoyed.reporting.progress import Reporter

    form = quantise if prune or share else "int8"
    where = None if data is None else Path(data).expanduser()
    target = None if out is None else Path(out).expanduser()
    return carry_out(path, where, target, prune, share, form, settings, Reporter(quiet), resume)


def distil(
    run: str | PathLike[str],
    data: str | PathLike[str] | None = None,
    *,
    model: str | None = None,
    temperature: float = 4.0,
    share: float = 0.9,
    out: str | PathLike[str] | None = None,
    quiet: bool = False,
    **settings: Any,
) -> "Run":
    """Trains another network on the answers of a run besides the labels, and returns its run.

    Args:
        run: The teacher: a run of a task with classes.
        data: What to learn from; None for the teacher's own data.
        model: The student's architecture; None for the task's default.
        temperature: What the logits of both are divided by (Hinton 2015).
        share: Share of the objective that comes from the teacher; the labels have the rest.
        out: The new run directory; by default runs/<task>/<number>.
        quiet: Print no progress.
        **settings: Any setting of the model or the training. Those of the task, and the seed, are the teacher's.

    Raises UsageError where the task has no classes or the student cannot learn from logits, and what `train` raises.
    """
    from samoyed.plan import existing_run, of_run

    teacher = of_run(existing_run(run))
    fixed = {key: value for key, value in teacher.settled["task"].items() if value is not None}
    taught = {"teacher": str(run), "teacher_temperature": temperature, "teacher_share": share}
    given = {**fixed, "seed": teacher.settled["training"]["seed"], **settings, **taught}
    return train(teacher.task, data or teacher.data, model=model, out=out, quiet=quiet, **given)


def plan_of(
    task: str,
    data: str | PathLike[str] | None,
    model: str | None,
    out: str | PathLike[str] | None,
    settings: dict[str, Any],
    resume: bool = False,
    reading: bool = False,
) -> Any:
    """Everything `train` was told, checked without loading PyTorch. Raises UsageError and DataError."""
    from samoyed.plan import make

    return make(task, data, model, out, settings, resume, reading)


class _FrontDoor(ModuleType):
    """Keeps `samoyed.tasks` and `samoyed.models` the functions: importing the folders of these names would replace them."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in ("tasks", "models") and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _FrontDoor
