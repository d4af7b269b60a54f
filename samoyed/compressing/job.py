"""`samoyed compress`: a run made smaller, as another run, with what was lost and won beside each other.

Prune, train, share, train, quantise, pack (Han, Mao & Dally 2015, figure 1); int8 is ours beside their pipeline. What is measured
at the end is what was read back from the packed file.
"""

import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import samoyed
from samoyed import batching, settings
from samoyed import plan as plans
from samoyed.comparing.identity import digest
from samoyed.compressing import packing, pruning, resuming, sharing
from samoyed.compressing.keeping import Kept
from samoyed.compressing.latency import latencies
from samoyed.compressing.stages import TOGETHER, Stage, facts_of, paired, stage_of, table_of
from samoyed.compressing.tuning import Rounds, checked
from samoyed.errors import UsageError
from samoyed.files import sha256, write_bytes, write_json, write_manifest, write_text
from samoyed.layers import int8
from samoyed.reporting import compression
from samoyed.reporting.curves import curves
from samoyed.reporting.figures import style
from samoyed.reporting.progress import Reporter
from samoyed.run import Run, keep_companions
from samoyed.stored import Compressed
from samoyed.tasks import Split, to_device
from samoyed.training.checkpoint import Snapshot
from samoyed.training.evaluation import evaluate
from samoyed.training.gather import found, gather
from samoyed.training.job import signals
from samoyed.training.machine import device_of, environment
from samoyed.training.prepare import SPLITS, Prepared
from samoyed.training.progress import Trained
from samoyed.training.state import as_facts, from_facts, generators, set_generators, weights_of
from samoyed.training.trainer import Trainer
from samoyed.training.world import ALONE
from samoyed.training.writing import fingerprint, write_config, write_page, write_results

_FEWEST = 32  # weights of a matrix that is worth it


@dataclass
class Work:
    """A compression in progress."""

    run: Run
    wanted: Compressed
    data: dict[str, Any]
    rounds: Rounds
    weights: dict[str, Tensor]
    original: nn.Module
    masks: dict[str, Tensor] = field(default_factory=dict)
    stages: list[Stage] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)  # layers that are computed in int8

    at: int = 0  # rounds of training that were come by, and those that were done when it was gone on
    done: int = 0

    def tune(self, kept: Callable[[], Kept], title: str, levels: bool = False) -> None:
        """The next round, unless it was done before."""
        self.at += 1
        if self.at <= self.done:
            return
        made = kept()
        self.rounds.tune(self.at, made, title, levels)
        self.masks = made.masks
        facts = {
            "stages": [facts_of(stage) for stage in self.stages],
            "epochs": [as_facts(epoch) for epoch in self.rounds.epochs],
        }
        other = {
            **{f"mask.{name}": mask for name, mask in self.masks.items()},
            **generators(self.run.task.device, ALONE),
        }
        self.rounds.progress.keep(self.at, Snapshot(facts, model=weights_of(self.run.model, ALONE), other=other))

    def restored(self) -> bool:
        """Goes on from the last round that is whole on the disk; False where none is."""
        start, problems = self.rounds.progress.reached()
        for problem in problems:
            self.rounds.reporter.warn(f"{problem}; what was kept before it is used")
        if start is None:
            return False
        self.run.model.load_state_dict(start.model)
        self.masks = {name: start.other[f"mask.{name}"].to(w.device) for name, w in self.weights.items()}
        self.stages = [stage_of(facts) for facts in start.facts["stages"]]
        self.rounds.epochs[:] = [from_facts(epoch) for epoch in start.facts["epochs"]]
        set_generators(start.other, self.run.task.device, ALONE, True)
        self.done = int(start.facts["steps"])
        return True

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
    resume: bool = False,
) -> Run:
    """Makes the run at `path` smaller and writes it to `out`: `prune` the share of weights left out, `share` the bits of a level
    or 0, `quantise` int8 or none; `given` settings of the trainer for each round of training. With `resume`, goes on with what the same
    call began and did not end, if there is such a thing.

    Raises UsageError where nothing can be made smaller, RunError and DataError where the run or its data are not there, Interrupted
    after Ctrl-C or SIGTERM.
    """
    told: dict[str, Any] = {
        "of": str(path), "data": None if data is None else str(data), "prune": prune, "share": share, "quantise": quantise,
        "given": settings.plain(given),
    }  # fmt: skip
    parent = Path("runs") / plans.of_run(path).task
    begun = (out if out is not None and resuming.is_begun(out) else resuming.latest(parent, told)) if resume else None
    if begun is not None and resuming.told(begun) != told:
        raise UsageError(f"the compression in {begun} was begun with other settings", remedy="name another --out DIR")
    if begun is None and out is not None:
        plans.refuse_taken(out)
    return _carry_out(begun, out, told, given, reporter)


def resume(folder: Path, reporter: Reporter) -> Run:
    """Goes on with a compression that was stopped or killed. Raises what `compress` raises."""
    told = resuming.told(folder)
    return _carry_out(folder, folder, told, told["given"], reporter)


