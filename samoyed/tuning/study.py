"""The search: trial after trial until the budget is spent, then the best again with other seeds, then the winner as a run.

The first trial has the defaults, so that the search is always held against them. Trials are proposed by a tree-structured Parzen
estimator (Bergstra 2011), Optuna's, and ended early where half of the others had done better by the same epoch (Golovin 2017), those that were
ended counting with what they had: else each would be held against survivors only, and nearly all would be ended. Nobody is judged before a
third of its training, nor before there is time to be saved.

Whoever is best of many on one validation split owes part of it to luck. So the best three and the defaults are trained again with up
to four other seeds, whose mean, without the seed that proposed them, decides between them; and the best takes the defaults' place only where it is better on the
validation examples by more than chance (confirming.py). The test split is looked at once, by the winner's own run.

All is in DIR/study.jsonl, lines of JSON that any number of processes append to: a search that was stopped goes on where it was, and
the same command in a second terminal, or on another machine that sees the folder, works on the same one.
"""

import json
import math
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samoyed import catalog
from samoyed.errors import Interrupted, RunError, TrainingError, UsageError, require
from samoyed.plan import Plan, as_text
from samoyed.reporting.progress import Reporter, duration
from samoyed.training.prepare import Prepared, prepare
from samoyed.tuning import space
from samoyed.tuning.confirming import confirm
from samoyed.tuning.journal import end_dead, opened, process, sampler_of
from samoyed.tuning.trial import measured, planned

_SEARCH = 0.6  # share of the budget for proposals; the rest is for other seeds and the winner
_FIRST = 1 / 3  # share of the budget that the defaults may take at most
_SLOWER = 2.0  # how much longer than the defaults a trial may take
_JUDGED, _FEWEST = 1 / 3, 4  # share of a training before which it is not judged; trials that it must be held against
_WORTH = 10.0  # seconds of a training before which nothing is gained by ending it, or a hundredth of a short budget


@dataclass
class Search:
    """One process at work on a study."""

    plan: Plan
    job: Prepared
    ranges: dict[str, list[space.Range]]
    folder: Path
    reporter: Reporter
    budget: float
    study: Any
    began: float = field(default_factory=time.monotonic)

    @property
    def better(self) -> str:
        """Which way the watched metric is better."""
        return self.job.task.reported[self.job.task.watch].better

    def spent(self) -> float:
        """Seconds since this process began."""
        return time.monotonic() - self.began

    def plan_of(self, trial: Any) -> Plan:
        """What a trial, proposed or finished, is trained with."""
        model = trial.params.get("model", self.plan.model)
        chosen = {
            one.name.rpartition(".")[2]: trial.params[one.name]
            for one in self.ranges[model]
            if one.name in trial.params
        }
        known = set(catalog.model(self.plan.task_form, model).settings) | set(self.plan.settled["training"])
        fixed = {
            name: value for name, value in self.plan.given.items() if name in known or name in self.plan.settled["task"]
        }
        return planned(self.plan, model, {**fixed, **chosen})

    def propose(self) -> Any:
        """The next trial with its settings drawn."""
        trial = self.study.ask()
        self.study.sampler = sampler_of(self.job.trainer.seed, trial.number)
        trial.set_user_attr("process", process())
        model = trial.suggest_categorical("model", list(self.ranges)) if len(self.ranges) > 1 else self.plan.model
        for one in self.ranges[model]:
            one.suggest(trial)
        return trial

    def run(self, trial: Any, seconds: float) -> None:
        """Trains one trial and tells the study how it ended."""
        from optuna.trial import TrialState

        started = time.monotonic()

        def hopeless(value: float, epoch: int) -> bool:
            trial.report(value, epoch)
            return self.behind(trial, value, epoch, time.monotonic() - started)

        try:
            value, why = measured(self.job, self.plan_of(trial), self.job.trainer.seed, hopeless, seconds)
        except (UsageError, TrainingError, ValueError) as error:
            trial.set_user_attr("why", str(error))
            self.study.tell(trial, state=TrialState.FAIL)
            self.say(trial, "cannot be trained", started)
            return
        except BaseException:
            self.study.tell(trial, state=TrialState.FAIL)
            raise
        trial.set_user_attr("seconds", time.monotonic() - started)
        if why == "hopeless":
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, value)
        self.say(
            trial,
            f"{value:.4g}{' and ended: hopeless' if why == 'hopeless' else ', cut for time' if why else ''}",
            started,
        )

    def behind(self, trial: Any, value: float, epoch: int, seconds: float) -> bool:
        """Whether a trial that reached `value` in so many epochs and seconds is to be ended: half of the others had done better by that epoch."""
        if trial.number == 0 or seconds < min(_WORTH, self.budget / 100):
            return False
        given = self.plan_of(trial).settled["training"]
        steps = epoch * self.job.task.steps(self.job.data["train"], given["batch_size"])
        shares = [
            epoch / given["epochs"],
            steps / (given["max_steps"] or math.inf),
            seconds / (given["max_time"] or math.inf),
        ]
        if epoch < 2 or max(shares) < _JUDGED:
            return False
        found = []
        for other in self.study.get_trials(deepcopy=False):
            reached = [e for e in other.intermediate_values if e <= epoch]
            if (
                reached
                and other.number != trial.number
                and other.state.name != "FAIL"
                and (other.state.name != "RUNNING" or max(other.intermediate_values) >= epoch)
            ):
                found.append(other.intermediate_values[max(reached)])
        if len(found) < _FEWEST:
            return False
        middle = statistics.median(found)
        return bool(value > middle if self.better == "lower" else value < middle)

    def say(self, trial: Any, text: str, started: float) -> None:
        """A line for one trial."""
        shown = "the defaults" if trial.number == 0 else words(trial.params)
        taken = duration(time.monotonic() - started)
        self.reporter.say(f"trial {trial.number:>3}  {self.job.task.watch} {text}  in {taken}  {shown}")

    def search(self, most: int | None) -> None:
        """Proposes and trains until the search's share of the budget, or the number of trials, is reached."""
        while True:
            done = self.finished()
            if most is not None and len(self.study.trials) >= most:
                return
            typical = statistics.median([t.user_attrs["seconds"] for t in done]) if done else 0.0
            if done and self.spent() + typical > _SEARCH * self.budget:
                return
            first = next((t.user_attrs["seconds"] for t in done if t.number == 0), None)
            left = self.budget - self.spent()
            self.run(self.propose(), _FIRST * self.budget if first is None else min(left, _SLOWER * first + 1.0))
            if not self.finished() and self.spent() > self.budget:
                return

    def finished(self) -> list[Any]:
        """Trials that were trained to their end."""
        from optuna.trial import TrialState

        return [
            t for t in self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)) if "seconds" in t.user_attrs
        ]


