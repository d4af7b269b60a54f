"""skorch: NeuralNetClassifier.partial_fit, one epoch at a time."""

import time
from typing import Any

import skorch  # type: ignore[import-not-found]
import torch
from torch import nn

from benchmarks.lenet import data
from benchmarks.lenet.torch_parts import gradient, network, pour
from benchmarks.worker import Timing


class Fit:
    """The module is built by hand; data are NumPy arrays, normalised."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.versions = {"skorch": skorch.__version__, "torch": torch.__version__}
        found = data.pictures(settings)
        self.images, self.labels, self.initial = found.normalised(), found.labels, data.weights(settings)
        self.net: Any = None

    def agree(self, out: str) -> dict[str, Any]:
        few = self.settings["batch_size"]
        images, labels = self.images[:few], self.labels[:few]
        self._start()
        loss = gradient(self.net.module_, torch.from_numpy(images), torch.from_numpy(labels), out)
        for _ in range(self.settings["agree_steps"]):
            self.net.partial_fit(images, labels)
        count = sum(p.numel() for p in self.net.module_.parameters())
        return {"parameters": count, "loss": loss, "losses": [float(x) for x in self.net.history[:, "train_loss"]]}

    def first(self) -> dict[str, Any]:
        self._start()
        few = self.settings["batch_size"]
        began = time.perf_counter()
        self.net.partial_fit(self.images[:few], self.labels[:few])
        return {"seconds": time.perf_counter() - began}

    def round(self) -> dict[str, Any]:
        self._start()
        began, cpu = time.perf_counter(), time.process_time()
        self.net.partial_fit(self.images, self.labels)
        seconds, used = time.perf_counter() - began, time.process_time() - cpu
        return Timing(seconds, used, float(self.net.history[-1, "train_loss"]))._asdict()

    def _start(self) -> None:
        self.net = skorch.NeuralNetClassifier(
            network(self.settings),
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.AdamW,
            optimizer__weight_decay=0.0,
            lr=self.settings["learning_rate"],
            batch_size=self.settings["batch_size"],
            max_epochs=1,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
        ).initialize()
        pour(self.initial, self.net.module_.parameters())
