"""`samoyed compress`: a run made smaller, as another run, with what was lost and won beside each other.

Prune, train, share, train, quantise, pack (Han, Mao & Dally 2015, figure 1); int8 is ours beside their pipeline. What is measured
at the end is what was read back from the packed file.
"""

import copy
import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import samoyed
from samoyed import plan as plans
from samoyed.compressing import packing, pruning, sharing
from samoyed.compressing.keeping import Kept
from samoyed.compressing.latency import latencies
from samoyed.compressing.tuning import Rounds, checked
from samoyed.errors import UsageError
from samoyed.files import write_bytes, write_json, write_manifest, write_text
from samoyed.reporting import compression
from samoyed.reporting.curves import curves
from samoyed.reporting.figures import style
from samoyed.reporting.progress import Reporter
from samoyed.run import Run, keep_companions
from samoyed.stored import Compressed
from samoyed.tasks import Split, to_device
from samoyed.training.evaluation import Result, evaluate
from samoyed.training.gather import found, gather
from samoyed.training.machine import device_of, environment
from samoyed.training.prepare import SPLITS, Prepared
from samoyed.training.progress import Trained
from samoyed.training.trainer import Trainer
from samoyed.training.writing import Table, write_config, write_page, write_results

_FEWEST = 32  # weights of a matrix that is worth it


@dataclass
class Stage:
    """What the network was after one step: in words, its bytes, its figures on the test split, its time for one example."""

    name: str
    size: int
    results: dict[str, Result]
    milliseconds: float | None = None


@dataclass
class Work:
    """A compression in progress."""

    run: Run
    wanted: Compressed
    data: dict[str, Any]
    rounds: Rounds
    weights: dict[str, Tensor]
    original: nn.Module
    stages: list[Stage] = field(default_factory=list)

    def passed(self, name: str, coded: dict[str, packing.How], half: set[str]) -> bytes:
        """Packs the model as it is, gives it what the file holds, and measures that."""
        model, task = self.run.model, self.run.task
        data = packing.pack(model.state_dict(), coded, half)
        model.load_state_dict(packing.unpack(data, model.state_dict()))
        self.stages.append(Stage(name, len(data), evaluate(task, model, self.data["test"])))
        return data


def compress(
    path: Path,
    data: Path | None,
    out: Path | None,
    prune: float,
    share: int,
    quantise: str,
    given: dict[str, Any],
    reporter: Reporter,
) -> Run:
    """Makes the run at `path` smaller and writes it to `out`: `prune` the share of weights left out, `share` the bits of a level
    or 0, `quantise` int8 or none; `given` settings of the trainer for each round of training.

    Raises UsageError where nothing can be made smaller, RunError and DataError where the run or its data are not there.
    """
    wanted = Compressed(of=str(path), prune=prune, share=share, quantise="int8" if quantise == "int8" else "none")
    tuning = checked(given)
    plan = _plan(path, data, out, wanted, given)
    values = plan.settled["training"] | tuning
    run = Run.load(path, str(device_of(values["device"])))
    weights = compressible(run)
    started = time.monotonic()
    gathered = gather(run.task, plan.data, reporter)
    split = run.task.split(gathered.parts, values["seed"])
    rows = {
        name: to_device(run.task.collate(part), run.task.device) for name, part in zip(SPLITS, split[:3], strict=True)
    }
    torch.manual_seed(values["seed"])
    rounds = Rounds(run.task, run.model, rows, plan.settled["training"], tuning, reporter)
    work = Work(run, wanted, rows, rounds, weights, copy.deepcopy(run.model))
    work.stages.append(Stage("as it was", run.weights.stat().st_size, evaluate(run.task, run.model, rows["test"])))
    packed = _carried_out(work)
    seconds = time.monotonic() - started
    noted = found(run.task, gathered, split, plan.data)
    job = Prepared(plan, Trainer(**values), run.task, run.model, split, rows, noted)
    return _written(work, job, split, packed, seconds, reporter)


def compressible(run: Run) -> dict[str, Tensor]:
    """The matrices and kernels that are learned by gradients. Raises UsageError where there are none."""
    name = run.config["model"]
    if hasattr(run.model, "fit"):
        raise UsageError(
            f"{name} is fitted at once, not trained by steps: there is nothing to fine-tune",
            remedy="compress a run of a network",
        )
    weights: dict[str, Tensor] = {
        key: p
        for key, p in run.model.named_parameters()
        if p.requires_grad and p.dim() > 1 and p.numel() >= _FEWEST and p.dtype == torch.float32
    }
    if not weights:
        raise UsageError(f"{name} learns no matrices, so nothing of it can be made smaller", remedy="keep it as it is")
    return weights


