"""A classifier is descended on its logits' cross-entropy, unless it brings a loss of its own; it is always measured on its logits."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from samoyed.errors import UsageError
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


def test_blended_labels_and_weights_of_classes_are_sums_over_the_classes() -> None:
    logits, shares = torch.randn(5, 3).double(), torch.rand(5, 3).double().softmax(1)
    weights = torch.tensor([0.5, 1.0, 3.0]).double()
    found = cross_entropy(logits, shares, 0.0, weights)
    assert torch.allclose(found.total, -(weights * shares * logits.log_softmax(1)).sum())
    assert float(found.count) == 5
    sure = torch.eye(3).double()[torch.tensor([0, 2, 1, 1, 0])]
    assert torch.allclose(cross_entropy(logits, sure).total, cross_entropy(logits, sure.argmax(1)).total)


def test_balanced_classes_weigh_alike_in_all() -> None:
    task = ImageClassification(class_weights="balanced")
    rng = np.random.default_rng(0)
    labels = "aaaaaaab"
    examples = [Image(rng.integers(0, 256, (2, 2, 1), dtype=np.uint8), label, f"{i}") for i, label in enumerate(labels)]
    task.fit(examples)
    assert sum(task.weights[task.classes.index(label)] for label in labels) == pytest.approx(8)
    assert 7 * task.weights[0] == pytest.approx(task.weights[1])
    batch, model = task.collate(examples), Plain()
    logits = model(task.pixels.normalise(batch.images)).log_softmax(1)
    by_class = [-logits[batch.labels == k, k].mean() for k in (0, 1)]
    assert torch.allclose(task.objective(model, batch).value(), (by_class[0] + by_class[1]) / 2)
    with pytest.raises(UsageError, match="loss of its own"):
        task.objective(Own(), batch)
