"""Seconds to a test error on CIFAR-10: Samoyed's whitened_conv, and ResNets trained by plain PyTorch loops and by Keras.

    python -m benchmarks.cifar FOLDER [--only NAME,...] [--target 30] [--limit 200] [--threads 2] [--peers FOLDER]

FOLDER holds CIFAR-10's binary files, or some of its pictures in that layout. Each contestant has a process of its own, one after another,
the same nine tenths of the training pictures, and `limit` seconds of training, over which its learning rate falls to 0: no longer schedule
is cut short. The test pictures are answered after each pass and at the end, with the clock stopped, from two views (the picture and its
mirror). What is said is when the target was first reached, or that it was not, and the error at the end.

Samoyed takes the settings that its model brings; the time in which its trainer chooses an execution counts. The loops take SGD with
Nesterov's momentum 0.9, weight decay 0.0005 on matrices and kernels, batches of 128, a rate that rises to 0.1 over the first tenth of the time and then
falls linearly, and pictures shifted by up to 4 pixels (mirrored borders) and mirrored at random. `plain` is float32; `tuned` has bfloat16 and
channels last. The networks of the loops are Samoyed's ResNet modules: 18 layers with a 3x3 stem (11 million weights), and the 20 layers that
the paper has for CIFAR-10 (0.27 million). Keras builds the same 18 layers on JAX, computes them in float32, compiled beforehand.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks import peers
from benchmarks.process import ROOT
from samoyed.models.resnet import ResNet
from samoyed.plan import make
from samoyed.reporting.progress import Reporter
from samoyed.training.execution import choose
from samoyed.training.prepare import Prepared, prepare
from samoyed.training.progress import Epoch, Silent

NAMES = {
    "samoyed": "Samoyed, whitened_conv",
    "resnet20-tuned": "PyTorch loop, ResNet-20, tuned",
    "resnet20-plain": "PyTorch loop, ResNet-20, plain",
    "resnet18-tuned": "PyTorch loop, ResNet-18, tuned",
    "resnet18-plain": "PyTorch loop, ResNet-18, plain",
    "keras-resnet18": "Keras on JAX, ResNet-18",
}
BATCH, PEAK, RISE, DECAY = 128, 0.1, 0.1, 5e-4
Say = Callable[[float, float], None]  # seconds of training, test error in percent


def rate(spent: float) -> float:
    """The learning rate of the loops after a share of the time."""
    return PEAK * min(spent / RISE, (1 - spent) / (1 - RISE))


def prepared(folder: Path, **settings: Any) -> Prepared:
    """The data, read and divided as Samoyed does, and its model."""
    return prepare(make("image-classification", folder, "whitened_conv", None, settings), Reporter(quiet=True))


class Watch(Silent):
    """Measures the test error after each pass, and takes the time for that from the session's clock."""

    def __init__(self, measure: Callable[[], float], say: Say) -> None:
        super().__init__()
        self.measure, self.say, self.session = measure, say, None

    def passed(self, epoch: Epoch, left: float) -> None:
        session: Any = self.session
        spent, began = session.elapsed(), time.monotonic()
        self.say(spent, self.measure())
        session.model.train()
        session.started += time.monotonic() - began


def samoyed(folder: Path, limit: float, say: Say) -> None:
    """Its own trainer from beginning to end; what choosing an execution takes is taken from its time."""
    job = prepared(folder, max_time=limit, epochs=10_000)
    test: Any = job.data["test"]

    def measure() -> float:
        job.model.eval()
        with torch.inference_mode():
            wrong = [job.task.metrics(job.model, part)["error"].total for part in job.task.batches(test, 250)]
        return 100 * float(torch.cat(wrong).mean())

    watch = Watch(measure, say)
    session = job.trainer.session(job.task, job.model, job.data["train"], job.data["valid"], watch)
    watch.session = session
    began = time.monotonic()
    session.execution = choose(session, lambda line: print(f"  {line}", file=sys.stderr))
    session.before = time.monotonic() - began
    if not session.run().epochs:
        say(session.elapsed(), measure())


def loop(folder: Path, limit: float, say: Say, depth: Any, tuned: bool) -> None:
    """What one would write first, and the same in bfloat16 with channels last."""
    job = prepared(folder)
    task: Any = job.task
    torch.manual_seed(0)
    model: nn.Module = ResNet(image_shape=(3, 32, 32), num_classes=len(task.classes), depth=depth, stem="small")
    form = torch.channels_last if tuned else torch.contiguous_format
    model = model.to(memory_format=form)
    wide = [p for p in model.parameters() if p.ndim > 1]
    narrow = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": wide, "weight_decay": DECAY}, {"params": narrow, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=PEAK, momentum=0.9, nesterov=True)
    images, labels = job.data["train"]
    precise = torch.autocast("cpu", torch.bfloat16, enabled=tuned)

    def forward(some: Tensor) -> Tensor:
        with precise:
            logits: Tensor = model(task.pixels.normalise(some).to(memory_format=form))
        return logits.float()

    def measure() -> float:
        model.eval()
        wrong = 0
        with torch.inference_mode():
            for some, truth in zip(*(t.split(250) for t in job.data["test"]), strict=True):
                wrong += int((forward(some) + forward(some.flip(3))).argmax(1).ne(truth).sum())
        model.train()
        return 100 * wrong / len(job.data["test"][1])

    forward(images[:BATCH])  # what is prepared at the first call
    model.train()
    clock = Clock(limit)
    while not clock.over():
        for places in torch.randperm(len(images)).split(BATCH):
            for group in optimizer.param_groups:
                group["lr"] = rate(clock.share())
            optimizer.zero_grad()
            loss = functional.cross_entropy(forward(augmented(images[places])), labels[places])
            loss.backward()
            optimizer.step()
            if clock.over():
                break
        clock.stopped(lambda spent: say(spent, measure()))


