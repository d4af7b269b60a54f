"""What is to be done, checked before anything heavy is loaded."""

import difflib
import shlex
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from samoyed import catalog, launch
from samoyed.errors import DataError, RunError, UsageError, shown
from samoyed.files import MANIFEST, check_manifest

_GIVE = "give a folder such as runs/image-classification/1"


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
    said: str = ""

    @property
    def command(self) -> str:
        """The command that repeats the run."""
        if self.said:
            return self.said
        words = ["samoyed", "train", self.task, *([str(self.data)] if self.data else []), f"model={self.model}"]
        words += [f"{key}={as_text(value)}" for key, value in self.given.items() if key != "model"]
        if "seed" not in self.given:
            words.append(f"seed={self.settled['training']['seed']}")
        return " ".join(shlex.quote(word) for word in words)


def make(
    task: str,
    data: str | PathLike[str] | None,
    model: str | None,
    out: str | PathLike[str] | None,
    given: dict[str, Any],
    resume: bool = False,
    reading: bool = False,
) -> Plan:
    """Checks names, settings and paths; with `resume`, `out` may hold a run already; `reading` writes none. Raises UsageError for a mistake in the call, DataError for data that are not there."""
    task_form = catalog.task(task)
    given = dict(given)
    chosen = given
    if given.get("from_run") not in (None, "none"):
        given["from_run"], before = _begun_with(given["from_run"])
        model = given.get("model", before.model) if model is None else model
        chosen = {**inherited(task_form, before), **given}
        if str(model).lower().replace("-", "_") == before.model:
            chosen = {**before.settled["model"], **chosen}
    if given.get("teacher") not in (None, "none"):
        given["teacher"] = _begun_with(given["teacher"])[0]
    model = given.get("model", task_form.attributes["model"]) if model is None else model
    model_form = catalog.model(task_form, str(model))
    name = next(key for key, form in catalog.models_for(task_form).items() if form is model_form)
    settled = catalog.settle(task_form, model_form, chosen)
    where = None if data is None else _existing(data, task_form, settled)
    target = _path("runs" if out is None else out, "--out")
    folder = None if out is None else Path(out).expanduser()  # as the user wrote it, for what is printed
    if not reading and where is not None and where.is_dir() and target.is_relative_to(where):
        raise UsageError(
            f"the run would be written into the data folder {where}",
            remedy="work in another folder, or name one with --out DIR",
        )
    goes_on = resume or launch.restarted() or (folder is not None and launch.began(folder))
    # of several processes the first may have begun the run already, and it alone decides
    if folder is not None and launch.first() and not (goes_on and (folder / "config.yaml").is_file()):
        refuse_taken(folder)
    task_name = task.lower().replace("_", "-")
    return Plan(task_name, task_form, name, model_form, where, folder, given, settled)


def of_run(folder: Path) -> Plan:
    """The plan that a run directory began with, checked like any other. Raises RunError where its config.yaml cannot be used."""
    import yaml

    from samoyed.stored import Config, brief

    path = existing_run(folder) / "config.yaml"
    if not path.is_file():
        raise RunError(_no_run(path.parent), where=folder, remedy="samoyed runs lists those below a folder")
    if (path.parent / MANIFEST).is_file():
        check_manifest(path.parent, (path.name,))
    try:
        config = Config.model_validate(yaml.safe_load(path.read_text("utf-8")))
        task_form = catalog.task(config.task)
        model_form = catalog.model(task_form, config.model)
        owned = config.settings
        given = {**owned.task, **owned.model, **owned.training}
        settled = catalog.settle(task_form, model_form, given)
    except (KeyError, TypeError, ValueError, OSError, RecursionError, UsageError, yaml.YAMLError) as error:
        raise RunError(f"cannot be used: {brief(error)}", where=path, remedy="train anew") from error
    data = None if config.data is None else Path(config.data)
    return Plan(config.task, task_form, config.model, model_form, data, folder, given, settled, config.command)


def _begun_with(path: Any) -> tuple[str, Plan]:
    """The finished run that another begins with or learns from: its path in full, and its plan. Raises RunError."""
    folder = existing_run(path)
    before = of_run(folder)
    if not (folder / MANIFEST).is_file():
        raise RunError("is not a finished run", where=path, remedy=f"go on with it first: samoyed resume {folder}")
    return str(folder.resolve()), before


def inherited(task_form: catalog.Form, before: Plan) -> dict[str, Any]:
    """The settings of a run's task that one which begins with it takes over."""
    same = before.task_form is task_form or before.task_form.name == task_form.name
    return {name: before.settled["task"][name] for name in task_form.attributes.get("inherits", ()) if same}


