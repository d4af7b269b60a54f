"""What children of the nursery do. Run as a module, this is the nursery: one line asks for a child, the next waits for it."""

import os
import sys
import time
from pathlib import Path

import torch

import samoyed
from samoyed import cli, ending
from samoyed.recipes import _runs  # noqa: F401  imported so that children need not
from samoyed.reporting import figures  # noqa: F401
from samoyed.training import checkpoint, job, prepare  # noqa: F401
from samoyed.training.checkpoint import Snapshot


def snapshot(step: int, size: int = 20_000) -> Snapshot:
    """A checkpoint whose every number follows from its step."""
    tensors = {"weight": torch.full((size,), float(step))}
    return Snapshot(
        {"steps": step}, tensors, dict(tensors), {"0.exp_avg": tensors["weight"]}, {"rng.cpu": torch.ones(8)}
    )


def save_for_ever(folder: str, first: str) -> None:
    """Saves checkpoints one after the other."""
    step = int(first)
    while True:
        checkpoint.write(Path(folder), snapshot(step))
        step += 1


def train(folder: str, *words: str) -> None:
    """The command line's train, into `folder`."""
    sys.argv = ["samoyed", "train", *words, "--out", folder, "--quiet"]
    ending.carefully(lambda: cli.app(standalone_mode=False))


def _serve() -> None:
    torch.set_num_threads(1)
    samoyed.tasks()
    print("ready", flush=True)
    child = 0
    for line in sys.stdin:
        name, *words = line.rstrip("\n").split("\t")
        if name == "wait":
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            continue
        child = os.fork()
        if child == 0:
            os.close(0)
            os.dup2(2, 1)
            code: object = 1
            try:
                {"save_for_ever": save_for_ever, "train": train}[name](*words)
            except SystemExit as end:
                code = end.code or 0
            finally:
                os._exit(code if isinstance(code, int) else 1)
        print(child, flush=True)
        time.sleep(0)


if __name__ == "__main__":
    _serve()
