"""Where a search is kept: a file of JSON lines that any number of processes, on machines that share it, append to."""

import os
import platform
from pathlib import Path
from typing import Any, Literal

from samoyed import batching
from samoyed.errors import RunError

STUDY = "study.jsonl"


def opened(folder: Path, direction: Literal["minimize", "maximize"]) -> Any:
    """The study in `folder`, new or gone on with. Raises RunError where its file cannot be read or written."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    folder.mkdir(parents=True, exist_ok=True)
    try:
        storage = JournalStorage(JournalFileBackend(str(folder / STUDY)))
        return optuna.create_study(
            storage=storage,
            study_name="samoyed",
            sampler=sampler_of(0, 0),
            direction=direction,
            load_if_exists=True,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = str(error).partition("\n")[0][:120] or type(error).__name__
        raise RunError(f"cannot be read: {why}", where=folder / STUDY, remedy="name another --out DIR") from error


def sampler_of(seed: int, number: int) -> Any:
    """What draws the settings of trial `number`: the same for the same search, and other ones in each of several processes."""
    import optuna

    drawn = batching.generator(seed, number).initial_seed() % 2**32
    return optuna.samplers.TPESampler(n_startup_trials=8, constant_liar=True, seed=drawn)


def end_dead(study: Any) -> None:
    """Tells the study of trials whose process, on this machine, is no longer there."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        host, _, pid = str(trial.user_attrs.get("process", "")).rpartition(":")
        if host == platform.node() and pid.isdecimal() and not _lives(int(pid)):
            study.tell(trial.number, state=TrialState.FAIL)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()


def process() -> str:
    """This process, as machine:number."""
    return f"{platform.node()}:{os.getpid()}"
