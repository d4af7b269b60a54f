"""One run from plan to sealed directory: prepare, train, measure, draw, write; or on from where a run was stopped."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

import samoyed
from samoyed import launch
from samoyed import plan as plans
from samoyed.comparing.identity import digest
from samoyed.errors import DataError, Interrupted, RunError, TrainingError, UsageError
from samoyed.files import MANIFEST, sha256, write_json, write_manifest
from samoyed.plan import Plan, run_folder
from samoyed.reporting.progress import Reporter, duration
from samoyed.reporting.tensorboard import Events
from samoyed.run import Run
from samoyed.tasks import Task
from samoyed.training import checkpoint
from samoyed.training.checkpoint import Snapshot
from samoyed.training.evaluation import Result, evaluate
from samoyed.training.execution import choose
from samoyed.training.keeper import Keeper
from samoyed.training.machine import environment, name_of
from samoyed.training.prepare import SPLITS, Prepared, prepare, rebuilt
from samoyed.training.progress import Trained
from samoyed.training.sharding import shard
from samoyed.training.world import World, joined
from samoyed.training.writing import drawn, fingerprint, write_config, write_page, write_results, write_weights

_EVERY = 60.0  # seconds between checkpoints


def train_or_resume(plan: Plan, reporter: Reporter) -> Run:
    """Carries out the plan; where plan.out holds a run of the same plan, or torchrun began one and starts it again, goes on with
    that. Raises what `samoyed.train` raises, and UsageError where the run in plan.out is of another plan.
    """
    with joined(plan.settled["training"]["device"], reporter.stopping) as world:
        begun = world.told(lambda: _begun(plan))
        if begun is not None:
            return _go_on_with(Path(begun), reporter, world)
        job = world.together(lambda: prepare(plan, reporter, world))
        return _carry_out(job, Path(world.told(lambda: _begin(plan))), None, reporter, world)


def resume(folder: Path, reporter: Reporter) -> Run:
    """Goes on with a run that was stopped, killed or failed, from its last whole checkpoint.

    A finished run is opened and returned. Raises RunError where there is nothing to go on from, DataError where the data are
    no longer those it began with, and what `train` raises.
    """
    with joined(plans.of_run(folder).settled["training"]["device"], reporter.stopping) as world:
        return _go_on_with(folder, reporter, world)


def _begun(plan: Plan) -> str | None:
    """The run that is to be gone on with, if there is one."""
    folder = launch.begun(Path("runs") / plan.task) if plan.out is None else plan.out
    if folder is None or not (folder / "config.yaml").is_file():
        return None
    before = plans.of_run(folder)
    if (before.task, before.model, before.settled, before.data) == (plan.task, plan.model, plan.settled, plan.data):
        return str(folder)
    if plan.out is None:
        return None
    raise UsageError(f"the run in {plan.out} was begun with other settings or data", remedy="name another --out DIR")


def _begin(plan: Plan) -> str:
    folder = run_folder(plan)
    write_config(folder, plan)
    launch.mark(folder)
    return str(folder)


def _go_on_with(folder: Path, reporter: Reporter, world: World) -> Run:
    plan = plans.of_run(folder)
    start, problems = world.together(lambda: checkpoint.read(folder))
    if start is None and (folder / MANIFEST).is_file():
        reporter.say(f"{folder} is finished")
        return Run.load(folder)
    for problem in problems:
        reporter.warn(f"{problem}; the checkpoint before it is used")
    if start is not None and start.facts["config"] != sha256(folder / "config.yaml"):
        raise RunError("was changed since the last checkpoint", where=folder / "config.yaml", remedy="train anew")
    job = world.together(lambda: prepare(plan, reporter, world))
    if start is not None and start.facts["data"] != fingerprint(job.data["train"]):
        raise DataError(
            "these are not the data that the run began with", where=plan.data, remedy="bring them back, or train anew"
        )
    world.once(lambda: _clean(folder))
    where = "from the beginning" if start is None else f"from epoch {start.facts['epoch']}, step {start.facts['steps']}"
    reporter.say(f"  {'resumed':<10} {where}")
    return _carry_out(job, folder, start, reporter, world)


def _clean(folder: Path) -> None:
    checkpoint.clean(folder)
    (folder / MANIFEST).unlink(missing_ok=True)  # until it is finished again, the run is not


def _carry_out(job: Prepared, folder: Path, start: Snapshot | None, reporter: Reporter, world: World) -> Run:
    world.together(lambda: _visible(folder))
    if len(set(world.gather(fingerprint(job.data["train"]) if world.size > 1 else ""))) > 1:
        raise DataError(
            "the processes have not read the same data", where=job.plan.data, remedy="bring all machines the same"
        )
    reporter.say(f"  {'model':<10} {job.plan.model}, {job.parameters:,} parameters, on {name_of(job.task.device)}")
    reporter.say(f"  {'run':<10} {folder}")
    descends = not hasattr(job.model, "fit")
    events = Events(folder) if job.trainer.tensorboard and world.first else None
    with signals(reporter, wait=descends):
        started = time.monotonic() - (start.facts["elapsed"] if start else 0.0)
        trained = _descend(job, folder, start, reporter, events, world) if descends else None
        run = world.once(lambda: _seal(job, folder, trained or _fit(job, reporter), started, events, reporter))
        return run or Run.load(folder)


def _visible(folder: Path) -> None:
    if not (folder / "config.yaml").is_file():
        raise RunError(
            "is not to be seen here", where=folder, remedy="name, with --out, a folder that all machines share"
        )


def _seal(
    job: Prepared, folder: Path, trained: Trained, started: float, events: Events | None, reporter: Reporter
) -> Run:
    """Measures, draws, writes: the work of one process."""
    seconds = time.monotonic() - started
    if trained.ended in ("stopped", "failed") and not trained.epochs:
        if trained.ended == "failed":
            raise TrainingError(f"training stopped: {trained.why}", where=folder)
        raise Interrupted("stopped before anything was learned", where=folder, remedy=_go_on(folder))
    if job.sharded:
        job.model = rebuilt(job)
    task, model = job.task, job.model
    model.load_state_dict(trained.best)
    model.eval()
    with torch.inference_mode():
        task.calibrate(model, job.data["valid"])
    if kept := trained.kept():
        reporter.say(f"  {'weights':<10} {kept}")
    results = _measure(job)
    write_weights(folder, task, trained)
    tested_on = digest(job.split.test)
    write_results(folder, model, results, seconds, trained.ended, tested_on)
    write_json(folder / "environment.json", environment(task.device))
    for name, text in (exported := task.export(model, folder)):
        reporter.say(f"  {name:<10} {text}")
    job.rows += exported
    pictures = drawn(job, trained)
    if events is not None:
        owned = {key: value for values in job.plan.settled.values() for key, value in values.items()}
        events.end(pictures, owned, {name: result.value for name, result in results["test"].items()})
    write_page(folder, job, trained, results, pictures, seconds, tested_on)
    if trained.ended in ("finished", "early"):
        checkpoint.remove(folder)
    write_manifest(folder, {"format": 1, "samoyed": samoyed.__version__, "ended": trained.ended})
    if trained.ended == "failed":
        raise TrainingError(f"training stopped: {trained.why}; {folder} holds the best weights of before")
    if trained.ended == "stopped":
        raise Interrupted(
            f"stopped after {duration(seconds)}; {folder} holds the best weights until then, measured and drawn",
            remedy=_go_on(folder),
        )
    return Run(folder, task, model)


def _fit(job: Prepared, reporter: Reporter) -> Trained:
    """A model that is fitted, not descended."""
    reporter.say("  fitting ...")
    fit: Any = job.model.fit
    fit(*job.task.fitting(job.data["train"]))
    weights = {name: tensor.detach().clone() for name, tensor in job.model.state_dict().items()}
    return Trained(weights, weights)


def _descend(
    job: Prepared, folder: Path, start: Snapshot | None, reporter: Reporter, events: Events | None, world: World
) -> Trained:
    identity = {"config": sha256(folder / "config.yaml"), "data": fingerprint(job.data["train"])}
    keeper = Keeper(folder, reporter, job.trainer.checkpoint_every or _EVERY, identity, events)
    world.begin_alike(job.model)
    if job.sharded:
        shard(job.model, world, job.task.device)
    if world.size > 1:
        what = "a part" if job.sharded else "a copy"
        reporter.say(f"  {'processes':<10} {world.size}, each with {what} of the model")
        reporter.say(f"  {'execution':<10} plain: the fastest is sought only for one process")
    reporter.begin(job.trainer.epochs, job.task.unit)
    try:
        session = job.trainer.session(job.task, job.model, job.data["train"], job.data["valid"], keeper, world)
        if start is not None:
            session.restore(start)
        elif job.trainer.execution == "auto" and world.size == 1 and type(job.task).update is Task.update:
            session.execution = choose(session, lambda line: reporter.say(f"  {'execution':<10} {line}"))
        if world.first:
            keeper.begin(session.result.epochs)
        return session.run()
    finally:
        reporter.end()


def _measure(job: Prepared) -> dict[str, dict[str, Result]]:
    some = type(job.data["train"])(*(tensor[: job.task.remeasured] for tensor in job.data["train"]))
    parts: dict[str, Any] = job.data | {"train": some}
    return {name: evaluate(job.task, job.model, parts[name]) for name in SPLITS}


def _go_on(folder: Path) -> str | None:
    return f"samoyed resume {folder} goes on from there" if (folder / checkpoint.FOLDER).is_dir() else None


@contextmanager
def signals(reporter: Reporter, wait: bool, then: str = "measuring and saving what was learned") -> Iterator[None]:
    """The first Ctrl-C or SIGTERM asks for a clean stop, or where that is not waited for ends at once; a second one does."""
    if not wait or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {kind: signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)}

    def ask(kind: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        reporter.request_stop()
        reporter.say(f"stopping after this step; {then} (Ctrl-C again to give that up)")

    for kind in before:
        signal.signal(kind, ask)
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
