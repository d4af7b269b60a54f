"""A run directory as an object: load it, predict, evaluate, write on.

A run is config.yaml, features.json, results.json and model.safetensors (model.packed of one that was compressed), sealed by
manifest.json; loading reads data only,
checks all of it, and executes nothing that is in it.
"""

import inspect
import json
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from samoyed import catalog, settings
from samoyed.compressing import packing
from samoyed.errors import DataError, RunError, SamoyedError, UsageError
from samoyed.files import MANIFEST, check_manifest, write_bytes
from samoyed.layers import int8
from samoyed.plan import finished_run
from samoyed.reporting.progress import Reporter
from samoyed.stored import Compression, Config, Results, brief
from samoyed.tasks import Task, to_device
from samoyed.training.evaluation import Result, evaluate
from samoyed.training.gather import gather

_NEEDED = ("config.yaml", "features.json", "results.json")
_WEIGHTS = "model.safetensors"
_UNUSABLE = (
    UsageError, AttributeError, KeyError, TypeError, ValueError, RuntimeError, RecursionError, MemoryError, OverflowError,
    yaml.YAMLError, SafetensorError, UserWarning,
)  # fmt: skip


class Run:
    """A trained model with its task. `path` is the run directory, `config` what it was told, `metrics` what was measured."""

    def __init__(self, path: Path, task: Task[Any, Any], model: nn.Module) -> None:
        """Around the task and model of the run in `path`, whose files have been checked or have just been written."""
        self.path, self.task, self.model = path, task, model
        self.config: dict[str, Any] = _config(path).model_dump()
        self._results: dict[str, Any] = Results.model_validate_json((path / "results.json").read_bytes()).model_dump()
        self.model.eval()

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> "Run":
        """Opens a run. Raises RunError if it is unfinished, damaged, or of a task or model that is not installed."""
        path = finished_run(path)
        weights = _weights_in(path).name
        if check_manifest(path, (*_NEEDED, weights)).get("format") != 1:
            raise RunError("is of a format that this version does not read", where=path, remedy="update samoyed")
        try:
            config = _config(path)
            task_form = catalog.task(config.task)
            model_form = catalog.model(task_form, config.model)
            given = config.settings
            catalog.settle(task_form, model_form, {**given.task, **given.model, **given.training})
            task: Task[Any, Any] = task_form.load()(**_checked(task_form, given.task))
            accompany(task, path)
            task.restore(json.loads((path / "features.json").read_text("utf-8")))
            task.device = torch.device(device)
            model = build(task, model_form, _checked(model_form, given.model))
            if weights == packing.NAME:
                packed = (path / weights).read_bytes()
                model.load_state_dict(packing.unpack(packed, model.state_dict()))
                int8.engage(model, packing.scales(packed))
            else:
                model.load_state_dict(load_file(path / weights, device=device))
            return cls(path, task, model.to(device))
        except _UNUSABLE as error:
            why = f"cannot be opened: {brief(error)}"
            raise RunError(why, where=path, remedy="it may come from another version") from error

    @property
    def metrics(self) -> dict[str, Any]:
        """What was measured when the run was trained: split -> metric -> value, low, high, unit."""
        found: dict[str, Any] = self._results["metrics"]
        return found

    @property
    def weights(self) -> Path:
        """The file of the weights."""
        return _weights_in(self.path)

    @property
    def compression(self) -> dict[str, Any] | None:
        """Of a run that was compressed: how many weights are left, and each stage with its bytes and figures; else None."""
        path = self.path / "compression.json"
        if not self.config.get("compressed") or not path.is_file():
            return None
        check_manifest(self.path, (path.name,))
        return Compression.model_validate_json(path.read_bytes()).model_dump()

    @property
    def parameters(self) -> int:
        """How many numbers were learned, or stored by a model that is fitted."""
        return count_parameters(self.model)

    @property
    def seconds(self) -> float:
        """How long the training took."""
        return float(self._results["seconds"])

    @property
    def ended(self) -> str:
        """How training ended: finished, early (patience), stopped (by hand) or failed."""
        return str(self._results["ended"])

    @property
    def report(self) -> Path:
        """The page about this run."""
        return self.path / "report.html"

    def predict(self, raw: Any) -> dict[str, Any]:
        """The answer to one raw thing (a path, an array, a text), decoded, as JSON. Raises DataError and UsageError."""
        with torch.inference_mode():
            return self.task.answer(self.model, self.task.read(raw))

    def explain(self, raw: Any, out: str | PathLike[str]) -> dict[str, Any]:
        """How the run comes to its answer for one raw thing: pictures and a page, written into the folder `out`.

        Returns the answer, the page and the pictures' paths. Raises DataError, and UsageError where the task draws none.
        """
        from samoyed.reporting.figures import style
        from samoyed.reporting.page import write_explanation

        draw = getattr(self.task, "explained", None)
        if draw is None:
            task = self.config["task"]
            raise UsageError(f"runs of {task} cannot be explained yet", remedy="look at the report of the run")
        example = self.task.read(raw)
        with torch.inference_mode():
            answer = self.task.answer(self.model, example)
        with style():
            pictures = draw(self.model, example)
        said = self.task.say(answer)
        page = write_explanation(Path(out), str(self.path), said, pictures)
        drawn = [str(Path(out) / "plots" / f"{picture.name}.png") for picture in pictures]
        return {"said": said, "answer": answer, "page": str(page), "pictures": drawn}

    def generate(self, beginning: str = "", **options: Any) -> dict[str, Any]:
        """Writes on from `beginning`, or writes it by hand: options are those of the task's `answer`, such as length, temperature
        and seed. Raises UsageError for other tasks and other options."""
        if not self.task.generates:
            raise UsageError(f"a run of {self.config['task']} writes no text", remedy="use predict")
        self._check_options(options)
        with torch.inference_mode():
            try:
                return self.task.answer(self.model, self.task.read(beginning), **options)
            except ValueError as error:
                raise UsageError(str(error)) from error

    def stream(self, raw: Any, **options: Any) -> Iterator[str]:
        """The text of an answer in pieces, each as soon as it is found; joined they are what `generate` writes on, or the text that
        `predict` gives. Options are `generate`'s. Raises DataError, and UsageError where the task's answers come whole."""
        stream = getattr(self.task, "stream", None)
        if stream is None:
            task = self.config["task"]
            raise UsageError(f"answers of {task} come whole, not piece by piece", remedy="use predict or generate")
        self._check_options(options)
        pieces: Iterator[str] = stream(self.model, self.task.read(raw), **options)
        return _pieces(pieces)

    def _check_options(self, options: dict[str, Any]) -> None:
        """Raises UsageError for an option that the task's `answer` does not have."""
        known = list(inspect.signature(self.task.answer).parameters)[2:]
        other = next((name for name in options if name not in known), None)
        if other is not None:
            task, remedy = self.config["task"], f"it has {', '.join(known)}" if known else "leave it out"
            raise UsageError(f"a run of {task} has no option {other!r}", remedy=remedy)

    def write(self, answer: dict[str, Any], path: str | PathLike[str]) -> Path:
        """Writes an answer into a file of the kind that its name says, such as .svg. Raises UsageError where there is none."""
        write = getattr(self.task, "written", None)
        if write is None:
            task = self.config["task"]
            raise UsageError(f"answers of {task} are not written into files", remedy="leave out --out, or use --json")
        found: Path = write(answer, Path(path).expanduser())
        return found

    def write_all(self, answers: list[dict[str, Any]], path: str | PathLike[str]) -> list[Path]:
        """Writes several answers: into one file where its kind holds them all, else into name-1, name-2 and so on; an error in the
        place of an answer is not written, but has its number."""
        out, numbered = Path(path).expanduser(), [one for one in enumerate(answers, 1) if "error" not in one[1]]
        together = getattr(self.task, "written_together", None)
        whole = together([answer for _, answer in numbered], out) if together is not None and numbered else None
        if whole is not None or len(answers) == 1:
            return [whole or self.write(answers[0], out)]
        return [self.write(answer, out.with_stem(f"{out.stem}-{i}")) for i, answer in numbered]

    def evaluate(self, data: str | PathLike[str] | None = None, *, quiet: bool = True) -> dict[str, Any]:
        """Measures on `data` (its test split if it has one, else all of it), or again on the run's own test split.

        Returns metric -> {value, low, high, unit, better, count}. Raises DataError.
        """
        rows = to_device(self.task.collate(self.held_out(data, quiet=quiet)), self.task.device)
        return as_json(evaluate(self.task, self.model, rows))

    def held_out(self, data: str | PathLike[str] | None = None, *, quiet: bool = True) -> list[Any]:
        """The examples of the run's own test split, or those to measure on at `data`. Raises DataError."""
        where = self.config["data"] if data is None else data
        if data is None and where is not None and not Path(where).exists():
            remedy = "name DATA to measure it on"
            raise DataError(
                "there is no such file or folder, where the run's own data were", where=where, remedy=remedy
            )
        gathered = gather(self.task, None if where is None else Path(where).expanduser(), Reporter(quiet))
        if data is None:
            return list(self.task.split(gathered.parts, self.config["settings"]["training"]["seed"]).test)
        return gathered.parts.get("test") or [e for part in gathered.parts.values() for e in part]


