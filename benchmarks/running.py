"""One row from start to result: processes, agreement, first steps, rounds, memory."""

import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks import load, peers
from benchmarks.agreement import Answer, errors, too_far
from benchmarks.process import FailedError, NotInstalledError, Process
from benchmarks.results import Entrant, Floor, Result
from benchmarks.rounds import interleave
from benchmarks.rows import Contestant, Row


class Abandoned(Exception):
    """A row whose contestants do not give the same answer, or in which Samoyed itself fails."""


class Options:
    """How to measure.

    Attributes: peers is the peers' environment; rounds, how many clean ones a figure is over; most_load, the share of the
    machine above which a timing is discarded; patience, for how many seconds a row waits for a quiet machine; say tells a person what is going on.
    """

    def __init__(self, peers: Path, rounds: int, most_load: float, patience: float, say: Callable[[str], None]) -> None:
        self.peers, self.rounds, self.most_load, self.patience, self.say = peers, rounds, most_load, patience, say


def machine_floor(how: Options) -> Floor:
    """Measures this machine."""
    how.say("measuring this machine ...")
    with Process(Path(sys.executable)) as process:
        process.ask("build", factory="benchmarks.floor:Machine", settings={})
        load.calm([process.pid], how.most_load, how.patience)
        before = load.read([process.pid])
        found = process.ask("measure")
        others = load.others(before, load.read([process.pid]), load.cores())
    return Floor(**found, others=others, cores=load.cores(), load_average=load.average())


def run_row(row: Row, floor: Floor, how: Options) -> Result:
    """Measures a row. Raises Abandoned."""
    entrants = [Entrant(contestant) for contestant in row.contestants]
    began = load.average()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for entrant in entrants:
            how.say(f"{row.name}: {entrant.name} ...")
            _attempt(entrant, lambda e=entrant: _enter(e, row, how, stack))  # type: ignore[misc]
        ours = entrants[0]
        if ours.process is None:
            raise Abandoned(f"{ours.name}: {ours.note}")
        reference = _answer(ours, folder)
        for entrant in entrants[1:]:
            _attempt(entrant, lambda e=entrant: _agree(e, reference, row, folder))  # type: ignore[misc]
        for entrant in entrants:
            _attempt(entrant, lambda e=entrant: _first(e))  # type: ignore[misc]
        rounds = interleave(
            entrants, how.rounds, how.most_load, how.patience, lambda line: how.say(f"{row.name}: {line}")
        )
        if ours.process is None:
            raise Abandoned(f"{ours.name}: {ours.note}")
        for entrant in entrants:
            _attempt(entrant, lambda e=entrant: _memory(e))  # type: ignore[misc]
    return Result(row, floor, entrants, reference.parameters, rounds, how.most_load, (began, load.average()))


def _attempt(entrant: Entrant, work: Callable[[], None]) -> None:
    """Does something with an entrant that may not be there, and keeps the reason why it leaves."""
    if entrant.note:
        return
    try:
        work()
    except NotInstalledError as error:
        entrant.leave(f"not installed: {error} (`python -m benchmarks setup`)")
    except FailedError as error:
        entrant.leave(f"failed: {error}")


def _enter(entrant: Entrant, row: Row, how: Options, stack: ExitStack) -> None:
    contestant: Contestant = entrant.contestant
    python = peers.python(how.peers) if contestant.peer else Path(sys.executable)
    entrant.process = stack.enter_context(Process(python, contestant.environment))
    settings = {**row.settings, **contestant.options}
    entrant.built = entrant.process.ask("build", factory=contestant.factory, settings=settings)


def _agree(entrant: Entrant, reference: Answer, row: Row, folder: Path) -> None:
    answer = _answer(entrant, folder)
    try:
        entrant.errors = errors(reference, answer)
    except ValueError as error:
        raise Abandoned(f"{entrant.name} does other work: {error}") from error
    apart = too_far(entrant.errors, row.tolerance)
    if apart:
        raise Abandoned(f"{entrant.name} gives another answer: {apart}")


def _answer(entrant: Entrant, folder: Path) -> Answer:
    assert entrant.process is not None
    file = folder / "gradient.npy"
    try:
        reply = entrant.process.ask("agree", out=str(file))
    except FailedError as error:
        if entrant.ours:
            raise Abandoned(f"{entrant.name}: {error}") from error
        raise
    return Answer(reply["parameters"], reply["loss"], np.load(file), reply["losses"])


def _first(entrant: Entrant) -> None:
    assert entrant.process is not None
    entrant.first_seconds = entrant.process.ask("first")["seconds"]


def _memory(entrant: Entrant) -> None:
    assert entrant.process is not None
    entrant.peak_bytes = entrant.process.ask("memory")["peak_bytes"]