def _carried_out(work: Work) -> bytes:
    wanted, weights, rounds = work.wanted, work.weights, work.rounds
    small = {name for name, p in work.run.model.named_parameters() if p.dim() <= 1}
    masks = {name: weight.detach() != 0 for name, weight in weights.items()}
    packed = b""
    if wanted.prune:
        for share in pruning.shares(wanted.prune):
            masks = pruning.masks(weights, share)
            rounds.tune(Kept(weights, masks), f"pruned to {1 - share:.1%} of the weights")
        packed = work.passed(
            f"pruned to {100 * (1 - wanted.prune):.3g} %", {name: packing.How() for name in weights}, set()
        )
    if wanted.share:
        levels = {name: sharing.assigned(weight, wanted.share) for name, weight in weights.items()}
        with torch.no_grad():
            for name, (values, numbers) in levels.items():
                weights[name].copy_(values[numbers])
        kept = Kept(weights, masks, {name: numbers for name, (_, numbers) in levels.items()})
        rounds.tune(kept, f"{2**wanted.share} levels a layer", levels=True)
        coded = {name: packing.How(few=True) for name in weights}
        packed = work.passed(f"{wanted.share}-bit levels", coded, small)
    if wanted.quantise == "int8":
        coded = {name: packing.How(few=bool(wanted.share), int8=True) for name in weights}
        packed = work.passed("int8", coded, small)
    return packed


def _plan(path: Path, data: Path | None, out: Path | None, wanted: Compressed, given: dict[str, Any]) -> plans.Plan:
    """The run's own plan, with the command that made it smaller."""
    plan = plans.of_run(path)
    if out is not None:
        plans.refuse_taken(out)
    words = ["samoyed", "compress", str(path), *([str(data)] if data else [])]
    words += [f"{key}={plans.as_text(value)}" for key, value in given.items()]
    words += ["--prune", f"{wanted.prune:g}"] if wanted.prune else []
    words += ["--share", f"{wanted.share}bit"] if wanted.share else []
    words += ["--quantise", wanted.quantise] if wanted.quantise != "none" else []
    return replace(plan, data=data or plan.data, out=out, said=" ".join(words))


def _written(work: Work, job: Prepared, split: Split, packed: bytes, seconds: float, reporter: Reporter) -> Run:
    task, model = work.run.task, work.run.model
    with torch.inference_mode():
        task.calibrate(model, work.data["valid"])
    some = type(work.data["train"])(*(tensor[: task.remeasured] for tensor in work.data["train"]))
    results = {"train": evaluate(task, model, some), "valid": evaluate(task, model, work.data["valid"])}
    results["test"] = evaluate(task, model, work.data["test"])
    work.stages[-1].results = results["test"]
    first = next(iter(task.batches(work.data["test"], 1)))
    times = latencies(task, [work.original, model], first)
    work.stages[0].milliseconds, work.stages[-1].milliseconds = times
    table = table_of(work)
    job.rows += [("smaller", f"{work.wanted.of}, {work.stages[0].size:,} bytes, to {work.stages[-1].size:,}")]
    with style(), torch.inference_mode():
        pictures = [
            compression.weights(dict(work.original.named_parameters()), work.weights, packing.sizes(packed)),
            *curves(work.rounds.epochs, task),
            *task.pictures(model, split, work.data),
        ]
    folder = plans.run_folder(job.plan)
    write_bytes(folder / packing.NAME, packed)
    write_json(folder / "features.json", task.state())
    keep_companions(task, folder)
    write_results(folder, model, results, seconds, "finished")
    write_json(folder / "environment.json", environment(task.device))
    write_json(folder / "compression.json", as_facts(work))
    lines = (e._asdict() | {"valid": {k: r.value for k, r in e.valid.items()}} for e in work.rounds.epochs)
    write_text(folder / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    for name, text in (exported := task.export(model, folder)):
        reporter.say(f"  {name:<10} {text}")
    job.rows += exported
    trained = Trained({}, {}, work.rounds.epochs)
    write_page(folder, job, trained, results, pictures, seconds, table)
    write_config(folder, job.plan, work.wanted)
    write_manifest(folder, {"format": 1, "samoyed": samoyed.__version__, "ended": "finished"})
    return Run.load(folder)


def table_of(work: Work) -> Table:
    """Each stage in a row: bytes, how many times smaller, the first metric with its interval, the time for one example."""
    name, first = next(iter(work.stages[0].results.items()))
    columns = ["", "bytes of weights", "smaller", f"{name}, {first.unit}", "ms for one example"]
    rows = []
    for stage in work.stages:
        time_ = "" if stage.milliseconds is None else f"{stage.milliseconds:.3g}"
        smaller = f"{work.stages[0].size / stage.size:.1f} x"
        rows.append([stage.name, f"{stage.size:,}", smaller, stage.results[name].bare(), time_])
    caption = (
        f"On the test split, with 95 % intervals. Pruned and shared weights are computed as before, so that they take as long. "
        f"Milliseconds on {environment(work.run.task.device)['device']}, medians of the two networks in turns."
    )
    return Table("Before and after", columns, rows, caption)


def as_facts(work: Work) -> dict[str, Any]:
    """The table as JSON."""
    return {
        "weights_left": pruning.left(work.weights),
        "stages": [
            {
                "stage": stage.name,
                "bytes": stage.size,
                "milliseconds": stage.milliseconds,
                "test": {name: result._asdict() for name, result in stage.results.items()},
            }
            for stage in work.stages
        ],
    }
