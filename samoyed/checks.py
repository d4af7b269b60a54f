"""`samoyed check` and `samoyed gradcheck`: does it work here, can these data be learned from, are the gradients right?"""

import importlib.metadata
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

import samoyed
from samoyed import catalog, plan, settings
from samoyed.errors import UsageError, nearest, shown
from samoyed.explaining import layer_table
from samoyed.explaining.gradient_check import check_gradients
from samoyed.reporting.progress import Reporter
from samoyed.training.gather import found, gather
from samoyed.training.machine import device_of, environment

_LARGEST_SIDE = 100_000
_BLOCKS = "write channels x frames x height x width, such as 3x16x112x112"
_SHAPES = "write channels x height x width, such as 3x224x224"
_SIZES: dict[str, Any] = {
    "image_shape": (1, 12, 12),
    "input_shape": (1, 12, 12),
    "num_classes": 4,
    "output_size": 4,
    "vocab_size": 7,
    "sentence_ends": (3,),
    "num_tags": 3,
    "frame_size": 5,
    "block_shape": (1, 3, 8, 8),
    "line_height": 16,
    "num_symbols": 4,
    "source_vocab_size": 8,
    "target_vocab_size": 7,
    "caption_vocab_size": 7,
    "input_size": 2,
    "horizon": 3,
    "season": 2,
    "word_counts": (9, 6, 4, 3, 2, 1, 1),
    "window": 2,
    "negatives": 2,
    "subsample": 0.0,
    "alphabet_size": 4,
    "point_size": 3,
}


