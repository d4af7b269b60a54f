"""Gradients of each whole architecture's loss, in training, against finite differences along random directions, in float64."""

from typing import Any

import pytest
import torch
from torch import nn

from samoyed import catalog
from samoyed.objectives import classifier_loss

CASES: list[tuple[str, dict[str, Any]]] = [
    ("alexnet", {"columns": 2, "hidden_size": 16}),
    ("capsnet", {"maps": 8, "capsules": 4}),
    ("densenet", {"growth": 4}),
    ("inception", {"width": 0.125}),
    ("inception", {"width": 0.125, "batch_norm": False, "auxiliary": 0.0}),
    ("lenet5", {}),
    ("local_net", {}),
    ("maxout_conv", {"maps": (4, 6)}),
    ("mobilenet_v1", {"width": 0.25}),
    ("mobilenet_v2", {"width": 0.25}),
    ("mobilenet_v3", {"width": 0.25}),
    ("resnet", {}),
    ("resnet", {"pre_activation": True}),
    ("resnet", {"depth": 18, "stem": "large"}),
    ("vgg", {"hidden_size": 16}),
]


@pytest.mark.parametrize(("name", "settings"), CASES, ids=[f"{name}-{i}" for i, (name, _) in enumerate(CASES)])
def test_the_slope_along_any_direction_is_the_gradients(name: str, settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    form = catalog.models()[name].main
    model: nn.Module = form.load()(image_shape=(2, 10, 13), num_classes=3, **settings).double()
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    with torch.no_grad():  # biases of 0 above maps of 0 would stand on a rectifier's kink
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    x, y = torch.randn(4, 2, 10, 13, dtype=torch.float64), torch.tensor([0, 1, 2, 1])
    parameters = list(model.parameters())
    gradients = torch.autograd.grad(classifier_loss(model, x, y, 0.1).value(), parameters)
    assert all(gradient.isfinite().all() for gradient in gradients)

    @torch.no_grad()
    def moved(direction: list[torch.Tensor], step: float) -> float:
        for parameter, along in zip(parameters, direction, strict=True):
            parameter.add_(along, alpha=step)
        found = classifier_loss(model, x, y, 0.1).value().item()
        for parameter, along in zip(parameters, direction, strict=True):
            parameter.sub_(along, alpha=step)
        return found

    step = 1e-8  # small, since a step along all weights may cross a rectifier's kink
    for _ in range(3):
        # tensors of small gradients move further, so that none hides behind another
        direction = [torch.randn_like(g) / (g.norm() + 0.05) for g in gradients]
        slope = sum((g * d).sum().item() for g, d in zip(gradients, direction, strict=True))
        found = (moved(direction, step) - moved(direction, -step)) / (2 * step)
        assert found == pytest.approx(slope, rel=2e-3, abs=2e-4)
