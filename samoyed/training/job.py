"""One run from plan to sealed directory: read, split, fit, train, measure, draw, write."""

import json
import platform
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save
from torch import nn

import samoyed
from samoyed import catalog, settings
from samoyed.errors import Interrupted, TrainingError, UsageError
from samoyed.files import write_bytes, write_json, write_manifest, write_text
from samoyed.plan import Plan, as_text, run_folder
from samoyed.reporting import tensorboard
from samoyed.reporting.curves import curves
from samoyed.reporting.figures import style
from samoyed.reporting.page import write_report
from samoyed.reporting.progress import Reporter, duration
from samoyed.run import Run, as_json, build, count_parameters
from samoyed.tasks import Picture, Split, Task, to_device
from samoyed.training.evaluation import Result, evaluate
from samoyed.training.gather import found, gather
from samoyed.training.trainer import Epoch, Trained, Trainer

_MOST_MEASURED = 10_000  # training examples that are measured again at the end


def train(plan: Plan, reporter: Reporter) -> Run:
    """Carries out the plan. Raises what `samoyed.train` raises."""
    trainer = Trainer(**plan.settled["training"])
    device = device_of(trainer.device)
    if trainer.tensorboard:
        tensorboard.needed()
    task: Task[Any, Any] = plan.task_form.load()(**plan.settled["task"])
    gathered = gather(task, plan.data, reporter)
    split = task.split(gathered.parts, trainer.seed)
    task.fit(split.train)
    rows = found(task, gathered, split, plan.data)
    reporter.block(plan.task, rows)

    torch.manual_seed(trainer.seed)
    task.device = device
    model = build(task, plan.model_form, plan.settled["model"]).to(task.device)
    data = {
        name: to_device(task.collate(part), task.device)
        for name, part in zip(("train", "valid", "test"), split[:3], strict=True)
    }
    folder = run_folder(plan)
    _write_config(folder, plan)
    reporter.say(
        f"  {'model':<10} {plan.model}, {count_parameters(model):,} parameters, on {_device_name(task.device)}"
    )
    reporter.say(f"  {'run':<10} {folder}")

    started = time.monotonic()
    with _signals(reporter):
        events = tensorboard.Events(folder) if trainer.tensorboard else None
        trained = _learn(task, model, trainer, data, reporter, folder, events)
    seconds = time.monotonic() - started
    if trained.ended in ("stopped", "failed") and not trained.epochs:
        if trained.ended == "failed":
            raise TrainingError(f"training stopped: {trained.why}", where=folder)
        raise Interrupted("stopped before anything was learned", where=folder)
    model.load_state_dict(trained.best)
    model.eval()
    with torch.inference_mode():
        task.calibrate(model, data["valid"])
    results = _measure(task, model, data)
    _write_weights(folder, task, trained)
    write_json(
        folder / "results.json",
        {
            "metrics": {name: as_json(found) for name, found in results.items()},
            "parameters": count_parameters(model),
            "seconds": round(seconds, 3),
            "ended": trained.ended,
        },
    )
    write_json(folder / "environment.json", environment(task.device))
    pictures = _pictures(task, model, split, data, trained)
    if events is not None:
        owned = {key: value for values in plan.settled.values() for key, value in values.items()}
        events.end(pictures, owned, {name: result.value for name, result in results["test"].items()})
    _report(folder, plan, task, model, pictures, trained, results, rows, seconds)
    write_manifest(folder, {"format": 1, "samoyed": samoyed.__version__, "ended": trained.ended})
    if trained.ended == "failed":
        raise TrainingError(f"training stopped: {trained.why}; {folder} holds the best weights of before")
    if trained.ended == "stopped":
        raise Interrupted(
            f"stopped after {duration(seconds)}; {folder} holds the best weights until then, measured and drawn"
        )
    return Run(folder, yaml.safe_load((folder / "config.yaml").read_text("utf-8")), task, model)


