"""Mel bands: against the definition, at another rate, scaled by training alone; and what is blotted out of them."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from samoyed.features.filterbank import Filterbank, masked, stacked

RATE = 16_000


def tone(frequency: float, seconds: float = 0.5, rate: int = RATE) -> NDArray[np.float32]:
    time = np.arange(int(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def mel(frequency: float) -> float:
    return 1127 * math.log(1 + frequency / 700)


@pytest.mark.parametrize("frequency", [300.0, 1000.0, 3000.0, 6000.0])
@pytest.mark.parametrize("rate", [RATE, 32_000])
def test_a_tone_is_loudest_in_its_own_band(frequency: float, rate: int) -> None:
    """Centres of the 40 bands are evenly spaced in mels between 20 Hz and half the rate."""
    bands = Filterbank(RATE, [0.0] * 40, [1.0] * 40)
    frames = bands.frames(tone(frequency, rate=rate), rate)
    low, high = mel(20), mel(RATE / 2)
    centres = [low + (i + 1) * (high - low) / 41 for i in range(40)]
    nearest = min(range(40), key=lambda i: abs(centres[i] - mel(frequency)))
    assert abs(int(frames[10:-10].mean(0).argmax()) - nearest) <= 1
    assert abs(len(frames) - 50) <= 1
    assert abs(bands.count(int(0.5 * rate), rate) - len(frames)) <= 1


def test_training_has_mean_0_and_deviation_1() -> None:
    draw = np.random.default_rng(0)
    sounds = [(draw.normal(0, 0.1, n).astype(np.float32), RATE) for n in (8000, 12_000, 300)]
    bands = Filterbank.learn(sounds)
    assert len(bands.mean) == 80
    rows = torch.cat([bands.frames(*sound) for sound in sounds])
    assert torch.allclose(rows.mean(0), torch.zeros(80), atol=1e-3)
    assert torch.allclose(rows.std(0, unbiased=False), torch.ones(80), atol=1e-3)
    assert Filterbank(**bands.state()).frames(*sounds[0]).equal(bands.frames(*sounds[0]))


def test_few_samples_a_second_have_fewer_bands() -> None:
    assert len(Filterbank.learn([(tone(500, rate=8000), 8000)]).mean) == 40


def test_frames_are_joined() -> None:
    frames = torch.arange(14.0).view(7, 2)
    joined = stacked(frames, 3)
    assert joined.shape == (3, 6)
    assert joined[0].tolist() == [0, 1, 2, 3, 4, 5]
    assert joined[2].tolist() == [12, 13, 0, 0, 0, 0]


def test_what_is_blotted_out_is_whole_bands_and_moments() -> None:
    torch.manual_seed(0)
    lengths = torch.tensor([40, 20])
    found = masked(torch.ones(2, 40, 3 * 16), lengths, 16, 5, 0.2)
    for row, length in enumerate(lengths.tolist()):
        gone = found[row] == 0
        moments, numbers = gone.all(1), gone.all(0)
        assert torch.equal(gone, moments[:, None] | numbers[None])
        assert torch.equal(numbers.view(3, 16)[0], numbers.view(3, 16)[2])
        assert int(numbers[:16].sum()) <= 10
        assert int(moments.sum()) <= 2 * 0.2 * length
        assert not moments[length:].any()
    torch.manual_seed(1)
    assert not torch.equal(masked(torch.ones(2, 40, 48), lengths, 16, 5, 0.2), found)
