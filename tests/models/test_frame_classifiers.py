"""Classifiers of recordings: their equations moment by moment, torch's own layers with the same weights, and padding that changes nothing."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from samoyed.layers.pooling import TimePooling
from samoyed.models.conv_1d import Conv1DClassifier, halved
from samoyed.models.gru import GRUSoundClassifier
from samoyed.models.lstm import LSTMSoundClassifier
from samoyed.models.rnn import RNNSoundClassifier
from samoyed.models.tdnn import TDNNClassifier

KINDS: list[Any] = [TDNNClassifier, Conv1DClassifier, LSTMSoundClassifier, GRUSoundClassifier, RNNSoundClassifier]
POOLINGS = ("statistics", "attention", "mean", "max")


def made(kind: Any, **settings: Any) -> Any:
    torch.manual_seed(0)
    return kind(frame_size=4, num_classes=3, **settings).double().eval()


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_padding_changes_nothing(kind: Any, pooling: str) -> None:
    model = made(kind, pooling=pooling)
    lengths = torch.tensor([9, 1, 6])
    frames = torch.randn(3, 9, 4, dtype=torch.float64)
    whole = model(frames, lengths)
    assert whole.shape == (3, 3)
    for row, length in enumerate(lengths.tolist()):
        alone = model(frames[row : row + 1, :length], lengths[row : row + 1])
        assert torch.allclose(whole[row], alone[0], atol=1e-10)


@torch.no_grad()
def test_pooling_is_its_equations() -> None:
    hidden, lengths = torch.randn(2, 5, 3, dtype=torch.float64), torch.tensor([5, 2])
    for how in ("mean", "max", "statistics"):
        found = TimePooling(3, how)(hidden, lengths)  # type: ignore[arg-type]
        for row, length in enumerate(lengths.tolist()):
            some = hidden[row, :length]
            expected = {
                "mean": some.mean(0),
                "max": some.amax(0),
                "statistics": torch.cat([some.mean(0), some.var(0, unbiased=False).clamp(min=1e-5).sqrt()]),
            }[how]
            assert torch.allclose(found[row], expected, atol=1e-12)


def test_a_sequence_without_change_has_a_gradient() -> None:
    """The root of a variance of 0 has no slope, which would be no number."""
    hidden = torch.ones(1, 4, 2, requires_grad=True)
    TimePooling(2, "statistics")(hidden, torch.tensor([4])).sum().backward()
    assert hidden.grad is not None
    assert torch.isfinite(hidden.grad).all()


@torch.no_grad()
def test_the_time_delay_network_is_torchs_convolutions() -> None:
    model = made(TDNNClassifier, hidden_size=6, dilations=(1, 2), pooling="mean")
    frames = torch.randn(2, 8, 4, dtype=torch.float64)
    hidden = frames
    for layer, norm, dilation in zip(model.layers, model.norms, (1, 2), strict=True):
        wide = functional.conv1d(hidden.transpose(1, 2), layer.weight, layer.bias, padding=dilation, dilation=dilation)
        hidden = functional.layer_norm(wide.relu().transpose(1, 2), (6,), norm.weight, norm.bias)
    expected = functional.linear(hidden.mean(1), model.output.weight, model.output.bias)
    assert torch.allclose(model(frames, torch.tensor([8, 8])), expected, atol=1e-12)


@torch.no_grad()
def test_a_time_delay_network_does_not_mind_when_a_sound_comes() -> None:
    """Waibel's point: a pattern amid silence is answered alike wherever it stands, if no edge is near."""
    model = made(TDNNClassifier, pooling="max", dilations=(1, 1))
    sound = torch.randn(5, 4, dtype=torch.float64)
    answers = []
    for begin in (6, 9, 13):
        frames = torch.zeros(1, 24, 4, dtype=torch.float64)
        frames[0, begin : begin + 5] = sound
        answers.append(model(frames, torch.tensor([24])))
    assert torch.allclose(answers[0], answers[1], atol=1e-12)
    assert torch.allclose(answers[0], answers[2], atol=1e-12)


@torch.no_grad()
def test_the_convolutional_network_is_its_equation() -> None:
    """Every moment of every layer written out; 9 frames, then 5, then 3."""
    model = made(Conv1DClassifier, channels=(5, 6, 7), width=3, pooling="mean")
    frames = torch.randn(1, 9, 4, dtype=torch.float64)
    hidden = list(frames[0])
    for n, (layer, norm) in enumerate(zip(model.layers, model.norms, strict=True)):
        made_here = []
        for t in range(len(hidden)):
            total = layer.bias.clone()
            for k in (-1, 0, 1):
                if 0 <= t + k < len(hidden):
                    total += layer.weight[:, :, k + 1] @ hidden[t + k]
            total = total.relu()
            scaled = (total - total.mean()) / (total.var(unbiased=False) + norm.eps).sqrt()
            made_here.append(scaled * norm.weight + norm.bias)
        hidden = made_here
        if n < 2:
            hidden = [torch.stack(hidden[t : t + 2]).amax(0) for t in range(0, len(hidden), 2)]
    assert len(hidden) == 3
    expected = model.output(torch.stack(hidden).mean(0))
    assert torch.allclose(model(frames, torch.tensor([9]))[0], expected, atol=1e-10)


def test_a_maximum_never_sees_what_lies_beyond() -> None:
    hidden = torch.full((1, 4, 1), -2.0)
    hidden[0, 3:] = 5.0
    kept, lengths = halved(hidden, torch.tensor([3]))
    assert kept[0, :, 0].tolist() == [-2.0, -2.0]
    assert lengths.tolist() == [2]


@torch.no_grad()
def test_the_recurrent_network_is_torchs() -> None:
    model = made(LSTMSoundClassifier, hidden_size=6, pooling="mean")
    peer = nn.LSTM(4, 6, 2, batch_first=True, bidirectional=True).double()
    peer.load_state_dict(model.recurrent.state_dict())
    frames = torch.randn(2, 7, 4, dtype=torch.float64)
    expected = model.output(peer(frames)[0].mean(1))
    assert torch.allclose(model(frames, torch.tensor([7, 7])), expected, atol=1e-12)