def device_of(name: str) -> torch.device:
    """The device a setting names; auto takes a GPU if there is one. Raises UsageError where it is absent."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, usable in there.items() if usable))
    if not there[name]:
        raise UsageError(
            f"there is no device {name} here",
            remedy=f"use device={'|'.join(k for k, v in there.items() if v)}, or auto",
        )
    return torch.device(name)


def environment(device: torch.device) -> dict[str, Any]:
    """What a figure depends on besides the command."""
    return {
        "samoyed": samoyed.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.platform(),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "device": _device_name(device),
    }


def _learn(
    task: Task[Any, Any],
    model: nn.Module,
    trainer: Trainer,
    data: dict[str, Any],
    reporter: Reporter,
    folder: Path,
    events: tensorboard.Events | None,
) -> Trained:
    fit = getattr(model, "fit", None)
    if fit is not None:  # fitted, not descended
        reporter.say("  fitting ...")
        fit(*task.fitting(data["train"]))
        weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        return Trained(weights, weights)
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as log:

        def record(epoch: Epoch) -> None:
            line = epoch._asdict() | {"valid": {name: result.value for name, result in epoch.valid.items()}}
            log.write(json.dumps(line) + "\n")
            log.flush()
            if events is not None:
                events.epoch(epoch)

        reporter.record = record
        reporter.begin(trainer.epochs, task.unit)
        try:
            return trainer.train(task, model, data["train"], data["valid"], reporter)
        finally:
            reporter.end()


def _measure(task: Task[Any, Any], model: nn.Module, data: dict[str, Any]) -> dict[str, dict[str, Result]]:
    some = type(data["train"])(*(tensor[:_MOST_MEASURED] for tensor in data["train"]))
    return {name: evaluate(task, model, some if name == "train" else data[name]) for name in ("train", "valid", "test")}


def _write_config(folder: Path, plan: Plan) -> None:
    config = {
        "samoyed": samoyed.__version__,
        "task": plan.task,
        "model": plan.model,
        "data": None if plan.data is None else str(plan.data),
        "settings": {owner: settings.plain(values) for owner, values in plan.settled.items()},
        "command": plan.command,
    }
    write_text(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


def _write_weights(folder: Path, task: Task[Any, Any], trained: Trained) -> None:
    for name, weights in (("model", trained.best), ("last", trained.last)):
        write_bytes(folder / f"{name}.safetensors", save({k: v.cpu().contiguous() for k, v in weights.items()}))
    write_json(folder / "features.json", task.state())


def _pictures(
    task: Task[Any, Any], model: nn.Module, split: Split, data: dict[str, Any], trained: Trained
) -> list[Picture]:
    with style(), torch.inference_mode():
        return curves(trained.epochs, task) + task.pictures(model, split, data)


def _report(
    folder: Path,
    plan: Plan,
    task: Task[Any, Any],
    model: nn.Module,
    pictures: list[Picture],
    trained: Trained,
    results: dict[str, dict[str, Result]],
    rows: list[tuple[str, str]],
    seconds: float,
) -> None:
    name, main = next(iter(results["test"].items()))
    unit = main.unit if main.unit.startswith("%") else f" {main.unit}"
    alerts = {
        "failed": f"This run ended early: {trained.why}. The weights are the best of before.",
        "stopped": "This run was stopped by hand; the weights are the best until then.",
    }
    settled = [pair for values in plan.settled.values() for pair in values.items()]
    owned = [(key, as_text(value)) for key, value in settled if value is not None]
    facts = {
        "title": f"{plan.task.replace('-', ' ').capitalize()} with {plan.model}",
        "summary": catalog.models()[plan.model].summary,
        "alert": alerts.get(trained.ended, ""),
        "headline": [
            (f"{main.value:.4g}{unit}", f"{name} on the test split, 95 % interval {main.low:.4g} to {main.high:.4g}"),
            (f"{count_parameters(model):,}", "parameters"),
            (duration(seconds), f"training, {len(trained.epochs)} epochs" if trained.epochs else "fitting"),
        ],
        "results": {part: {key: value.bare() for key, value in found.items()} for part, found in results.items()},
        "metrics": {name: metric.unit for name, metric in task.reported.items()},
        "found": rows,
        "settings": owned,
        "command": plan.command,
        "environment": environment(task.device),
    }
    write_report(folder, facts, pictures)


@contextmanager
def _signals(reporter: Reporter) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM asks for a clean stop; a second Ctrl-C is not waited for."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {kind: signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)}

    def ask(kind: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        reporter.request_stop()
        reporter.say("stopping after this step; measuring and saving what was learned (Ctrl-C again to give that up)")

    for kind in before:
        signal.signal(kind, ask)
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_processor()}, {torch.get_num_threads()} threads" if device.type == "cpu" else str(device)


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
