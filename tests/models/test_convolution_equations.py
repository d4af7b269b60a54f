"""AlexNet's halves, the modules of Inception, ResNet's two kinds of block and DenseNet's, written out with functions alone."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from samoyed.models.alexnet import AlexNet
from samoyed.models.densenet import DenseNet
from samoyed.models.inception import Inception
from samoyed.models.local_net import LocalNet
from samoyed.models.maxout_conv import MaxoutConv
from samoyed.models.resnet import ResNet


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_alexnet_is_two_columns_that_meet_at_the_third_layer() -> None:
    torch.manual_seed(0)
    model = AlexNet(image_shape=(3, 64, 64), num_classes=5, columns=2, stem="large", hidden_size=8).double().eval()
    state = model.state_dict()
    convs = [
        (state[n], state[n.replace("weight", "bias")]) for n in state if n.startswith("features") and "weight" in n
    ]

    def normalised(maps: Tensor) -> Tensor:
        squares = F.pad(maps.square(), (0, 0, 0, 0, 2, 2))
        total = torch.stack([squares[:, i : i + maps.shape[1]] for i in range(5)]).sum(0)
        return maps / (2 + 1e-4 * total) ** 0.75

    def columns(maps: Tensor, layer: int, padding: int) -> Tensor:
        weight, bias = convs[layer]
        halves = zip(maps.chunk(2, 1), weight.chunk(2), bias.chunk(2), strict=True)
        return torch.cat([F.conv2d(half, w, b, padding=padding) for half, w, b in halves], 1).relu()

    x = noise(2, 3, 64, 64)
    h = F.max_pool2d(normalised(F.conv2d(x, *convs[0], stride=4, padding=2).relu()), 3, 2)
    h = F.max_pool2d(normalised(columns(h, 1, 2)), 3, 2)
    h = columns(columns(F.conv2d(h, *convs[2], padding=1).relu(), 3, 1), 4, 1)
    expected = F.max_pool2d(h, 3, 2)
    assert torch.allclose(model.features(x), expected, rtol=1e-10)
    assert convs[1][1].eq(1).all()
    assert convs[2][1].eq(0).all()


def test_inception_looks_with_three_kernels_and_a_pool_at_once() -> None:
    torch.manual_seed(0)
    model = Inception(image_shape=(3, 32, 32), num_classes=5, batch_norm=False, width=0.25).double().eval()
    module = model.parts[0][5]
    w = [p for _, p in module.named_parameters()]
    x = noise(2, w[0].shape[1], 8, 8)

    def conv(x: Tensor, i: int) -> Tensor:
        return F.conv2d(x, w[2 * i], w[2 * i + 1], padding=w[2 * i].shape[-1] // 2).relu()

    branches = [conv(x, 0), conv(conv(x, 1), 2), conv(conv(x, 3), 4), conv(F.max_pool2d(x, 3, 1, 1), 5)]
    assert torch.allclose(module(x), torch.cat(branches, 1), rtol=1e-10)
    assert [b.shape[-1] for b in w if b.ndim == 4] == [1, 1, 3, 1, 5, 1]


def test_inception_adds_a_share_of_the_auxiliary_losses() -> None:
    torch.manual_seed(0)
    model = Inception(image_shape=(1, 16, 16), num_classes=5, width=0.25, dropout=0.0, auxiliary=0.3).double().eval()
    x, y = noise(3, 1, 16, 16), torch.tensor([0, 3, 4])
    a = model.parts[0](x)
    b = model.parts[1](a)
    heads = [model.heads[0](a), model.heads[1](b), model(x)]
    first, second, main = (F.cross_entropy(logits, y, reduction="sum", label_smoothing=0.1) for logits in heads)
    assert torch.allclose(model.loss(x, y, 0.1), main + 0.3 * (first + second))
    assert torch.allclose(model(x), model.output(model.parts[2](b).mean((2, 3))))


@pytest.mark.parametrize("pre_activation", [False, True])
def test_a_small_resnet_block_adds_to_every_other_pixel_and_zeros(pre_activation: bool) -> None:
    torch.manual_seed(0)
    model = ResNet(image_shape=(3, 8, 8), num_classes=5, pre_activation=pre_activation).double().eval()
    block = model.blocks[3]
    convs = [p for p in block.parameters() if p.ndim == 4]
    x = noise(2, 16, 8, 8)
    kept = torch.zeros(2, 32, 4, 4, dtype=torch.float64)
    kept[:, :16] = x[:, :, ::2, ::2]

    def norm(maps: Tensor) -> Tensor:
        return maps / (1 + 1e-5) ** 0.5  # mean 0, variance 1, as a norm begins

    if pre_activation:
        h = F.conv2d(norm(x).relu(), convs[0], stride=2, padding=1)
        expected = kept + F.conv2d(norm(h).relu(), convs[1], padding=1)
    else:
        h = norm(F.conv2d(x, convs[0], stride=2, padding=1)).relu()
        expected = (kept + norm(F.conv2d(h, convs[1], padding=1))).relu()
    assert torch.allclose(block(x), expected, rtol=1e-10)
    assert len(convs) == 2


def test_every_layer_of_a_dense_block_reads_all_before_it() -> None:
    torch.manual_seed(0)
    model = DenseNet(image_shape=(3, 8, 8), num_classes=5).double().eval()
    block = model.features[1]
    convs = [p for p in block.parameters() if p.ndim == 4]
    maps = [noise(2, 24, 8, 8)]
    for narrow, wide in zip(convs[::2], convs[1::2], strict=True):
        h = F.conv2d((torch.cat(maps, 1) / (1 + 1e-5) ** 0.5).relu(), narrow)
        maps.append(F.conv2d((h / (1 + 1e-5) ** 0.5).relu(), wide, padding=1))
    assert torch.allclose(block(maps[0]), torch.cat(maps, 1), rtol=1e-10)
    assert len(maps) == 7


def test_maxout_over_maps_and_patches_equals_loops() -> None:
    torch.manual_seed(0)
    model = MaxoutConv(image_shape=(1, 6, 6), num_classes=3, maps=(2,), pieces=3).double().eval()
    conv = model.features[0]
    x = noise(1, 1, 6, 6)
    linear = F.conv2d(x, conv.weight, conv.bias, padding=2)[0].detach().numpy()
    expected = np.empty((2, 3, 3))
    for o in range(2):
        for i in range(3):
            for j in range(3):
                rows, columns = slice(max(0, 2 * i - 1), 2 * i + 2), slice(max(0, 2 * j - 1), 2 * j + 2)
                expected[o, i, j] = linear[3 * o : 3 * o + 3, rows, columns].max()
    assert np.allclose(model.features(x)[0].detach().numpy(), expected)


def test_pooling_forgives_a_shift_that_a_local_layer_does_not() -> None:
    """A spot moved by one pixel within a patch of 2x2 leaves max pooling's answer as it was."""
    x, moved = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    x[0, 0, 2, 2] = moved[0, 0, 3, 3] = 1.0
    assert F.max_pool2d(x, 2).equal(F.max_pool2d(moved, 2))
    torch.manual_seed(0)
    local = LocalNet(image_shape=(1, 8, 8), num_classes=3)
    assert not torch.allclose(local(x), local(moved))


def test_the_same_units_need_fewer_weights_when_they_are_local_and_fewer_still_when_shared() -> None:
    weights = {}
    for connections in ("full", "local", "shared"):
        model = LocalNet(image_shape=(1, 16, 16), num_classes=10, connections=connections, maps=1)
        weights[connections] = sum(p.numel() for p in model.features.parameters())
    # 64 units of the first layer and 32 of the second, each with a bias; shared, one bias per map
    assert weights == {"full": 64 * 257 + 32 * 65, "local": 64 * 10 + 32 * 26, "shared": 10 + 2 * 26}