def augmented(images: Tensor) -> Tensor:
    """uint8 [B, C, H, W] -> the same, each shifted by up to 4 pixels over mirrored borders, and mirrored or not."""
    high, wide = images.shape[2:]
    padded = functional.pad(images.float(), (4, 4, 4, 4), mode="reflect").to(torch.uint8)
    rows = torch.arange(high) + torch.randint(9, (len(images), 1))
    columns = torch.arange(wide) + torch.randint(9, (len(images), 1))
    at = torch.arange(len(images))[:, None, None]
    found = padded.permute(0, 2, 3, 1)[at, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)
    return torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, found.flip(3), found)


class Clock:
    """Seconds of training, without those in which it is stopped."""

    def __init__(self, limit: float) -> None:
        self.limit, self.began = limit, time.monotonic()

    def share(self) -> float:
        """Of the limit, what is spent."""
        return min(1.0, (time.monotonic() - self.began) / self.limit)

    def over(self) -> bool:
        """Whether nothing is left."""
        return self.share() >= 1.0

    def stopped(self, work: Callable[[float], None]) -> None:
        """Does something that does not count, told the seconds until now."""
        began = time.monotonic()
        work(began - self.began)
        self.began += time.monotonic() - began


def one(name: str, folder: Path, limit: float, threads: int) -> None:
    """Trains one contestant here, and prints a JSON line for each measurement."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)

    def say(seconds: float, error: float) -> None:
        print(json.dumps({"seconds": seconds, "error": error}), flush=True)

    if name == "samoyed":
        samoyed(folder, limit, say)
    else:
        kind, _, how = name.partition("-")
        loop(folder, limit, say, int(kind.removeprefix("resnet")), how == "tuned")


def started(name: str, asked: argparse.Namespace, scratch: Path) -> list[str]:
    """The command of a contestant's process."""
    if not name.startswith("keras"):
        words = [sys.executable, "-m", "benchmarks.cifar", asked.folder, "--one", name]
        return [*map(str, words), "--limit", str(asked.limit), "--threads", str(asked.threads)]
    python = peers.python(peers.location(asked.peers))
    if not python.is_file():
        raise SystemExit(f"there is no {python}: python -m benchmarks setup installs the peers")
    job = prepared(asked.folder)
    task: Any = job.task
    arrays = {f"{part}_{what}": t.numpy() for part in ("train", "test") for what, t in job.data[part]._asdict().items()}
    np.savez(scratch / "cifar.npz", mean=task.pixels.mean, deviation=task.pixels.deviation, **arrays)
    return [str(python), "-m", "benchmarks.cifar_keras", str(scratch / "cifar.npz"), str(asked.limit)]


def measured(name: str, asked: argparse.Namespace) -> str:
    """One line of the table."""
    with tempfile.TemporaryDirectory() as scratch:
        command = started(name, asked, Path(scratch))
        given = {**os.environ, "OMP_NUM_THREADS": str(asked.threads), "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
        given["SAMOYED_CACHE"] = scratch  # what was remembered from other trainings is not used
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=given, check=True)
    points = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    reached = next((p["seconds"] for p in points if p["error"] <= asked.target), None)
    when = f"{reached:.0f} s" if reached is not None else "not reached"
    last = points[-1]
    return (
        f"{NAMES[name]:<32} {when:>12}   {last['error']:5.2f} % after {last['seconds']:.0f} s and "
        f"{len(points)} measurement{'s' * (len(points) > 1)}, load {os.getloadavg()[0]:.1f}"
    )


def main() -> None:
    """Prints the table, a line for each contestant as it ends."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default=",".join(NAMES), help=f"of {', '.join(NAMES)}")
    parser.add_argument("--target", type=float, default=30.0, help="test error in percent")
    parser.add_argument("--limit", type=float, default=200.0, help="seconds of training for each")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--peers", type=Path, help="the peers' environment; default $SAMOYED_PEERS or .venv-peers")
    parser.add_argument("--one", choices=NAMES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asked.folder = asked.folder.resolve()
    if asked.one:
        one(asked.one, asked.folder, asked.limit, asked.threads)
        return
    print(
        f"torch {torch.__version__}, {asked.threads} threads, {asked.limit:g} s each; at most {asked.target:g} % wrong"
    )
    for name in asked.only.split(","):
        if name not in NAMES:
            raise SystemExit(f"there is no contestant {name!r}; choose of {', '.join(NAMES)}")
        print(measured(name, asked), flush=True)


if __name__ == "__main__":
    main()
