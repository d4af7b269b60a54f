"""The networks that are trained by connectionist temporal classification: their equations, and padding that changes nothing."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from samoyed.models.bilstm_ctc import BiLSTMCTC
from samoyed.models.tdnn import TDNN

KINDS: list[Any] = [BiLSTMCTC, TDNN]


def made(kind: Any, **settings: Any) -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = kind(frame_size=4, num_symbols=5, hidden_size=6, **settings)
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