def begin(plan: Plan, models: list[str], ranges: list[space.Range], folder: Path, budget: float, quiet: bool) -> Search:
    """A search that is begun, or gone on with where `folder` holds one of the same plan. Raises UsageError where it holds another,
    and DataError for the data."""
    require("optuna", "tune")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    reporter = Reporter(quiet)
    job = prepare(plan, reporter)
    spaces = {model: _ranges(plan, model, ranges, len(models) > 1) for model in models}
    if not any(spaces.values()) and len(models) == 1:
        raise UsageError(
            f"nothing of {plan.model} is left to search", remedy="give fewer settings, or a range: key=low..high"
        )
    better = job.task.reported[job.task.watch].better
    study = opened(folder, "minimize" if better == "lower" else "maximize")
    identity = json.dumps(
        [plan.task, str(plan.data), plan.settled["task"], _plain(plan.given), _plain(spaces)], default=str
    )
    known = study.user_attrs.get("search")
    if known is not None and known != identity:
        raise UsageError(
            f"the search in {folder} was begun with other settings or data", remedy="name another --out DIR"
        )
    if known is None:
        study.set_user_attr("search", identity)
        study.enqueue_trial(_defaults(plan, spaces), skip_if_exists=True)
    end_dead(study)
    for model, found in spaces.items():
        reporter.block(f"searching {model}", [(one.name, str(one)) for one in found])
    return Search(plan, job, spaces, folder, reporter, budget, study)


def carry_out(search: Search, most: int | None) -> None:
    """Searches and confirms. Raises Interrupted after Ctrl-C, RunError where nothing could be trained."""
    try:
        search.search(most)
        confirm(search)
    except KeyboardInterrupt as error:
        raise Interrupted(
            f"stopped after {len(search.study.trials)} trials; {search.folder} holds them",
            remedy="the same command goes on",
        ) from error
    if not search.finished():
        why = next(
            (t.user_attrs["why"] for t in search.study.trials if "why" in t.user_attrs), "the budget is too short"
        )
        raise RunError(f"no trial could be trained: {why}", where=search.folder, remedy="give a longer --budget")


def words(params: dict[str, Any]) -> str:
    """Settings in one line."""
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={as_text(value)}"
        for name, value in params.items()
    )


def _ranges(plan: Plan, model: str, given: list[space.Range], several: bool) -> list[space.Range]:
    """What is searched of one model: the ranges that were given, and those of its signature."""
    form = catalog.model(plan.task_form, model)
    known = set(form.settings) | set(plan.settled["training"])
    suggested = catalog.settle(plan.task_form, form, {})
    own = [one for one in given if one.name in known]
    taken = set(plan.given) | {one.name for one in own}
    found = own + space.of(form, suggested, dict.fromkeys(taken), not hasattr(form.load(), "fit"))
    if not several:
        return found
    return [space.Range(f"{model}.{r.name}", r.choices, r.low, r.high, r.whole, r.logarithmic) for r in found]


def _defaults(plan: Plan, spaces: dict[str, list[space.Range]]) -> dict[str, Any]:
    """The settings that a run without a search would have, as far as they are searched and inside their ranges."""
    settled = {name: value for values in plan.settled.values() for name, value in values.items()}
    found: dict[str, Any] = {"model": plan.model} if len(spaces) > 1 else {}
    for one in spaces[plan.model]:
        value = settled[one.name.rpartition(".")[2]]
        value = as_text(value) if isinstance(value, tuple) else value
        if one.name.endswith("weight_decay") and not one.holds(value):
            value = one.low  # what is searched evenly in its logarithm has no 0; this is as good as none
        if one.holds(value):
            found[one.name] = value
    return found


def _plain(value: Any) -> Any:
    return {
        name: str(one) if not isinstance(one, list) else [f"{r.name}: {r}" for r in one] for name, one in value.items()
    }
