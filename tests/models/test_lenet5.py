"""LeNet-5 of 1998 against its layers written out, its published number of weights, and its loss against the formula."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from samoyed import catalog, checks
from samoyed.layers.tabled_convolution import TabledConv2d
from samoyed.layers.weighted_pooling import WeightedPool2d
from samoyed.models.lenet5 import _TABLE, LeNet5


def paper() -> LeNet5:
    return LeNet5(image_shape=(1, 28, 28), num_classes=10).double().eval()


def test_it_has_the_papers_sixty_thousand_weights() -> None:
    model = paper()
    counted = [sum(p.numel() for p in m.parameters()) for m in (*model.features, *model.full)]
    assert [n for n in counted if n] == [156, 12, 1_516, 32, 48_120, 10_164]
    assert sum(counted) == sum(p.numel() for p in model.parameters()) == 60_000
    assert [len(seen) for seen in _TABLE] == [3] * 6 + [4] * 9 + [6]
    assert len(set(_TABLE)) == 16
    seen = np.bincount([c for row in _TABLE for c in row])
    assert (seen == 10).all()  # each map of S2 is seen by ten


def test_it_equals_its_equations() -> None:
    model = paper()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    c1, s2, c3, s4 = (model.features[i] for i in (0, 2, 4, 6))
    c5, f6 = model.full[0], model.full[2]

    def f(a: torch.Tensor) -> torch.Tensor:
        return 1.7159 * torch.tanh(2 / 3 * a)

    def pooled(x: torch.Tensor, layer: WeightedPool2d) -> torch.Tensor:
        total = x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]
        return f(layer.weight.view(1, -1, 1, 1) * total + layer.bias.view(1, -1, 1, 1))

    x = torch.randn(3, 1, 28, 28, dtype=torch.float64)
    h = pooled(f(F.conv2d(x, c1.weight, c1.bias, padding=2)), s2)
    rows, maps = iter(c3.weight), []
    for o, seen in enumerate(_TABLE):
        parts = [F.conv2d(h[:, [c]], next(rows).view(1, 1, 5, 5)) for c in seen]
        maps.append(torch.stack(parts).sum(0) + c3.bias[o])
    h = pooled(f(torch.cat(maps, 1)), s4)
    h = f(F.linear(f(F.linear(h.flatten(1), c5.weight, c5.bias)), f6.weight, f6.bias))
    expected = [[-((row - code) ** 2).sum().item() for code in model.codes] for row in h]
    assert np.allclose(model(x).detach().numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_papers_equation_nine(smoothing: float) -> None:
    model = LeNet5(image_shape=(1, 8, 8), num_classes=3, rejection=170.0).double()
    x, y = torch.randn(4, 1, 8, 8, dtype=torch.float64), torch.tensor([0, 2, 1, 1])
    expected = 0.0
    for distances, d in zip((-model(x)).tolist(), y.tolist(), strict=True):
        wanted = sum(((1 - smoothing) * (k == d) + smoothing / 3) * distances[k] for k in range(3))
        expected += wanted + math.log(math.exp(-170) + sum(math.exp(-v) for v in distances))
    assert model.loss(x, y, smoothing).item() == pytest.approx(expected, rel=1e-10)


def test_codes_are_signs_the_same_in_every_net_and_kept_with_it() -> None:
    first, second = (LeNet5(image_shape=(1, 8, 8), num_classes=12) for _ in range(2))
    assert first.codes.abs().eq(1).all()
    assert first.codes.equal(second.codes)
    assert "codes" in first.state_dict()
    distances = torch.cdist(first.codes, first.codes).square() + torch.eye(12) * 1e9
    assert distances.min() >= 84  # two classes' codes differ in a quarter of their signs at least


@pytest.mark.parametrize("side", [(4, 4), (5, 9), (12, 12), (23, 24), (25, 40)])
def test_every_size_from_four_works_and_smaller_ones_are_refused(side: tuple[int, int]) -> None:
    model = LeNet5(image_shape=(3, *side), num_classes=2)
    assert model(torch.randn(2, 3, *side)).shape == (2, 2)
    with pytest.raises(ValueError, match="at least 4 x 4"):
        LeNet5(image_shape=(3, 3, side[1]), num_classes=2)


def test_a_full_table_is_a_convolution_and_others_see_nothing_else() -> None:
    layer = TabledConv2d(inputs=3, table=[(0, 1, 2)] * 4, kernel=3, padding=1).double()
    x = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    assert torch.allclose(layer(x), F.conv2d(x, layer.weight.view(4, 3, 3, 3), layer.bias, padding=1))
    sparse = TabledConv2d(inputs=3, table=[(0, 2), (1,)], kernel=3).double()
    moved = x.clone()
    moved[:, 1] += 1
    assert torch.equal(sparse(moved)[:, 0], sparse(x)[:, 0])
    assert not torch.allclose(sparse(moved)[:, 1], sparse(x)[:, 1])
    assert torch.autograd.gradcheck(lambda w: torch.func.functional_call(sparse, {"weight": w}, x), sparse.weight)


def test_its_gradients_are_checked_although_its_answers_are_far_from_zero() -> None:
    found = checks.gradients(catalog.models()["lenet5"], {})
    assert found["ok"]
    assert 0 < float(found["worst relative error"]) < 1e-5
