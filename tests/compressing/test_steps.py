"""Pruning, sharing and what fine-tuning keeps, against brute force and the equations."""

import numpy as np
import pytest
import torch
from torch import nn

from samoyed.compressing import pruning, sharing
from samoyed.compressing.keeping import Kept


def test_scores_are_the_share_of_what_would_be_left() -> None:
    weight = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    squares = sorted(float(w) ** 2 for w in weight.flatten().double())
    for w, score in zip(weight.flatten().tolist(), pruning.scores(weight).flatten().tolist(), strict=True):
        rest = sum(s for s in squares if s >= w * w - 1e-12)
        assert score == pytest.approx(w * w / rest, rel=1e-5)


def test_masks_leave_out_exactly_the_share_and_no_layer() -> None:
    draw = torch.Generator().manual_seed(1)
    layers = {"large": torch.randn(40, 50, generator=draw), "tiny": 1e-4 * torch.randn(4, 5, generator=draw)}
    masks = pruning.masks(layers, 0.9)
    assert sum(int(m.sum()) for m in masks.values()) == round(0.1 * 2020)
    assert masks["tiny"].any()
    for name, mask in masks.items():  # within a layer, the largest stay
        kept, lost = layers[name][mask].abs(), layers[name][~mask].abs()
        assert kept.min() >= lost.max()
    again = pruning.masks({name: layers[name] * masks[name] for name in layers}, 0.5)
    for name, mask in again.items():
        assert torch.equal(mask, masks[name])  # what is 0 already goes first


def test_levels_are_where_k_means_of_scikit_learn_ends() -> None:
    from sklearn.cluster import KMeans

    values = np.random.default_rng(0).normal(size=400).astype(np.float32)
    ours = sharing.levels(values, 8)
    start = np.linspace(values.min(), values.max(), 8)[:, None]
    theirs = KMeans(8, init=start, n_init=1, max_iter=300, tol=0).fit(values[:, None])
    assert np.allclose(ours, np.sort(theirs.cluster_centers_[:, 0]), atol=1e-5)


def test_every_weight_takes_its_nearest_level() -> None:
    weight = torch.randn(30, 20, generator=torch.Generator().manual_seed(0))
    weight[weight.abs() < 0.5] = 0
    values, numbers = sharing.assigned(weight, 3)
    assert len(values) <= 9
    assert values[0] == 0
    assert torch.equal(numbers == 0, weight == 0)
    nearest = values[1:][(weight.flatten()[:, None] - values[1:]).abs().argmin(1)].view_as(weight)
    assert torch.equal(torch.where(weight == 0, 0, nearest), values[numbers])


def test_nothing_but_zeros_has_no_level() -> None:
    values, numbers = sharing.assigned(torch.zeros(4, 4), 5)
    assert torch.equal(values[numbers], torch.zeros(4, 4))


def test_a_step_moves_a_level_by_the_sum_of_its_gradients() -> None:
    """As if the levels themselves were the parameters."""
    torch.manual_seed(0)
    layer, x, y = nn.Linear(6, 5, bias=False), torch.randn(8, 6), torch.randn(8, 5)
    values, numbers = sharing.assigned(layer.weight, 2)
    with torch.no_grad():
        layer.weight.copy_(values[numbers])
    direct = values.clone().requires_grad_()
    kept = Kept({"w": layer.weight}, {"w": numbers > 0}, {"w": numbers})
    first = torch.optim.Adam([layer.weight], 0.01)
    second = torch.optim.Adam([direct], 0.01)
    kept.attach(first)
    for _ in range(5):
        first.zero_grad()
        (layer(x) - y).square().mean().backward()
        first.step()
        second.zero_grad()
        (x @ direct[numbers].T - y).square().mean().backward()
        direct.grad[0] = 0  # what is left out stays so
        second.step()
        assert torch.allclose(layer.weight, direct[numbers].detach(), atol=1e-6)
        assert len(layer.weight.unique()) <= 4


def test_what_was_left_out_stays_out_whatever_a_step_does() -> None:
    weight = nn.Parameter(torch.randn(4, 4))
    mask = torch.eye(4).bool()
    kept = Kept({"w": weight}, {"w": mask})
    kept.restore()
    optimizer = torch.optim.Adam([weight], 0.1, weight_decay=0.1)
    kept.attach(optimizer)
    for _ in range(3):
        weight.grad = torch.randn(4, 4)
        optimizer.step()
        assert torch.equal(weight.detach() != 0, mask)