def installation() -> list[tuple[str, str]]:
    """Versions, device, room on the disk, and one step of every task with its default model on its sample."""
    rows = [(name, str(value)) for name, value in environment(device_of("auto")).items()]
    rows.append(("room here", f"{shutil.disk_usage(Path.cwd()).free / 1e9:,.0f} GB"))
    for package in ("tensorboard",):
        try:
            rows.append((package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            rows.append((package, f"not installed (pip install samoyed[{package}])"))
    for name in catalog.tasks():
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            run = samoyed.train(name, out=Path(folder) / "run", quiet=True, max_steps=1)
        rows.append(
            (
                name,
                f"one step of {run.config['model']} on the sample, measured and drawn, in {time.monotonic() - began:.1f} s",
            )
        )
    return rows


def data(made: plan.Plan) -> list[tuple[str, str]]:
    """The block that training would begin with. Raises what training would raise before its first step."""
    task = made.task_form.load()(**made.settled["task"])
    gathered = gather(task, made.data, Reporter(quiet=True))
    split = task.split(gathered.parts, made.settled["training"]["seed"])
    task.fit(split.train)
    return found(task, gathered, split, made.data)


def gradients(entry: catalog.Entry, given: dict[str, Any]) -> dict[str, Any]:
    """Finite differences against autograd for every form of a model, at small sizes, in float64.

    Raises UsageError for a model that has nothing to descend, or a setting that it lacks.
    """
    name = entry.name
    rows: dict[str, Any] = {}
    worst, kinks, unverified = 0.0, 0, list[str]()
    used: set[str] = set()
    for form in entry.forms:
        if not form.sizes or not set(form.sizes) <= set(_SIZES):
            continue
        chosen = {k: settings.check(k, form.settings[k].annotation, v) for k, v in given.items() if k in form.settings}
        used |= set(chosen)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model: nn.Module = form.load()(**{size: _SIZES[size] for size in form.sizes}, **chosen).double().eval()
            example = _example(form)
        parameters = dict(model.named_parameters())
        if not parameters:
            raise UsageError(f"{name} has no parameters to descend, so there is no gradient to check")

        with torch.no_grad():  # answers far from 0, such as distances, would leave tanh no slope
            size = max(1.0, float(_first(model(*example)).abs().max()))

        def loss(model: nn.Module = model, example: Any = example, size: float = size) -> torch.Tensor:
            first = _first(model(*example))
            weights = torch.linspace(-1, 1, first.numel(), dtype=torch.float64).view_as(first)
            return ((first / size).tanh() * weights).sum()

        result = check_gradients(loss, parameters, samples=40)
        rows |= {f"{form.name}.{tensor}": f"{error:.1e}" for tensor, error in result.errors.items()}
        worst, kinks = max(worst, result.worst[1]), kinks + sum(result.kinks.values())
        unverified += [f"{form.name}.{tensor}" for tensor in result.unverified]
    unknown = set(given) - used
    if unknown:
        raise UsageError(f"{name} has no setting called {unknown.pop()!r}")
    rows |= {"worst relative error": f"{worst:.1e}", "kinks left out": kinks}
    if unverified:
        rows["only kinks"] = ", ".join(unverified)
    return {**rows, "ok": worst < 1e-5 and not unverified}


def layers(entry: catalog.Entry, shape: str, classes: int, given: dict[str, Any]) -> dict[str, Any]:
    """The layers of a model for an input such as 3x224x224, on no device: nothing is computed.

    Raises UsageError for a shape that is none, for what is no model of pictures, and for settings that are not its own.
    """
    parts = shape.lower().replace("×", "x").split("x")
    if not all(
        part.isascii() and part.isdigit() and len(part) < 7 and 0 < int(part) <= _LARGEST_SIDE for part in parts
    ):
        raise UsageError(f"--input {shown(shape)!r} is no shape", remedy=_SHAPES)
    size = tuple(map(int, parts))
    sizes = {
        "image_shape": size,
        "input_shape": size,
        "block_shape": size,
        "num_classes": classes,
        "output_size": classes,
    }
    form = next((form for form in entry.forms if form.sizes and set(form.sizes) <= set(sizes)), None)
    if form is None:
        raise UsageError(
            f"{entry.name} takes no picture", remedy="--input is for models of pictures, clips and volumes"
        )
    if "image_shape" in form.sizes and len(size) != 3:
        raise UsageError(f"--input {shape!r} is no picture", remedy=_SHAPES)
    if "block_shape" in form.sizes and len(size) != 4:
        raise UsageError(f"--input {shape!r} is no block of pictures", remedy=_BLOCKS)
    for key in given:
        if key not in form.settings:
            raise UsageError(f"{entry.name} has no setting called {shown(key)!r}", remedy=nearest(key, form.settings))
    chosen = {key: settings.check(key, form.settings[key].annotation, value) for key, value in given.items()}
    try:
        with torch.device("meta"):
            model: nn.Module = form.load()(**{key: sizes[key] for key in form.sizes}, **chosen)
        return {"model": entry.name, **layer_table.facts(model, size)}
    except (RuntimeError, ValueError, ZeroDivisionError) as error:
        raise UsageError(f"{form.name} cannot be built for {shape}: {error}") from error


def _first(answer: Any) -> torch.Tensor:
    """What a model answers, without the state that it may carry."""
    found: torch.Tensor = answer[0] if isinstance(answer, tuple) else answer
    return found


def _example(form: catalog.Form) -> tuple[torch.Tensor, ...]:
    """What the model is called with."""
    if "target_vocab_size" in form.sizes:
        sources, targets = (torch.randint(_SIZES[f"{side}_vocab_size"], (2, 6)) for side in ("source", "target"))
        return sources, torch.tensor([6, 4]), targets
    if "caption_vocab_size" in form.sizes:
        shape = (2, *_SIZES["image_shape"])
        return torch.randn(shape, dtype=torch.float64), torch.randint(_SIZES["caption_vocab_size"], (2, 2, 5))
    if "line_height" in form.sizes:
        return torch.randn(2, _SIZES["line_height"], 24, dtype=torch.float64), torch.tensor([24, 17])
    if "frame_size" in form.sizes:
        return torch.randn(2, 6, _SIZES["frame_size"], dtype=torch.float64), torch.tensor([6, 4])
    if "vocab_size" in form.sizes:
        return (torch.randint(_SIZES["vocab_size"], (2, 6)),)
    if "alphabet_size" in form.sizes:
        return torch.randn(2, 6, _SIZES["point_size"], dtype=torch.float64), torch.randint(
            _SIZES["alphabet_size"], (2, 5)
        )
    if "word_counts" in form.sizes:
        return (torch.randint(len(_SIZES["word_counts"]), (2, 2 * _SIZES["window"] + 1)),)
    shape = next(
        (_SIZES[s] for s in ("image_shape", "input_shape", "block_shape") if s in form.sizes), (6, _SIZES["input_size"])
    )
    return (torch.randn(2, *shape, dtype=torch.float64),)
