"""Networks for clips and volumes: their equations, torch's own layers with the same weights, and what order means to each."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from samoyed.models.conv_3d import Conv3DClassifier
from samoyed.models.frame_conv import FrameConvClassifier
from samoyed.models.lrcn import LRCNClassifier

KINDS: list[Any] = [Conv3DClassifier, LRCNClassifier, FrameConvClassifier]
SHAPE = (2, 5, 9, 8)


def made(kind: Any, **settings: Any) -> Any:
    """In float64, with running means and variances that are not those of a new layer."""
    torch.manual_seed(0)
    model = kind(block_shape=SHAPE, num_classes=3, **settings).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.running_mean.normal_()  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    return model.eval()


def blocks(count: int = 2) -> torch.Tensor:
    return torch.randn(count, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_a_convolution_reaches_through_time_by_its_equation() -> None:
    """One layer without pooling, place by place: the mean over all places of ReLU(normalise(sum of 3 x 3 x 3 products))."""
    model = made(Conv3DClassifier, channels=(2,))
    x, (layer, norm) = blocks(1)[0, :, :3, :4, :4], (model.convolutions[0], model.norms[0])
    total = torch.zeros(2, dtype=torch.float64)
    for t in range(3):
        for i in range(4):
            for j in range(4):
                answer = torch.zeros(2, dtype=torch.float64)
                for k in (-1, 0, 1):
                    for a in (-1, 0, 1):
                        for b in (-1, 0, 1):
                            if 0 <= t + k < 3 and 0 <= i + a < 4 and 0 <= j + b < 4:
                                answer += layer.weight[:, :, k + 1, a + 1, b + 1] @ x[:, t + k, i + a, j + b]
                scaled = (answer - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
                total += scaled.relu()
    expected = model.output(total / 48)
    assert torch.allclose(model(x[None])[0], expected, atol=1e-10)


@torch.no_grad()
def test_the_3d_network_is_torchs_layers_in_a_row() -> None:
    model = made(Conv3DClassifier, channels=(3, 3, 4))
    layers: list[nn.Module] = []
    for n, pool in enumerate((None, nn.MaxPool3d(2), None)):
        layers += [model.convolutions[n], model.norms[n], nn.ReLU()] + ([pool] if pool else [])
    peer = nn.Sequential(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten(), model.output)
    assert torch.allclose(model(blocks()), peer(blocks()), atol=1e-12)
    assert made(Conv3DClassifier, channels=(64, 128, 256, 256, 512, 512, 512, 512)).pooled == [
        True, True, False, True, False, False, False, False
    ]  # fmt: skip


def test_the_convolutions_of_c3d_have_the_papers_weights() -> None:
    """Tran et al. 2015, section 3.2, eight layers: 27 (3 64 + 64 128 + 128 256 + 256 256 + 256 512 + 3 512 512)."""
    with torch.device("meta"):
        model = Conv3DClassifier(
            block_shape=(3, 16, 112, 112), num_classes=487, channels=(64, 128, 256, 256, 512, 512, 512, 512)
        )
    found = sum(c.weight.numel() for c in model.convolutions)
    assert found == 27 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 256 + 256 * 512 + 3 * 512 * 512) == 27_653_184


@torch.no_grad()
def test_the_recurrent_network_is_torchs() -> None:
    model = made(LRCNClassifier, channels=(3, 4), hidden_size=6)
    codes = torch.stack(
        [model.encoder.code(model.encoder.maps(blocks()[:, :, t]).flatten(1)).relu() for t in range(5)], 1
    )
    assert torch.allclose(model.encoder(blocks()), codes, atol=1e-12)
    peer = nn.LSTM(6, 6, batch_first=True).double()
    peer.load_state_dict(model.recurrent.state_dict())
    by_frame = functional.linear(peer(codes)[0], model.output.weight, model.output.bias)
    assert torch.allclose(model.by_frame(blocks()), by_frame, atol=1e-10)
    assert torch.allclose(model(blocks()), by_frame.mean(1), atol=1e-10)


@torch.no_grad()
def test_single_frames_do_not_mind_their_order_and_the_others_do() -> None:
    for kind in KINDS:
        model = made(kind)
        same = torch.allclose(model(blocks()), model(blocks().flip(2)), atol=1e-9)
        assert same == (kind is FrameConvClassifier), kind


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 2, 1, 1), (3, 1, 7, 3), (1, 9, 16, 16)])
def test_blocks_of_any_size(kind: Any, shape: tuple[int, int, int, int]) -> None:
    model = kind(block_shape=shape, num_classes=3)
    logits = model(torch.randn(2, *shape))
    assert logits.shape == (2, 3)
    logits.sum().backward()
    assert all(p.grad is not None for p in model.parameters())
