"""Taggers of frames: their equations with torch's own layers, padding that changes nothing, and what may not be looked at."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from samoyed.layers.frame_encoder import neighbours
from samoyed.models.conv_3d import Conv3DTagger
from samoyed.models.frame_conv import FrameConvTagger
from samoyed.models.lrcn import LRCNTagger

KINDS: list[Any] = [LRCNTagger, FrameConvTagger, Conv3DTagger]
SHAPE = (2, 8, 6)


def made(kind: Any, **given: Any) -> Any:
    torch.manual_seed(0)
    model = kind(frame_shape=SHAPE, num_tags=3, **given).double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = 0.3 * torch.randn(module.num_features).double()
            module.running_var = 0.5 + torch.rand(module.num_features).double()
    return model


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(kind: Any, training: bool) -> None:
    """Not even what a norm learns of a batch while training."""
    lengths = torch.tensor([7, 1, 4])
    frames = torch.randn(3, 7, *SHAPE, dtype=torch.float64)
    other = frames.clone()
    for row, length in enumerate(lengths.tolist()):
        other[row, length:] = 9.0
    models = [made(kind, dropout=0.0).train(training) for _ in range(2)]
    whole, padded = (model(x, lengths) for model, x in zip(models, (frames, other), strict=True))
    assert whole.shape == (3, 7, 3)
    for row, length in enumerate(lengths.tolist()):
        assert torch.allclose(whole[row, :length], padded[row, :length], atol=1e-12)
        if not training:
            alone = models[0](frames[row : row + 1, :length], lengths[row : row + 1])
            assert torch.allclose(whole[row, :length], alone[0], atol=1e-10)
    for mine, theirs in zip(models[0].buffers(), models[1].buffers(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_graph_that_computes_padding_too_answers_the_same(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths, frames = torch.tensor([7, 1, 4]), torch.randn(3, 7, *SHAPE, dtype=torch.float64)
    model = made(kind)
    whole = model(frames, lengths)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    assert torch.allclose(model(frames, lengths), whole, atol=1e-12)


@torch.no_grad()
def test_the_recurrent_tagger_is_torchs() -> None:
    model = made(LRCNTagger, hidden_size=5, channels=(4,))
    frames = torch.randn(1, 6, *SHAPE, dtype=torch.float64)
    peer = nn.LSTM(5, 5, 1, batch_first=True, bidirectional=True).double()
    peer.load_state_dict(model.recurrent.state_dict())
    codes = []
    for t in range(6):
        picture = torch.cat([frames[0, max(0, t - 1)], frames[0, t], frames[0, min(5, t + 1)]])[None]
        codes.append(functional.relu(model.encoder.code(model.encoder.maps(picture).flatten(1))))
    expected = model.output(peer(torch.stack(codes, 1))[0])
    assert torch.allclose(model(frames, torch.tensor([6])), expected, atol=1e-10)


@torch.no_grad()
def test_the_tagger_in_three_dimensions_is_torchs() -> None:
    model = made(Conv3DTagger, channels=(4, 5))
    frames = torch.randn(1, 6, *SHAPE, dtype=torch.float64)
    hidden = frames.transpose(1, 2)
    for n, (convolution, norm) in enumerate(zip(model.convolutions, model.norms, strict=True)):
        wide = functional.conv3d(hidden, convolution.weight, padding=1)
        given = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
        hidden = functional.batch_norm(wide, *given).relu()
        hidden = functional.max_pool3d(hidden, (1, 2, 2)) if n == 0 else hidden
    expected = functional.linear(hidden.mean((3, 4)).transpose(1, 2), model.output.weight, model.output.bias)
    assert torch.allclose(model(frames, torch.tensor([6])), expected, atol=1e-10)


@pytest.mark.parametrize(("bidirectional", "seen"), [(False, [0, 1, 2]), (True, [0, 1, 2, 3, 4, 5])])
def test_without_reading_from_the_end_nothing_later_is_seen(bidirectional: bool, seen: list[int]) -> None:
    model = made(LRCNTagger, bidirectional=bidirectional)
    frames = torch.randn(1, 6, *SHAPE, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(model(frames, torch.tensor([6]))[0, 2].sum(), frames)
    assert slope[0].abs().amax((1, 2, 3)).nonzero()[:, 0].tolist() == seen


def test_neighbours_of_the_first_and_the_last_are_themselves() -> None:
    frames = torch.arange(10.0).view(2, 5, 1, 1, 1)
    found = neighbours(frames, torch.tensor([5, 3]), 1, 2)[..., 0, 0]
    assert found[0].tolist() == [[0, 0, 1, 2], [0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 4], [3, 4, 4, 4]]
    assert found[1, :3].tolist() == [[5, 5, 6, 7], [5, 6, 7, 7], [6, 7, 7, 7]]
