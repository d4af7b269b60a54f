"""A classifier is descended on its logits' cross-entropy, unless it brings a loss of its own; it is always measured on its logits."""

import numpy as np
import torch
from torch import Tensor, nn

from samoyed.examples import Image
from samoyed.objectives import classifier_loss, cross_entropy
from samoyed.tasks.image_classification import ImageClassification


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.output(x.flatten(1))
        return logits


class Own(Plain):
    def loss(self, inputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        return (self(inputs) - targets[:, None]).square().sum() + label_smoothing


def test_a_plain_model_is_descended_on_cross_entropy() -> None:
    model, x, y = Plain(), torch.randn(3, 4), torch.tensor([0, 1, 1])
    found, expected = classifier_loss(model, x, y, 0.1), cross_entropy(model(x), y, 0.1)
    assert torch.equal(found.total, expected.total)
    assert torch.equal(found.count, expected.count)


def test_the_task_descends_a_model_on_the_loss_it_brings_and_measures_it_on_its_logits() -> None:
    task = ImageClassification(label_smoothing=0.25)
    rng = np.random.default_rng(0)
    examples = [Image(rng.integers(0, 256, (2, 2, 1), dtype=np.uint8), label, f"{i}") for i, label in enumerate("abba")]
    task.fit(examples)
    batch, model = task.collate(examples), Own()
    x = task.pixels.normalise(batch.images)
    mean = task.objective(model, batch)
    assert torch.allclose(mean.total, (model(x) - batch.labels[:, None]).square().sum() + 0.25)
    assert float(mean.count) == 4
    mean.value().backward()
    assert model.output.weight.grad is not None
    expected = cross_entropy(model(x), batch.labels)
    assert torch.allclose(task.metrics(model, batch)["loss"].value(), expected.value())
