"""Beginning with what another run has learned: its weights without the head, some of them held fixed (Yosinski et al. 2014).

A layer is a kernel or matrix with the biases and norms after it, in the order in which the model names them, from the input up. The
head is whatever changes its shape with the number of answers.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from samoyed import catalog
from samoyed.errors import UsageError
from samoyed.plan import Plan
from samoyed.run import Run
from samoyed.tasks import Task


def opened(plan: Plan) -> Run | None:
    """The run that a plan begins with, if it names one. Raises RunError where it cannot be opened, UsageError for another task or
    model, or one that is fitted."""
    path, freeze = plan.settled["training"]["from_run"], plan.settled["training"]["freeze"]
    if path is None:
        if freeze:
            raise UsageError(f"freeze={freeze} holds what another run has learned", remedy="name that run: from=RUN")
        return None
    run = Run.load(Path(path))
    for what, here in (("task", plan.task), ("model", plan.model)):
        if run.config[what] != here:
            remedy = f"choose model={run.config[what]}" if what == "model" else "begin with a run of this task"
            raise UsageError(f"{path} is a run of {run.config[what]}, and this is one of {here}", remedy=remedy)
    if hasattr(run.model, "fit"):
        raise UsageError(f"{plan.model} is fitted at once, so that nothing of {path} can be gone on with")
    return run


def take_over(plan: Plan, task: Task[Any, Any], model: nn.Module, run: Run, keep_head: bool) -> str:
    """Copies the run's weights into the model, all but the head unless `keep_head`; what was done, in words.

    Raises UsageError where a weight that should be taken has another shape here.
    """
    theirs, mine = run.model.state_dict(), model.state_dict()
    cut = set() if keep_head else head(task, plan.model_form, plan.settled["model"])
    cut |= set(mine) - _bare(task, plan.model_form, plan.settled["model"])
    taken: dict[str, Tensor] = {}
    for name, tensor in mine.items():
        if name in cut:
            continue
        found = theirs.get(name)
        if found is None or found.shape != tensor.shape:
            had = "is missing there" if found is None else f"has the shape {tuple(found.shape)} there"
            raise UsageError(
                f"{name} {had} and {tuple(tensor.shape)} here, so that {run.path} cannot be begun with",
                remedy="leave out settings of the model and image_size, which are then the run's own",
            )
        taken[name] = found
    model.load_state_dict({**mine, **taken})
    freeze, layers = plan.settled["training"]["freeze"], depths(model)
    most = max(layers.values()) + 1
    if freeze != "body" and freeze >= most:
        raise UsageError(
            f"freeze={freeze} leaves nothing to learn: the model has {most} layers",
            remedy="freeze=body keeps the head free",
        )
    if freeze == "body" and not cut:
        raise UsageError(
            "freeze=body leaves nothing to learn: the classes are the run's own, and so is the head",
            remedy="hold fewer layers, such as freeze=2",
        )
    held = {name for name, depth in layers.items() if (name not in cut if freeze == "body" else depth < freeze)}
    hold(model, held)
    free = sum(p.numel() for p in model.parameters() if p.requires_grad)
    head_is = "the head anew" if cut else "its head too, since the classes are the same"
    return f"with {run.path}, {head_is}; {free:,} of {sum(p.numel() for p in model.parameters()):,} parameters learn"


def head(task: Task[Any, Any], form: catalog.Form, settings: Mapping[str, Any]) -> set[str]:
    """The names of the weights whose shape depends on how many answers there are."""
    sizes = task.sizes()
    shapes: list[dict[str, torch.Size]] = []
    with torch.device("meta"):
        for more in (0, 1):
            given = {k: sizes[k] + more if k in task.outputs else sizes[k] for k in form.sizes}
            made: nn.Module = form.load()(**given, **settings)
            shapes.append({name: tensor.shape for name, tensor in made.state_dict().items()})
    return {name for name, shape in shapes[0].items() if shapes[1][name] != shape}


def _bare(task: Task[Any, Any], form: catalog.Form, settings: Mapping[str, Any]) -> set[str]:
    """The names of a model's own weights, without what its task learns beside it."""
    sizes = task.sizes()
    with torch.device("meta"):
        made: nn.Module = form.load()(**{k: sizes[k] for k in form.sizes}, **settings)
    return set(made.state_dict())


def depths(model: nn.Module) -> dict[str, int]:
    """The layer of each parameter, by name, 0 being next to the input."""
    found: dict[str, int] = {}
    layer = -1
    for name, parameter in model.named_parameters():
        layer += parameter.ndim > 1
        found[name] = max(layer, 0)
    return found


def hold(model: nn.Module, names: set[str]) -> None:
    """Holds these parameters fixed, and the layers that have no others in the mode of answering: a norm then goes on using the
    averages that it has."""
    for name, parameter in model.named_parameters():
        if name in names:
            parameter.requires_grad_(False)
    for prefix, module in model.named_modules():
        own = [f"{prefix}.{name}" if prefix else name for name, _ in module.named_parameters(recurse=False)]
        if own and set(own) <= names:
            module.held = True


def learning(model: nn.Module) -> None:
    """The model in training mode, but for the layers that are held."""
    model.train()
    for module in model.modules():
        if getattr(module, "held", False):
            module.training = False  # of its parts each says for itself