def _weights_in(path: Path) -> Path:
    packed = path / packing.NAME
    return packed if packed.is_file() else path / _WEIGHTS


def build(task: Task[Any, Any], form: catalog.Form, hyperparameters: dict[str, Any]) -> nn.Module:
    """The model in the sizes that the task supplies. Raises UsageError where the sizes make it impossible."""
    sizes = task.sizes()
    try:
        model: nn.Module = form.load()(**{name: sizes[name] for name in form.sizes}, **hyperparameters)
    except (RuntimeError, ValueError, ZeroDivisionError) as error:
        text = ", ".join(f"{name} {sizes[name]}" for name in form.sizes)
        raise UsageError(f"{form.name} cannot be built for {text}: {error}") from error
    task.furnish(model)
    return model


def accompany(task: Task[Any, Any], inside: Path | None = None) -> None:
    """Opens the runs that a task's settings name, such as its language model: where they were named, or the copies `inside` a run,
    which needs nothing outside itself. Raises RunError, and UsageError where one does not suit."""
    for name in task.companions:
        named = getattr(task, name)
        if named is None:
            continue
        path = Path(named).expanduser() if inside is None else inside / name
        try:
            other = Run.load(path)
        except SamoyedError as error:
            raise RunError(f"the run that {name}= names cannot be opened: {error.problem}", where=path) from error
        task.join(name, other.task, other.model)
        task.opened = {**task.opened, name: path}


