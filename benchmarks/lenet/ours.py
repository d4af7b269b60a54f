"""Samoyed as its users run it: the image-classification task, the catalogue's LeNet, the trainer, its keeper and reporter."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import samoyed
from benchmarks.lenet import data
from benchmarks.lenet.torch_parts import flat, pour
from benchmarks.worker import Timing
from samoyed.examples import Image
from samoyed.models.lenet import LeNet
from samoyed.objectives import Mean
from samoyed.reporting.progress import Reporter
from samoyed.tasks.image_classification import ImageClassification, Images
from samoyed.training.execution import Execution
from samoyed.training.keeper import Keeper
from samoyed.training.progress import Trained
from samoyed.training.trainer import Trainer


class _Clocked(Keeper):
    """The keeper of a run, and the processor time from before the first step to after the last."""

    began: float | None = None
    ended = 0.0

    def stopping(self) -> bool:
        if self.began is None:
            self.began = time.process_time()
        return super().stopping()

    def stepped(self, epoch: int, done: int, of: int, loss: float) -> None:
        super().stepped(epoch, done, of, loss)
        self.ended = time.process_time()


class Ours:
    """Trains through a session of the trainer; its own seconds per epoch exclude validation, which is on one batch here.

    The option execution holds fields of `Execution`, one of those that the trainer chooses from.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.versions = {"samoyed": samoyed.__version__, "torch": torch.__version__}
        images, labels = data.pictures(settings)
        examples = [
            Image(np.ascontiguousarray(image.transpose(1, 2, 0)), str(label), "benchmark")
            for image, label in zip(images, labels, strict=True)
        ]
        self.task = ImageClassification(augment=("none",))
        self.task.fit(examples)
        self.train = self.task.collate(examples)
        self.model, self.initial = self.network(self.task.sizes())
        self.execution = Execution(**settings.get("execution", {}))
        self.folder = tempfile.TemporaryDirectory()

    def network(self, sizes: dict[str, Any]) -> tuple[nn.Module, list[data.Floats]]:
        """What is trained, and the weights that it begins with."""
        model = LeNet(image_shape=sizes["image_shape"], num_classes=sizes["num_classes"])
        return model, data.weights(self.settings)

    def agree(self, out: str) -> dict[str, Any]:
        pour(self.initial, self.model.parameters())
        self.model.train()
        mean = self.task.update(self.model, self._few(), _backward)
        np.save(out, flat(p.grad for p in self.model.parameters()))
        self.model.zero_grad()
        trained, _ = self._train(self._few(), epochs=self.settings["agree_steps"])
        losses = [epoch.loss for epoch in trained.epochs]
        count = sum(p.numel() for p in self.model.parameters())
        return {"parameters": count, "loss": mean.value().item(), "losses": losses}

    def first(self) -> dict[str, Any]:
        began = time.perf_counter()
        self._train(self._few(), epochs=1)
        return {"seconds": time.perf_counter() - began}

    def round(self) -> dict[str, Any]:
        trained, keeper = self._train(self.train, epochs=1)
        seconds = sum(epoch.seconds for epoch in trained.epochs)
        cpu = keeper.ended - (keeper.began or 0.0)
        return Timing(seconds, cpu, trained.epochs[-1].loss)._asdict()

    def _few(self) -> Images:
        return Images(*(tensor[: self.settings["batch_size"]] for tensor in self.train))

    def _train(self, rows: Images, epochs: int) -> tuple[Trained, _Clocked]:
        """Trains from the given weights with a fresh optimiser, as a run would."""
        pour(self.initial, self.model.parameters())
        trainer = Trainer(
            epochs=epochs,
            batch_size=self.settings["batch_size"],
            learning_rate=self.settings["learning_rate"],
            schedule="constant",
        )
        reporter = Reporter(quiet=True)
        reporter.begin(epochs, self.task.unit)
        keeper = _Clocked(Path(self.folder.name), reporter, every=60.0, identity={}, events=None)
        session = trainer.session(self.task, self.model, rows, self._few(), keeper)
        session.execution = self.execution
        keeper.begin([])
        trained = session.run()
        reporter.end()
        if trained.ended != "finished":
            raise RuntimeError(f"training ended as {trained.ended}: {trained.why}")
        return trained, keeper


def _backward(mean: Mean) -> None:
    mean.value().backward()  # type: ignore[no-untyped-call]
