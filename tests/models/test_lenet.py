"""LeNet against the same layers written out in torch.nn, with the same weights."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from samoyed.models.lenet import LeNet

PAPER = {"c1": 6 * 25 + 6, "c3": 16 * 6 * 25 + 16, "c5": 400 * 120 + 120, "f6": 120 * 84 + 84, "output": 84 * 10 + 10}


def copied(model: LeNet, reference: nn.Sequential) -> nn.Sequential:
    """`reference` with the model's weights, layer by layer in order."""
    mine = list(model.state_dict().values())
    theirs = list(reference.state_dict())
    assert len(mine) == len(theirs)
    reference.load_state_dict(dict(zip(theirs, mine, strict=True)))
    return reference


def test_it_has_the_papers_sizes() -> None:
    model = LeNet(image_shape=(1, 28, 28), num_classes=10)
    assert sum(p.numel() for p in model.parameters()) == sum(PAPER.values()) == 61_706
    x, sides = torch.zeros(1, 1, 28, 28), []
    for layer in model.features:
        x = layer(x)
        sides.append(tuple(x.shape[1:]))
    assert [sides[i] for i in (0, 2, 3, 5)] == [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5)]


def test_it_equals_the_layers_written_out() -> None:
    model = LeNet(image_shape=(1, 28, 28), num_classes=10).eval()
    reference = copied(
        model,
        nn.Sequential(
            *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
        ),
    )
    images = torch.randn(5, 1, 28, 28)
    assert torch.equal(model(images), reference(images))


def test_the_older_form_equals_the_layers_written_out() -> None:
    model = LeNet(image_shape=(3, 32, 30), num_classes=4, activation="tanh", pooling="average").eval()
    reference = copied(
        model,
        nn.Sequential(
            *(nn.Conv2d(3, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten()),
            *(nn.Linear(16 * 6 * 5, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 4)),
        ),
    )
    images = torch.randn(5, 3, 32, 30)
    assert torch.equal(model(images), reference(images))


def test_small_pictures_keep_something_to_pool() -> None:
    model = LeNet(image_shape=(1, 8, 8), num_classes=10).eval()
    images = torch.randn(3, 1, 8, 8)
    c1, c3, c5, f6, out = (m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear))
    x: Tensor = F.max_pool2d(F.conv2d(images, c1.weight, c1.bias, padding=2).relu(), 2)
    x = F.max_pool2d(F.conv2d(x, c3.weight, c3.bias, padding=2).relu(), 2)
    assert x.shape == (3, 16, 2, 2)
    x = F.linear(x.flatten(1), c5.weight, c5.bias).relu()
    x = F.linear(F.linear(x, f6.weight, f6.bias).relu(), out.weight, out.bias)
    assert torch.equal(model(images), x)


@pytest.mark.parametrize("side", [(4, 4), (5, 9), (7, 40), (12, 12), (23, 23), (24, 24), (25, 64)])
def test_every_size_from_four_works(side: tuple[int, int]) -> None:
    model = LeNet(image_shape=(3, *side), num_classes=2)
    assert model(torch.randn(2, 3, *side)).shape == (2, 2)


@pytest.mark.parametrize("side", [(3, 28), (28, 3), (1, 1)])
def test_smaller_pictures_are_refused(side: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 4 x 4"):
        LeNet(image_shape=(1, *side), num_classes=2)


def test_width_multiplies_maps_and_units() -> None:
    model = LeNet(image_shape=(1, 28, 28), num_classes=10, width=2.0)
    shapes = [tuple(m.weight.shape[:2]) for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert shapes == [(12, 1), (32, 12), (240, 800), (168, 240), (10, 168)]


def test_dropout_leaves_out_units_of_the_full_layers_in_training_only() -> None:
    model = LeNet(image_shape=(1, 8, 8), num_classes=3, dropout=0.5)
    images = torch.randn(4, 1, 8, 8)
    assert not torch.equal(model(images), model(images))
    model.eval()
    assert torch.equal(model(images), model(images))
    plain = LeNet(image_shape=(1, 8, 8), num_classes=3).train()
    plain.load_state_dict(model.state_dict())
    assert torch.equal(plain(images), model(images))
