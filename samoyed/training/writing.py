"""The files of a run directory, besides checkpoints and metrics."""

import hashlib
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save
from torch import Tensor, nn

import samoyed
from samoyed import catalog, settings
from samoyed.comparing.beside import Row, Table, beside, others
from samoyed.files import write_bytes, write_json, write_text
from samoyed.plan import Plan, as_text
from samoyed.reporting.curves import curves
from samoyed.reporting.figures import style
from samoyed.reporting.page import write_report
from samoyed.reporting.progress import duration
from samoyed.run import as_json, count_parameters, keep_companions
from samoyed.sources._paths import plural
from samoyed.stored import Compressed
from samoyed.tasks import Picture, Task
from samoyed.training.evaluation import Result
from samoyed.training.machine import environment
from samoyed.training.prepare import Prepared
from samoyed.training.progress import Trained

_ALERTS = {
    "failed": "This run ended early: {why}. The weights are the best of before.",
    "stopped": "This run was stopped by hand; the weights are the best until then.",
}


def write_config(folder: Path, plan: Plan, compressed: Compressed | None = None) -> None:
    """config.yaml: what the run was told, every setting as it was settled, and how it was made smaller, if it was."""
    config = {
        "samoyed": samoyed.__version__,
        "task": plan.task,
        "model": plan.model,
        "data": None if plan.data is None else str(plan.data),
        "settings": {owner: settings.plain(values) for owner, values in plan.settled.items()},
        "command": plan.command,
        **({} if compressed is None else {"compressed": compressed.model_dump()}),
    }
    write_text(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


def write_weights(folder: Path, task: Task[Any, Any], trained: Trained) -> None:
    """model.safetensors, last.safetensors, features.json, and the runs that the task works with."""
    for name, weights in (("model", trained.best), ("last", trained.last)):
        write_bytes(folder / f"{name}.safetensors", save({k: v.cpu().contiguous() for k, v in weights.items()}))
    write_json(folder / "features.json", task.state())
    keep_companions(task, folder)


def write_results(
    folder: Path, model: nn.Module, results: dict[str, dict[str, Result]], seconds: float, ended: str, tested_on: str
) -> None:
    """results.json: every metric on every split; `tested_on` tells the examples of the test split from others."""
    found = {
        "metrics": {name: as_json(result) for name, result in results.items()},
        "parameters": count_parameters(model),
        "seconds": round(seconds, 3),
        "ended": ended,
        "tested_on": tested_on,
    }
    write_json(folder / "results.json", found)


def drawn(job: Prepared, trained: Trained) -> list[Picture]:
    """The pictures of the report."""
    with style(), torch.inference_mode():
        return curves(trained.epochs, job.task) + job.task.pictures(job.model, job.split, job.data)


def write_page(
    folder: Path,
    job: Prepared,
    trained: Trained,
    results: dict[str, dict[str, Result]],
    pictures: list[Picture],
    seconds: float,
    tested_on: str,
    table: Table | None = None,
) -> None:
    """report.html and plots/*.png; earlier runs that were `tested_on` the same stand beside this one; `table` stands above the metrics."""
    name, main = next(iter(results["test"].items()))
    unit = main.unit if main.unit.startswith("%") else f" {main.unit}"
    settled = [pair for values in job.plan.settled.values() for pair in values.items()]
    own = Row(folder.name, job.plan.model, results["test"], job.parameters, seconds)
    facts = {
        "title": f"{job.plan.task.replace('-', ' ').capitalize()} with {job.plan.model}",
        "summary": catalog.models()[job.plan.model].summary,
        "alert": _ALERTS.get(trained.ended, "").format(why=trained.why),
        "headline": [
            (f"{main.value:.4g}{unit}", f"{name} on the test split, 95 % interval {main.low:.4g} to {main.high:.4g}"),
            (f"{job.parameters:,}", "parameters"),
            (duration(seconds), f"training, {plural(len(trained.epochs), 'epoch')}" if trained.epochs else "fitting"),
        ],
        "results": {part: {key: value.bare() for key, value in found.items()} for part, found in results.items()},
        "metrics": {key: metric.unit for key, metric in job.task.reported.items()},
        "found": job.rows,
        "settings": [(key, as_text(value)) for key, value in settled if value is not None],
        "command": job.plan.command,
        "environment": environment(job.task.device),
        "table": table,
        "beside": beside(own, others(folder, job.plan.task, tested_on)),
    }
    write_report(folder, facts, pictures)


def fingerprint(rows: tuple[Tensor, ...]) -> str:
    """SHA-256 over the shapes and values of tensors: the same data, the same figure."""
    digest = hashlib.sha256()
    for tensor in rows:
        digest.update(repr((tuple(tensor.shape), tensor.dtype)).encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
