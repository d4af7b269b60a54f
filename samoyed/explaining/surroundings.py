"""`samoyed draw landscape RUN`: the loss around a run's weights, and how it curves there."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from samoyed import batching
from samoyed.errors import UsageError
from samoyed.explaining import hessian
from samoyed.explaining.landscape import direction, surface
from samoyed.layers.recurrence.stack import Recurrent
from samoyed.reporting import landscape
from samoyed.reporting.figures import style
from samoyed.reporting.page import write_explanation
from samoyed.reporting.progress import Reporter
from samoyed.run import Run
from samoyed.tasks import to_device
from samoyed.training.gather import gather

_SMALL = 400  # parameters of a network whose Hessian is written down
_STEPS, _STARTS = 40, 3
_MEMORY = 2**30  # bytes for the vectors of Lanczos' method
_BATCH = 128


def draw(path: Path, data: Path | None, out: Path, points: int, examples: int, reporter: Reporter) -> dict[str, Any]:
    """Draws the landscape of the run at `path` into the folder `out`, over at most `examples` of its training split.

    Returns the figures as JSON. Raises UsageError for a model that is fitted at once, RunError and DataError.
    """
    run = Run.load(path)
    task, model = run.task, run.model
    if hasattr(model, "fit"):
        raise UsageError(f"{run.config['model']} is fitted at once and descends no landscape")
    for module in model.modules():
        if isinstance(module, Recurrent):
            module.engine = "reference"  # whose second derivatives there are
    where = data or (None if run.config["data"] is None else Path(run.config["data"]))
    gathered = gather(task, where, reporter)
    train = task.split(gathered.parts, run.config["settings"]["training"]["seed"]).train
    rows = _some(to_device(task.collate(train), task.device), examples)
    parameters = [p for p in model.parameters() if p.requires_grad and p.is_floating_point()]
    if not parameters:
        raise UsageError(f"{run.config['model']} learns nothing that could have a landscape")
    loss = _Loss(task, model, rows)
    draws = torch.Generator().manual_seed(0)
    directions = [direction(parameters, draws) for _ in range(2)]
    places = torch.linspace(-1, 1, points).tolist()
    grid = torch.zeros(points, points, dtype=torch.float64)
    found = surface(loss.value, parameters, directions, places)
    for row, column, value in reporter.track(found, points * points, "landscape"):
        grid[row, column] = value
    here = loss.value()
    curved = _curvature(loss, parameters, reporter)
    with style():
        pictures = [landscape.surface(places, grid.numpy(), here), landscape.spectrum(curved)]
    facts = {
        "run": str(run.path),
        "loss": here,
        "examples": len(rows[0]),
        "parameters": curved.size,
        "largest_eigenvalue": curved.largest,
        "smallest_eigenvalue": curved.smallest,
        "eigenvalue_error": curved.error,
        "index": curved.negative,
        "index_error": curved.negative_error,
        "exact": curved.size <= _SMALL,
    }
    said = sentence(facts)
    page = write_explanation(out, str(run.path), f"The landscape around {run.path}", pictures, said)
    drawn = [str(out / "plots" / f"{picture.name}.png") for picture in pictures]
    return {**facts, "said": said, "page": str(page), "pictures": drawn}


def sentence(facts: dict[str, Any]) -> str:
    """What was found, for people."""
    doubt = "" if facts["exact"] else f" (give or take {2 * facts['index_error']:.2%})"
    kind = "a minimum in all directions that are not flat" if facts["index"] == 0 else "a saddle in some directions"
    return (
        f"loss {facts['loss']:.4g} over {facts['examples']:,} training examples; Hessian of {facts['parameters']:,} parameters: "
        f"largest eigenvalue {facts['largest_eigenvalue']:.4g}, smallest {facts['smallest_eigenvalue']:.4g}; "
        f"{facts['index']:.2%} of the eigenvalues are clearly negative{doubt}: {kind}"
    )


class _Loss:
    """The objective over some rows, in evaluation mode, as a mean: a number, or parts whose gradients add up."""

    def __init__(self, task: Any, model: nn.Module, rows: Any) -> None:
        self.task, self.model, self.rows = task, model.eval(), rows
        self.count = sum(float(mean.count) for mean in self._means())

    def _means(self) -> Any:
        self.task.carried = None
        for batch in self.task.batches(self.rows, _BATCH):
            yield self.task.objective(self.model, batch)

    def value(self) -> float:
        """The mean loss; infinity where it overflows."""
        with torch.no_grad():
            total = sum(float(mean.total) for mean in self._means()) / self.count
        return total if math.isfinite(total) else math.inf

    def parts(self) -> Any:
        """The mean loss in parts, as tensors with a graph."""
        for mean in self._means():
            yield mean.total / self.count


def _curvature(loss: _Loss, parameters: list[nn.Parameter], reporter: Reporter) -> hessian.Spectrum:
    product = hessian.products(loss.parts, parameters)
    like = torch.zeros(sum(p.numel() for p in parameters), device=parameters[0].device)
    if len(like) <= _SMALL:
        work, count = "dense", len(like)
    else:
        steps = min(_STEPS, _MEMORY // (4 * len(like)))
        if steps < 10:
            raise UsageError(f"{len(like):,} parameters are too many for the Hessian's spectrum in this memory")
        work, count = "lanczos", steps * _STARTS
    done = iter(reporter.track(range(count), count, "curvature"))

    def after() -> None:
        next(done, None)

    if work == "dense":
        found = hessian.dense(product, like, after)
    else:
        found = hessian.spectrum(product, like, steps, _STARTS, after=after)
    for _ in done:
        pass
    return found


def _some(rows: Any, most: int) -> Any:
    """At most `most` rows, spread evenly; of a text, its beginning."""
    first: Tensor = rows[0]
    if len(first) > most:
        return batching.take(rows, torch.linspace(0, len(first) - 1, most).long().to(first.device))
    if len(first) == 1 and first.dim() == 2:
        return type(rows)(*(t[:, : 32 * most] if t.dim() == 2 and t.shape[1] == first.shape[1] else t for t in rows))
    return rows