def existing_run(path: str | PathLike[str]) -> Path:
    """The run directory at `path`, ~ followed. Raises RunError, which names a run nearby where there is none."""
    try:
        folder = Path(path).expanduser()
        if folder.is_dir():
            runs = [] if _is_run(folder) else [p for p in folder.iterdir() if _is_run(p)]
            if runs:
                newest = max(runs, key=lambda p: (int(p.name) if p.name.isdecimal() else -1, p.name))
                raise RunError(
                    "is not a finished run, but holds some", where=path, remedy=f"name one of them, such as {newest}"
                )
            return folder
    except (OSError, RuntimeError, ValueError) as error:  # a name that is too long, an unknown ~user, a zero byte
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RunError(f"cannot be read: {why.lower()}", where=shown(path), remedy="check how it is spelled") from error
    if folder.exists():
        raise RunError("is a file, not the folder of a run", where=path, remedy=_GIVE)
    raise RunError("there is no such run", where=path, remedy=_near(folder) or _GIVE)


def known_run(path: str | PathLike[str]) -> Path:
    """The folder of a run, finished or not. Raises RunError, which says what is there instead."""
    folder = existing_run(path)
    if not _is_run(folder) and not (folder / MANIFEST).is_file():
        raise RunError(_no_run(folder), where=path, remedy="samoyed runs lists those below a folder")
    return folder


def finished_run(path: str | PathLike[str]) -> Path:
    """The folder of a run that has ended. Raises RunError."""
    folder = known_run(path)
    if not (folder / MANIFEST).is_file():
        remedy = f"let it end if it is at work, else go on with it: samoyed resume {folder}"
        raise RunError("is not a finished run: it has no manifest.json", where=path, remedy=remedy)
    return folder


def _no_run(folder: Path) -> str:
    return "is no run: it has no config.yaml" if any(folder.iterdir()) else "is no run: it is empty"


def _near(folder: Path) -> str | None:
    """The run beside one that is not there whose name is most like it, or the newest."""
    try:
        beside = [p for p in folder.parent.iterdir() if _is_run(p)]
    except OSError:
        return None
    if not beside:
        return None
    alike = difflib.get_close_matches(folder.name, [p.name for p in beside], n=1)
    newest = max(beside, key=lambda p: (int(p.name) if p.name.isdecimal() else -1, p.name))
    if alike and not folder.name.isdecimal():
        return f"did you mean {folder.parent / alike[0]}?"
    return f"the newest there is {newest}"


def _is_run(folder: Path) -> bool:
    return (folder / "config.yaml").is_file()


def run_folder(plan: Plan) -> Path:
    """Makes and returns the run directory: `out`, or the next free number under runs/<task>. Raises RunError."""
    try:
        if plan.out is not None:
            plan.out.mkdir(parents=True, exist_ok=True)
            return plan.out
        parent = Path("runs") / plan.task
        parent.mkdir(parents=True, exist_ok=True)
        number = max((int(p.name) for p in parent.iterdir() if p.name.isdecimal()), default=0) + 1
        while True:
            try:
                (parent / str(number)).mkdir()
                return parent / str(number)
            except FileExistsError:  # another run took it in the meantime
                number += 1
    except OSError as error:
        where = plan.out or Path("runs").absolute() / plan.task
        why = (error.strerror or str(error)).lower()
        raise RunError(
            f"no folder can be made here: {why}", where=where, remedy="name another with --out DIR"
        ) from error


def _path(given: str | PathLike[str], what: str) -> Path:
    """The path with ~ and links followed. Raises UsageError for what can be no path."""
    try:
        if not str(given):
            raise ValueError("it is empty")
        return Path(given).expanduser().resolve()
    except (ValueError, RuntimeError, OSError, TypeError) as error:  # a zero byte, an unknown ~user, a loop of links
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(
            f"{what} {shown(given)!r} can be no path: {why.lower()}", remedy="give a file or a folder"
        ) from error


def _existing(data: str | PathLike[str], task_form: catalog.Form, settled: dict[str, dict[str, Any]]) -> Path:
    """The path of the data. Raises DataError where there is nothing, with what else the word may have meant."""
    where = _path(data, "DATA")
    try:
        if where.exists():
            return where
    except OSError as error:  # a name that is too long, a folder that may not be entered
        why = (error.strerror or str(error)).lower()
        raise DataError(f"cannot be read: {why}", where=shown(data), remedy="check how it is spelled") from error
    from samoyed.sources import no_such_path

    word = str(data).replace("-", "_")
    missing = no_such_path(Path(data).expanduser())
    if word in catalog.models_for(task_form):
        missing = DataError(missing.problem, where=missing.where, remedy=f"to choose the model, write model={word}")
    elif any(word in owned for owned in settled.values()):
        missing = DataError(
            missing.problem, where=missing.where, remedy=f"to set {word}, write {word}=VALUE without spaces"
        )
    raise missing


def refuse_taken(folder: Path) -> None:
    """Raises UsageError for an `out` that holds something already, or is a file."""
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise UsageError(
            f"--out {folder} cannot be used: {(error.strerror or str(error)).lower()}", remedy="name a new folder"
        ) from error
    if taken:
        raise UsageError(f"{folder} is there already", remedy="name a new folder with --out DIR")


def as_text(value: Any) -> str:
    """A setting's value as it is written on the command line."""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