def keep_companions(task: Task[Any, Any], folder: Path) -> None:
    """Copies what is needed of those runs into the run in `folder`, each under the name of its setting."""
    for name, path in task.opened.items():
        for file in (*_NEEDED, _weights_in(path).name, MANIFEST):
            write_bytes(folder / name / file, (path / file).read_bytes())


def count_parameters(model: nn.Module) -> int:
    """Numbers that were learned: parameters, or the buffers of a model that is fitted and has none."""
    learned = sum(p.numel() for p in model.parameters())
    return learned or sum(b.numel() for b in model.buffers())


def as_json(results: dict[str, Result]) -> dict[str, Any]:
    """Results as JSON."""
    return {name: result._asdict() for name, result in results.items()}


def _config(path: Path) -> Config:
    return Config.model_validate(yaml.safe_load((path / "config.yaml").read_text("utf-8")))


def _checked(form: catalog.Form, given: dict[str, Any]) -> dict[str, Any]:
    """A stored run's settings, held against the signature like any other input."""
    known = form.settings
    return {name: settings.check(name, known[name].annotation, value) for name, value in given.items()}


def _pieces(found: Iterator[str]) -> Iterator[str]:
    """The same; what an option out of its range raises is a UsageError."""
    try:
        yield from found
    except ValueError as error:
        raise UsageError(str(error)) from error
