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
from samoyed import plan as plans
from samoyed.errors import DataError, Interrupted, RunError, TrainingError, UsageError
from samoyed.files import MANIFEST, sha256, write_json, write_manifest
from samoyed.plan import Plan, run_folder
from samoyed.reporting.progress import Reporter, duration
from samoyed.reporting.tensorboard import Events
from samoyed.run import Run
from samoyed.training import checkpoint
from samoyed.training.checkpoint import Snapshot
from samoyed.training.evaluation import Result, evaluate
from samoyed.training.execution import choose
from samoyed.training.keeper import Keeper
from samoyed.training.machine import environment, name_of
from samoyed.training.prepare import SPLITS, Prepared, prepare
from samoyed.training.progress import Trained
from samoyed.training.writing import drawn, fingerprint, write_config, write_page, write_results, write_weights

_EVERY = 60.0  # seconds between checkpoints
_MOST_MEASURED = 10_000  # training examples that are measured again at the end


def train(plan: Plan, reporter: Reporter) -> Run:
    """Carries out the plan. Raises what `samoyed.train` raises."""
    job = prepare(plan, reporter)
    folder = run_folder(plan)
    write_config(folder, plan)
    return _carry_out(job, folder, None, reporter)


def train_or_resume(plan: Plan, reporter: Reporter) -> Run:
    """`train`, or where plan.out holds a run of the same plan, `resume` of it. Raises UsageError where it is of another plan."""
    if plan.out is None or not (plan.out / "config.yaml").is_file():
        return train(plan, reporter)
    before = plans.of_run(plan.out)
    if (before.task, before.model, before.settled, before.data) != (plan.task, plan.model, plan.settled, plan.data):
        raise UsageError(
            f"the run in {plan.out} was begun with other settings or data", remedy="name another --out DIR"
        )
    return resume(plan.out, reporter)


def resume(folder: Path, reporter: Reporter) -> Run:
    """Goes on with a run that was stopped, killed or failed, from its last whole checkpoint.

    A finished run is opened and returned. Raises RunError where there is nothing to go on from, DataError where the data are
    no longer those it began with, and what `train` raises.
    """
    plan = plans.of_run(folder)
    start, problems = checkpoint.read(folder)
    if start is None and (folder / MANIFEST).is_file():
        reporter.say(f"{folder} is finished")
        return Run.load(folder)
    for problem in problems:
        reporter.warn(f"{problem}; the checkpoint before it is used")
    if start is not None and start.facts["config"] != sha256(folder / "config.yaml"):
        raise RunError("was changed since the last checkpoint", where=folder / "config.yaml", remedy="train anew")
    job = prepare(plan, reporter)
    if start is not None and start.facts["data"] != fingerprint(job.data["train"]):
        raise DataError(
            "these are not the data that the run began with", where=plan.data, remedy="bring them back, or train anew"
        )
    checkpoint.clean(folder)
    (folder / MANIFEST).unlink(missing_ok=True)  # until it is finished again, the run is not
    where = "from the beginning" if start is None else f"from epoch {start.facts['epoch']}, step {start.facts['steps']}"
    reporter.say(f"  {'resumed':<10} {where}")
    return _carry_out(job, folder, start, reporter)


def _carry_out(job: Prepared, folder: Path, start: Snapshot | None, reporter: Reporter) -> Run:
    reporter.say(f"  {'model':<10} {job.plan.model}, {job.parameters:,} parameters, on {name_of(job.task.device)}")
    reporter.say(f"  {'run':<10} {folder}")
    with _signals(reporter, wait=not hasattr(job.model, "fit")):
        return _train_and_seal(job, folder, start, reporter)


def _train_and_seal(job: Prepared, folder: Path, start: Snapshot | None, reporter: Reporter) -> Run:
    events = Events(folder) if job.trainer.tensorboard else None
    started = time.monotonic()
    trained = _learn(job, folder, start, reporter, events)
    seconds = time.monotonic() - started + (start.facts["elapsed"] if start else 0.0)
    if trained.ended in ("stopped", "failed") and not trained.epochs:
        if trained.ended == "failed":
            raise TrainingError(f"training stopped: {trained.why}", where=folder)
        raise Interrupted("stopped before anything was learned", where=folder, remedy=_go_on(folder))
    task, model = job.task, job.model
    model.load_state_dict(trained.best)
    model.eval()
    with torch.inference_mode():
        task.calibrate(model, job.data["valid"])
    results = _measure(job)
    write_weights(folder, task, trained)
    write_results(folder, model, results, seconds, trained.ended)
    write_json(folder / "environment.json", environment(task.device))
    pictures = drawn(job, trained)
    if events is not None:
        owned = {key: value for values in job.plan.settled.values() for key, value in values.items()}
        events.end(pictures, owned, {name: result.value for name, result in results["test"].items()})
    write_page(folder, job, trained, results, pictures, seconds)
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


def _learn(job: Prepared, folder: Path, start: Snapshot | None, reporter: Reporter, events: Events | None) -> Trained:
    fit = getattr(job.model, "fit", None)
    if fit is not None:  # fitted, not descended
        reporter.say("  fitting ...")
        fit(*job.task.fitting(job.data["train"]))
        weights = {name: tensor.detach().clone() for name, tensor in job.model.state_dict().items()}
        return Trained(weights, weights)
    identity = {"config": sha256(folder / "config.yaml"), "data": fingerprint(job.data["train"])}
    keeper = Keeper(folder, reporter, job.trainer.checkpoint_every or _EVERY, identity, events)
    reporter.begin(job.trainer.epochs, job.task.unit)
    try:
        session = job.trainer.session(job.task, job.model, job.data["train"], job.data["valid"], keeper)
        if start is not None:
            session.restore(start)
        elif job.trainer.execution == "auto":
            session.execution = choose(session, lambda line: reporter.say(f"  {'execution':<10} {line}"))
        keeper.begin(session.result.epochs)
        return session.run()
    finally:
        reporter.end()


def _measure(job: Prepared) -> dict[str, dict[str, Result]]:
    some = type(job.data["train"])(*(tensor[:_MOST_MEASURED] for tensor in job.data["train"]))
    parts: dict[str, Any] = job.data | {"train": some}
    return {name: evaluate(job.task, job.model, parts[name]) for name in SPLITS}


def _go_on(folder: Path) -> str | None:
    return f"samoyed resume {folder} goes on from there" if (folder / checkpoint.FOLDER).is_dir() else None


@contextmanager
def _signals(reporter: Reporter, wait: bool) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM asks for a clean stop, or where that is not waited for ends at once; a second one does."""
    if not wait or threading.current_thread() is not threading.main_thread():
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
