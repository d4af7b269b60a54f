"""A run directory as an object: load it, predict, evaluate, write on.

A run is config.yaml, features.json and model.safetensors, sealed by manifest.json; loading reads data only and executes
nothing that is in it.
"""

import json
from os import PathLike
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from samoyed import catalog, settings
from samoyed.errors import RunError, UsageError
from samoyed.files import check_manifest
from samoyed.reporting.progress import Reporter
from samoyed.tasks import Task, to_device
from samoyed.training.evaluation import Result, evaluate
from samoyed.training.gather import gather

_NEEDED = ("config.yaml", "features.json", "model.safetensors", "results.json")


class Run:
    """A trained model with its task. `path` is the run directory, `metrics` what was measured when it was trained."""

    def __init__(self, path: Path, config: dict[str, Any], task: Task[Any, Any], model: nn.Module) -> None:
        self.path, self.config, self.task, self.model = path, config, task, model
        self.model.eval()

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> "Run":
        """Opens a run. Raises RunError if it is unfinished, damaged, or of a task or model that is not installed."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if not path.is_dir():
            raise RunError(
                "there is no such run", where=path, remedy="give a folder such as runs/image-classification/1"
            )
        check_manifest(path, _NEEDED)
        try:
            config = yaml.safe_load((path / "config.yaml").read_text("utf-8"))
            task_form = catalog.task(config["task"])
            model_form = catalog.model(task_form, config["model"])
            task: Task[Any, Any] = task_form.load()(**_checked(task_form, config["settings"]["task"]))
            task.restore(json.loads((path / "features.json").read_text("utf-8")))
            task.device = torch.device(device)
            model = build(task, model_form, _checked(model_form, config["settings"]["model"]))
            model.load_state_dict(load_file(path / "model.safetensors", device=device))
        except (UsageError, KeyError, TypeError, ValueError, RuntimeError, yaml.YAMLError, SafetensorError) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise RunError(
                f"cannot be opened: {first}", where=path, remedy="it may come from another version"
            ) from error
        return cls(path, config, task, model.to(device))

    @property
    def metrics(self) -> dict[str, Any]:
        """What was measured when the run was trained: split -> metric -> value, low, high, unit."""
        found: dict[str, Any] = self._results()["metrics"]
        return found

    @property
    def parameters(self) -> int:
        """How many numbers were learned, or stored by a model that is fitted."""
        return count_parameters(self.model)

    @property
    def seconds(self) -> float:
        """How long the training took."""
        return float(self._results()["seconds"])

    @property
    def report(self) -> Path:
        """The page about this run."""
        return self.path / "report.html"

    def predict(self, raw: Any) -> dict[str, Any]:
        """The answer to one raw thing (a path, an array, a text), decoded, as JSON. Raises DataError."""
        with torch.inference_mode():
            return self.task.answer(self.model, self.task.read(raw))

    def generate(self, beginning: str = "", **options: Any) -> dict[str, Any]:
        """Writes on from `beginning`: options are length, temperature, top_k, top_p, seed. Raises UsageError elsewhere."""
        if self.config["task"] != "text-generation":
            raise UsageError(f"a run of {self.config['task']} writes no text", remedy="use predict")
        with torch.inference_mode():
            try:
                return self.task.answer(self.model, self.task.read(beginning), **options)
            except ValueError as error:
                raise UsageError(str(error)) from error

    def evaluate(self, data: str | PathLike[str] | None = None, *, quiet: bool = True) -> dict[str, Any]:
        """Measures on `data` (its test split if it has one, else all of it), or again on the run's own test split.

        Returns metric -> {value, low, high, unit, better, count}. Raises DataError.
        """
        where = self.config["data"] if data is None else data
        gathered = gather(self.task, None if where is None else Path(where).expanduser(), Reporter(quiet))
        if data is None:
            examples = self.task.split(gathered.parts, self.config["settings"]["training"]["seed"]).test
        else:
            examples = gathered.parts.get("test") or [e for part in gathered.parts.values() for e in part]
        rows = to_device(self.task.collate(examples), self.task.device)
        return as_json(evaluate(self.task, self.model, rows))

    def _results(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.path / "results.json").read_text("utf-8"))
        return found


def build(task: Task[Any, Any], form: catalog.Form, hyperparameters: dict[str, Any]) -> nn.Module:
    """The model in the sizes that the task supplies. Raises UsageError where the sizes make it impossible."""
    sizes = task.sizes()
    try:
        model: nn.Module = form.load()(**{name: sizes[name] for name in form.sizes}, **hyperparameters)
    except (RuntimeError, ValueError, ZeroDivisionError) as error:
        shown = ", ".join(f"{name} {sizes[name]}" for name in form.sizes)
        raise UsageError(f"{form.name} cannot be built for {shown}: {error}") from error
    return model


def count_parameters(model: nn.Module) -> int:
    """Numbers that were learned: parameters, or the buffers of a model that is fitted and has none."""
    learned = sum(p.numel() for p in model.parameters())
    return learned or sum(b.numel() for b in model.buffers())


def as_json(results: dict[str, Result]) -> dict[str, Any]:
    """Results as JSON."""
    return {name: result._asdict() for name, result in results.items()}


def _checked(form: catalog.Form, given: dict[str, Any]) -> dict[str, Any]:
    """A stored run's settings, held against the signature like any other input."""
    known = form.settings
    return {name: settings.check(name, known[name].annotation, value) for name, value in given.items()}
