"""Why a phone was heard: what each moment adds to it, against a network whose answer can be written down."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from samoyed import catalog
from samoyed.errors import UsageError
from samoyed.examples import LabelledRecording
from samoyed.tasks import _why_phones

RATE, GAIN = 8000, 0.7


class Loud(nn.Module):
    """Logits [GAIN m, 0] of a frame whose bands have the mean m: each frame by itself, or together with the one `before` by so many."""

    def __init__(self, before: int = 0) -> None:
        super().__init__()
        self.before = before
        self.gain = nn.Parameter(torch.tensor(GAIN))

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        means = self.gain * frames.mean(2)
        means = torch.cat([means[:, :1].expand(-1, self.before), means], 1)[:, : means.shape[1]]
        return torch.stack([means, torch.zeros_like(means)], 2)


@pytest.fixture
def heard() -> tuple[Any, LabelledRecording]:
    """A task that knows a (loud) and b, and a recording that is loud from 0.40 to 0.60 s of a second."""
    pytest.importorskip("kaldi_native_fbank")
    pytest.importorskip("jiwer")
    task = catalog.task("phone-recognition").load()(bands=8, transitions=0.0)
    noise = np.random.default_rng(0).normal(0, 0.01, RATE).astype(np.float32)
    half = noise.copy()
    half[: RATE // 2] *= 40
    task.fit([LabelledRecording(half, RATE, ((0.0, 0.5, "a"), (0.5, 1.0, "b")), "learned")])
    loud = noise.copy()
    loud[int(0.4 * RATE) : int(0.6 * RATE)] *= 40
    return task, LabelledRecording(loud, RATE, None, "loud")


def test_what_a_phone_rests_on_is_what_the_equation_says(heard: tuple[Any, LabelledRecording]) -> None:
    """With logits [g m, 0] the log-odds of a are g m: the share of a frame and band in the mean over n frames is g x / (8 n)."""
    task, example = heard
    found = _why_phones.of_phones(task, Loud(), example)
    assert found.why.symbols == ["b", "a", "b"]
    (first, loud, last), frames = found.stretches, found.why.shown.T
    assert (first.begin, last.end) == (0, len(frames))
    assert abs(loud.begin - 40) <= 2
    assert abs(loud.end - 60) <= 2
    for row, one, sign in zip(found.why.each, found.stretches, (-1, 1, -1), strict=True):
        expected = torch.zeros(len(frames))
        expected[one.begin : one.end] = sign * GAIN * frames[one.begin : one.end].mean(1) / (one.end - one.begin)
        torch.testing.assert_close(row, expected, rtol=1e-3, atol=1e-5)
    assert found.why.off < 1e-3
    assert float(found.why.hidden[:, loud.begin + 5 : loud.end - 5].min()) > 0  # at its mean, it would be a no more


def test_a_phone_that_rests_on_its_surroundings(heard: tuple[Any, LabelledRecording]) -> None:
    """A network that answers 10 frames late: the moments that spoke for a phone lie before it, and what is told says so."""
    task, example = heard
    said = task.explain(Loud(before=10), example)
    b, a, _ = said["symbols"]
    assert (b["symbol"], a["symbol"]) == ("b", "a")
    assert a["begin"] - 0.11 < a["at"] < a["end"] - 0.09
    assert a["begin"] == pytest.approx(0.5, abs=0.03)
    found = _why_phones.of_phones(task, Loud(before=10), example)
    one = found.stretches[1]
    assert set(found.why.each[1].nonzero()[:, 0].tolist()) == set(range(one.begin - 10, one.end - 10))


def test_for_programs_and_for_people(heard: tuple[Any, LabelledRecording]) -> None:
    task, example = heard
    said = task.explain(Loud(), example)
    assert said["label"] == "b a b"
    assert np.array(said["spectrogram"]).shape == np.array(said["heat"]).shape == (8, 100)
    assert "less (blue) or more (orange) probable" in said["sentence"]
    json.dumps(said, allow_nan=False)
    (picture,) = task.explained(Loud(), example)
    assert picture.figure is not None
    assert "Blue speaks for what was heard, orange against it." in picture.caption


def test_where_nothing_is_heard(heard: tuple[Any, LabelledRecording]) -> None:
    task, example = heard
    task.phones = ["a", ""]
    quiet = LabelledRecording(example.samples[: RATE // 4], RATE, None, "quiet")
    with pytest.raises(UsageError, match="nothing was read or heard"):
        task.explain(Loud(), quiet)
