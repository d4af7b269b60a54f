"""The loops that people write in PyTorch: the plain one, and one with every trick that Samoyed has."""

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.lenet import data
from benchmarks.lenet.torch_parts import gradient, network, pour
from benchmarks.worker import Timing


class Plain:
    """Normalised pictures in a TensorDataset behind a DataLoader that shuffles; zero_grad, forward, backward, step."""

    fused: bool | None = None  # PyTorch's own choice

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.versions = {"torch": torch.__version__}
        found = data.pictures(settings)
        self.images, self.labels = torch.from_numpy(found.normalised()), torch.from_numpy(found.labels)
        self.model, self.initial = self.network()
        self.loader = DataLoader(TensorDataset(self.images, self.labels), settings["batch_size"], shuffle=True)

    def network(self) -> tuple[nn.Module, list[data.Floats]]:
        """What is trained, and the weights that it begins with."""
        return network(self.settings), data.weights(self.settings)

    def batches(self) -> Iterator[Any]:
        """images [B, C, H, W] float32, labels [B]: one epoch."""
        return iter(self.loader)

    def agree(self, out: str) -> dict[str, Any]:
        pour(self.initial, self.model.parameters())
        loss = gradient(self.model, *self._few(), out)
        optimizer = self._optimizer()
        losses = [self._epoch(iter([self._few()]), optimizer) for _ in range(self.settings["agree_steps"])]
        return {"parameters": sum(p.numel() for p in self.model.parameters()), "loss": loss, "losses": losses}

    def first(self) -> dict[str, Any]:
        pour(self.initial, self.model.parameters())
        began = time.perf_counter()
        self._epoch(iter([self._few()]), self._optimizer())
        return {"seconds": time.perf_counter() - began}

    def round(self) -> dict[str, Any]:
        pour(self.initial, self.model.parameters())
        optimizer = self._optimizer()
        began, cpu = time.perf_counter(), time.process_time()
        loss = self._epoch(self.batches(), optimizer)
        return Timing(time.perf_counter() - began, time.process_time() - cpu, loss)._asdict()

    def _few(self) -> tuple[Tensor, Tensor]:
        few = self.settings["batch_size"]
        return self.images[:few], self.labels[:few]

    def _optimizer(self) -> torch.optim.Optimizer:
        rate = self.settings["learning_rate"]
        return torch.optim.AdamW(self.model.parameters(), rate, weight_decay=0.0, fused=self.fused)

    def _epoch(self, batches: Iterator[Any], optimizer: torch.optim.Optimizer) -> float:
        """The mean of the batches' losses."""
        self.model.train()
        total, count = 0.0, 0
        for images, labels in batches:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.model(images), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total, count = total + loss.item(), count + 1
        return total / count


class Tuned(Plain):
    """The same with whole batches picked at once from tensors in memory, normalised beforehand, and the fused optimiser.

    The option channels_last also gives it that layout, for as long as Samoyed's trainer has it.
    """

    fused = True

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        if settings.get("channels_last"):
            self.model = self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        for chunk in torch.split(torch.randperm(len(self.images)), self.settings["batch_size"]):
            yield self.images.index_select(0, chunk), self.labels.index_select(0, chunk)
