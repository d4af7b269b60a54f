"""What the contestants on PyTorch share: weights in, gradients out, and LeNet written by hand."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.lenet.data import Floats
from benchmarks.lenet.sizes import Sizes


def pour(weights: Sequence[Floats], parameters: Iterable[Tensor]) -> None:
    """Sets the parameters, in their order."""
    with torch.no_grad():
        for array, parameter in zip(weights, parameters, strict=True):
            parameter.copy_(torch.from_numpy(array))


def flat(gradients: Iterable[Tensor | None]) -> Floats:
    """All gradients as one vector [P]."""
    found: Floats = torch.cat([g.reshape(-1) for g in gradients if g is not None]).numpy()
    return found


def network(settings: dict[str, Any]) -> nn.Sequential:
    """pictures [B, C, H, W] -> logits [B, num_classes]."""
    sizes = Sizes(tuple(settings["image_shape"]), settings["num_classes"])
    height, width = sizes.sides
    return nn.Sequential(
        nn.Conv2d(settings["image_shape"][0], 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(16 * height * width, 120), nn.ReLU(),
        nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, settings["num_classes"]),
    )  # fmt: skip


def gradient(model: nn.Module, images: Tensor, labels: Tensor, out: str) -> float:
    """Saves the gradient of the mean cross-entropy [P] in `out`, and returns the loss."""
    model.zero_grad()
    loss: Tensor = nn.functional.cross_entropy(model(images), labels)
    loss.backward()  # type: ignore[no-untyped-call]
    np.save(out, flat(p.grad for p in model.parameters()))
    model.zero_grad()
    return loss.item()
