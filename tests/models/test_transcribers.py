"""The networks that are trained by connectionist temporal classification: their equations, and padding that changes nothing."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from torch import nn
from torch.nn import functional

from samoyed.models.bilstm_ctc import BiLSTMCTC
from samoyed.models.resnet_ctc import ResNetCTC
from samoyed.models.tdnn import TDNN

KINDS: list[Any] = [BiLSTMCTC, TDNN, ResNetCTC]


def made(kind: Any, **settings: Any) -> nn.Module:
    torch.manual_seed(0)
    if kind is ResNetCTC:
        settings = {"num_bands": 2, "width": 3, "depths": (1, 2), **settings}
    model: nn.Module = kind(**{"frame_size": 4, "num_symbols": 5, "hidden_size": 6, **settings})
    return model.double().eval()


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_padding_changes_nothing(kind: Any) -> None:
    model = made(kind)
    frames, lengths = torch.randn(3, 9, 4, dtype=torch.float64), torch.tensor([9, 4, 6])
    whole, said = model(frames, lengths)
    assert said.tolist() == lengths.tolist()
    for row, length in enumerate(lengths.tolist()):
        alone, _ = model(frames[row : row + 1, :length], lengths[row : row + 1])
        assert torch.allclose(whole[row, :length], alone[0], atol=1e-12)


@torch.no_grad()
def test_the_bidirectional_network_is_torchs() -> None:
    model = made(BiLSTMCTC, num_layers=3)
    peer = nn.LSTM(4, 6, 3, batch_first=True, bidirectional=True).double()
    peer.load_state_dict(model.recurrent.state_dict())  # type: ignore[union-attr]
    frames = torch.randn(2, 7, 4, dtype=torch.float64)
    expected = model.output(peer(frames)[0])  # type: ignore[operator]
    assert torch.allclose(model(frames, torch.tensor([7, 7]))[0], expected, atol=1e-12)


@torch.no_grad()
def test_the_time_delay_network_is_its_equation() -> None:
    """h_t = normalise(ReLU(sum_k W_k h_{t + k d} + b)), 0 outside, moment by moment."""
    model: Any = made(TDNN, dilations=(1, 2))
    frames = torch.randn(1, 8, 4, dtype=torch.float64)
    hidden = list(frames[0])
    for layer, norm, dilation in zip(model.layers, model.norms, (1, 2), strict=True):
        following = []
        for t in range(8):
            total = layer.bias.clone()
            for k in (-1, 0, 1):
                if 0 <= t + k * dilation < 8:
                    total += layer.weight[:, :, k + 1] @ hidden[t + k * dilation]
            total = functional.relu(total)
            scaled = (total - total.mean()) / (total.var(unbiased=False) + norm.eps).sqrt()
            following.append(scaled * norm.weight + norm.bias)
        hidden = following
    expected = torch.stack([model.output(h) for h in hidden])
    assert torch.allclose(model(frames, torch.tensor([8]))[0][0], expected, atol=1e-10)


@torch.no_grad()
@pytest.mark.parametrize(("stack", "bands"), [(1, 8), (3, 7)])
def test_the_residual_network_is_its_equation(stack: int, bands: int) -> None:
    """Convolutions by SciPy, map by map, and each moment normalised by hand."""
    model: Any = made(ResNetCTC, frame_size=stack * bands, num_bands=bands, depths=(1, 2))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.4)
    frames = torch.randn(1, 5, stack * bands, dtype=torch.float64)

    def conv(maps: Any, layer: Any) -> Any:
        weight, pad, step = layer.weight.numpy(), layer.padding, layer.stride
        wide = np.pad(maps, ((0, 0), (pad[0], pad[0]), (pad[1], pad[1])))
        found = [sum(correlate2d(m, k, "valid") for m, k in zip(wide, kernel, strict=True)) for kernel in weight]
        shift = 0 if layer.bias is None else layer.bias.numpy()[:, None, None]
        return np.stack(found)[:, :: step[0], :: step[1]] + shift

    def norm(maps: Any, layer: Any) -> Any:
        found = np.empty_like(maps)
        for t in range(maps.shape[1]):
            moment = maps[:, t]
            found[:, t] = (moment - moment.mean()) / np.sqrt(moment.var() + 1e-5)
        return np.maximum(found * layer.weight.numpy()[:, None, None] + layer.bias.numpy()[:, None, None], 0)

    hidden = conv(frames[0].view(1, -1, bands).numpy(), model.stem)
    for block in model.blocks:
        inner = conv(norm(hidden, block.norms[0]), block.first)
        inner = conv(norm(inner, block.norms[1]), block.second)
        hidden = inner + (hidden if block.short is None else conv(hidden, block.short))
    read = torch.from_numpy(norm(hidden, model.norm).transpose(1, 0, 2).reshape(5, -1))
    expected = model.output(functional.relu(model.hidden(read)))
    assert torch.allclose(model(frames, torch.tensor([5]))[0][0], expected, atol=1e-10)


def test_stacked_frames_must_be_whole_spectra() -> None:
    with pytest.raises(ValueError, match="no spectra of 3 bands"):
        ResNetCTC(frame_size=8, num_bands=3, num_symbols=4)
