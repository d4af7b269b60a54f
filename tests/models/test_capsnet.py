"""Routing by agreement against a loop in NumPy, the margin loss against its formula, and what a capsule says of a class."""

import numpy as np
import pytest
import torch

from samoyed.layers.capsules import RoutedCapsules, squash
from samoyed.models.capsnet import CapsNet


def squash_by_hand(s):
    length = np.sqrt((s**2).sum())
    return length**2 / (1 + length**2) * s / length


@pytest.mark.parametrize("iterations", [1, 3])
def test_routing_equals_a_loop(iterations):
    torch.manual_seed(0)
    layer = RoutedCapsules(inputs=5, input_size=3, outputs=4, output_size=6, iterations=iterations).double()
    below = torch.randn(2, 5, 3, dtype=torch.float64)
    layer.weight.data *= 10  # so that capsules disagree
    weight = layer.weight.detach().numpy()
    found = squash(layer(below)).detach().numpy()
    for example in range(2):
        votes = np.array([[weight[i, j] @ below[example, i].numpy() for j in range(4)] for i in range(5)])
        logits = np.zeros((5, 4))
        for _ in range(iterations):
            coupling = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
            above = [squash_by_hand(sum(coupling[i, j] * votes[i, j] for i in range(5))) for j in range(4)]
            for i in range(5):
                for j in range(4):
                    logits[i, j] += votes[i, j] @ above[j]
        assert np.allclose(found[example], above, rtol=1e-9)


def test_routing_gives_more_weight_to_what_agrees():
    torch.manual_seed(0)
    once, thrice = (
        RoutedCapsules(inputs=9, input_size=2, outputs=2, output_size=4, iterations=i).double() for i in (1, 3)
    )
    thrice.load_state_dict(once.state_dict())
    below = torch.randn(1, 9, 2, dtype=torch.float64) * 20
    lengths = [squash(layer(below)).norm(dim=-1) for layer in (once, thrice)]
    assert (lengths[1].max() > lengths[0].max()).item()


def test_squash_keeps_direction_bounds_length_and_has_a_gradient_at_zero():
    s = torch.tensor([[3.0, 4.0], [0.0, 0.0]], requires_grad=True)
    v = squash(s)
    assert torch.allclose(v[0], torch.tensor([0.6, 0.8]) * 25 / 26)
    v.sum().backward()
    assert s.grad.isfinite().all()


def test_logits_are_the_odds_that_lengths_stand_for():
    torch.manual_seed(0)
    model = CapsNet(image_shape=(1, 8, 8), num_classes=3, maps=4, capsules=2).double()
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64) * 3
    length = squash(model.sums(x)).norm(dim=-1)
    odds = length / (1 - length)
    assert torch.allclose(model(x).softmax(-1), odds / odds.sum(-1, keepdim=True), rtol=1e-3)
    assert model(x).argmax(-1).equal(length.argmax(-1))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_margins_and_a_drawing_of_the_right_class(smoothing):
    torch.manual_seed(0)
    model = CapsNet(image_shape=(1, 8, 8), num_classes=3, maps=4, capsules=2, reconstruction=0.5).double()
    x, y = torch.randn(2, 1, 8, 8, dtype=torch.float64), torch.tensor([2, 0])
    poses = squash(model.sums(x))
    expected = 0.0
    for b in range(2):
        for k in range(3):
            length = poses[b, k].norm().item()
            t = (1 - smoothing) * (k == y[b].item()) + smoothing / 3
            expected += t * max(0, 0.9 - length) ** 2 + 0.5 * (1 - t) * max(0, length - 0.1) ** 2
        only = torch.zeros_like(poses[b])
        only[y[b]] = poses[b, y[b]]
        expected += 0.5 * (model.decoder(only.flatten()) - x[b].flatten()).square().mean().item()
    assert model.loss(x, y, smoothing).item() == pytest.approx(expected, rel=1e-9)


def test_a_pose_can_be_drawn_and_without_a_decoder_not():
    model = CapsNet(image_shape=(3, 12, 9), num_classes=3, maps=4, capsules=2)
    poses = squash(model.sums(torch.randn(2, 3, 12, 9)))
    assert model.draw(poses, torch.tensor([0, 1])).shape == (2, 3, 12, 9)
    bare = CapsNet(image_shape=(3, 12, 9), num_classes=3, maps=4, capsules=2, reconstruction=0.0)
    with pytest.raises(ValueError, match="draws nothing"):
        bare.draw(poses, torch.tensor([0, 1]))