def _carry_out(
    begun: Path | None, out: Path | None, told: dict[str, Any], given: dict[str, Any], reporter: Reporter
) -> Run:
    path, data = Path(told["of"]), None if told["data"] is None else Path(told["data"])
    form: Any = "int8" if told["quantise"] == "int8" else "none"
    wanted = Compressed(of=str(path), prune=told["prune"], share=told["share"], quantise=form)
    tuning = checked(given)
    plan = _plan(path, data, begun or out, wanted, given)
    values = plan.settled["training"] | tuning
    run = Run.load(path, str(device_of(values["device"])))
    int8.release(run.model)
    weights = compressible(run)
    started = time.monotonic()
    gathered = gather(run.task, plan.data, reporter)
    split = run.task.split(gathered.parts, values["seed"])
    rows = {
        name: to_device(run.task.collate(part), run.task.device) for name, part in zip(SPLITS, split[:3], strict=True)
    }
    torch.manual_seed(values["seed"])
    folder = begun or plans.run_folder(plan)
    identity = {
        "run": sha256(run.weights),
        "data": fingerprint(rows["train"]),
        "told": json.dumps(told, sort_keys=True),
    }
    progress = resuming.Progress(folder, identity)
    progress.begin(told)
    write_config(folder, plan, wanted)
    original = copy.deepcopy(run.model)
    rounds = Rounds(run.task, run.model, original, rows, plan.settled["training"], tuning, reporter, progress)
    work = Work(run, wanted, rows, rounds, weights, original)
    if begun is None or not work.restored():
        work.stages.append(Stage("as it was", run.weights.stat().st_size, evaluate(run.task, run.model, rows["test"])))
    with signals(reporter, wait=True, then="what was done until then is kept"):
        packed = _carried_out(work)
    seconds = time.monotonic() - started
    noted = found(run.task, gathered, split, plan.data)
    job = Prepared(replace(plan, out=folder), Trainer(**values), run.task, run.model, split, rows, noted)
    made = _written(work, job, split, packed, seconds, reporter)
    progress.remove()
    return made


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
    wanted, weights = work.wanted, work.weights
    small = {name for name, p in work.run.model.named_parameters() if p.dim() <= 1}
    work.masks = work.masks or {name: weight.detach() != 0 for name, weight in weights.items()}
    packed = b""
    if wanted.prune:
        for share in pruning.shares(wanted.prune):
            work.tune(partial(_pruned, weights, share), f"pruned to {1 - share:.1%} of the weights")
        if work.at >= work.done:  # else it was measured before
            coded = {name: packing.How() for name in weights}
            packed = work.passed(f"pruned to {100 * (1 - wanted.prune):.3g} %", coded, set())
    if wanted.share:
        work.tune(partial(_shared, weights, work.masks, wanted.share), f"{2**wanted.share} levels a layer", levels=True)
        packed = work.passed(f"{wanted.share}-bit levels", {name: packing.How(few=True) for name in weights}, small)
    if wanted.quantise == "int8":
        coded = {name: packing.How(few=bool(wanted.share), int8=True) for name in weights}
        packed = work.passed("int8", coded, small)
        work.whole = int8.engage(work.run.model, packing.scales(packed))
        if work.whole:
            measured = evaluate(work.run.task, work.run.model, work.data["test"])
            work.stages.append(Stage("computed in int8", len(packed), measured))
    return packed


def _pruned(weights: dict[str, Tensor], share: float) -> Kept:
    return Kept(weights, pruning.masks(weights, share))


def _shared(weights: dict[str, Tensor], masks: dict[str, Tensor], bits: int) -> Kept:
    levels = {name: sharing.assigned(weight, bits) for name, weight in weights.items()}
    with torch.no_grad():
        for name, (values, numbers) in levels.items():
            weights[name].copy_(values[numbers])
    return Kept(weights, masks, {name: numbers for name, (_, numbers) in levels.items()})


def _plan(path: Path, data: Path | None, out: Path | None, wanted: Compressed, given: dict[str, Any]) -> plans.Plan:
    """The run's own plan, with the command that made it smaller."""
    plan = plans.of_run(path)
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
    before, after = work.stages[0], work.stages[-1]
    pair = [work.original, model]
    first, together = (batching.of_size(task.batches(work.data["test"], count), count) for count in (1, TOGETHER))
    before.milliseconds, after.milliseconds = latencies(task, pair, first)
    before.milliseconds_together, after.milliseconds_together = latencies(task, pair, together)
    differs = paired(task, work.original, model, work.data["test"])
    whole, many = work.whole if work.wanted.quantise == "int8" else None, min(len(together[0]), TOGETHER)
    table = table_of(work.stages, differs, whole, many, task.device)
    stages = [facts_of(stage) for stage in work.stages]
    left = pruning.left(work.weights)
    facts = {"weights_left": left, "differs": differs, "together": many, "stages": stages}
    job.rows += [("smaller", f"{work.wanted.of}, {work.stages[0].size:,} bytes, to {work.stages[-1].size:,}")]
    with style(), torch.inference_mode():
        pictures = [
            compression.weights(dict(work.original.named_parameters()), work.weights, packing.sizes(packed)),
            *curves(work.rounds.epochs, task),
            *task.pictures(model, split, work.data),
        ]
    folder = job.plan.out
    assert folder is not None
    write_bytes(folder / packing.NAME, packed)
    write_json(folder / "features.json", task.state())
    keep_companions(task, folder)
    tested_on = digest(split.test)
    write_results(folder, model, results, seconds, "finished", tested_on)
    write_json(folder / "environment.json", environment(task.device))
    write_json(folder / "compression.json", facts)
    lines = (e._asdict() | {"valid": {k: r.value for k, r in e.valid.items()}} for e in work.rounds.epochs)
    write_text(folder / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    for name, text in (exported := task.export(model, folder)):
        reporter.say(f"  {name:<10} {text}")
    job.rows += exported
    trained = Trained({}, {}, work.rounds.epochs)
    write_page(folder, job, trained, results, pictures, seconds, tested_on, table)
    write_manifest(folder, {"format": 1, "samoyed": samoyed.__version__, "ended": "finished"})
    return Run.load(folder)
