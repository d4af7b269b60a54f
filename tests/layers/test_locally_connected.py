"""The untied layer against loops in NumPy, and against a convolution once its weights are tied."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from samoyed.explaining.gradient_check import check_gradients
from samoyed.layers.locally_connected import LocallyConnected2d


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), (3, 2)])
def test_it_equals_a_loop(stride, padding):
    torch.manual_seed(0)
    layer = LocallyConnected2d(image_shape=(2, 7, 6), outputs=3, kernel=3, stride=stride, padding=padding).double()
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, 2, 7, 6, dtype=torch.float64)
    found = layer(x).detach().numpy()
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    high, wide = found.shape[2:]
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    for b, o, i, j in np.ndindex(found.shape):
        patch = padded[b, :, i * stride : i * stride + 3, j * stride : j * stride + 3]
        place = i * wide + j
        assert found[b, o, i, j] == pytest.approx((weight[place, o] * patch.reshape(-1)).sum() + bias[place, o])
    assert (high, wide) == ((7 + 2 * padding - 3) // stride + 1, (6 + 2 * padding - 3) // stride + 1)


def test_with_tied_weights_it_is_a_convolution():
    torch.manual_seed(0)
    layer = LocallyConnected2d(image_shape=(3, 8, 8), outputs=5, kernel=3, stride=2, padding=1).double()
    kernel, bias = torch.randn(5, 3, 3, 3, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    layer.weight.data[:] = kernel.flatten(1)
    layer.bias.data[:] = bias
    x = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    assert torch.allclose(layer(x), F.conv2d(x, kernel, bias, stride=2, padding=1))


def test_its_gradients_are_right():
    torch.manual_seed(0)
    layer = LocallyConnected2d(image_shape=(2, 5, 5), outputs=2, kernel=3).double()
    x = torch.randn(2, 2, 5, 5, dtype=torch.float64)
    assert check_gradients(lambda: layer(x).sin().sum(), dict(layer.named_parameters()), samples=40).ok()


def test_a_patch_larger_than_the_picture_is_refused():
    with pytest.raises(ValueError, match="9 x 9 does not fit"):
        LocallyConnected2d(image_shape=(1, 4, 4), outputs=1, kernel=9)
