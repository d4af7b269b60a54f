"""Which frames a tag rests on: a tagger whose rule is known, and the frames that are shown of many."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from samoyed.errors import DataError, UsageError
from samoyed.examples import TaggedClip
from samoyed.reporting import timeline
from samoyed.tasks import _why_tags
from samoyed.tasks.video_tagging import VideoTagging


class Brighter(nn.Module):
    """Tag a: a corner is brighter than in the frame before. Tag b: the whole frame is bright. Tag c: never."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(3.0))

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        corner, whole = frames[:, :, 0, 0, 0], frames.mean((2, 3, 4))
        before = torch.cat([corner[:, :1], corner[:, :-1]], 1)
        return self.factor * torch.stack([corner - before, whole, -5 + 0 * whole], 2) - 0.5


def setting(frames: np.ndarray[Any, Any]) -> tuple[VideoTagging, TaggedClip]:
    task = VideoTagging()
    clip = TaggedClip(
        frames[..., None], (("a", "b", "c"),) * len(frames), "x.gif", np.arange(len(frames) + 1) / 4, "seconds"
    )
    task.fit([clip])
    return task, clip


def test_what_each_frame_adds_is_the_rule_itself() -> None:
    frames = np.full((12, 4, 4), 60, np.uint8)
    frames[7] = 200
    frames[4, 0, 0] = 255
    task, clip = setting(frames)
    model = Brighter()
    found = _why_tags.of_clip(task, model, clip)
    assert [(tag, place) for tag, place, _ in found.answers] == [("a", 4), ("b", 7)]
    shown = task.pixels.normalise(task.collate([clip]).frames)[0, :, 0]  # [T, H, W]
    own = torch.zeros(2, 12, 4, 4)
    own[0, 4, 0, 0], own[0, 3, 0, 0] = 3 * shown[4, 0, 0], -3 * shown[3, 0, 0]
    own[1, 7] = 3 * shown[7] / 16
    assert torch.allclose(found.heat, own.detach(), atol=1e-4)
    assert torch.allclose(found.hidden, own.sum((2, 3)), atol=1e-4)  # the rule is linear
    assert found.off < 1e-5
    why = _why_tags.as_json(found)
    assert [one["label"] for one in why["each"]] == ["a at 1.00 s", "b at 1.75 s"]
    assert why["parts"][3]["text"] == "0.75 s "
    assert [round(p["weight"], 3) for p in why["parts"]] == pytest.approx(own[0].sum((1, 2)).tolist(), abs=1e-3)
    assert np.array(why["heat"]).shape == np.array(why["strip"]).shape == (4, 32)


def test_where_no_tag_is_answered_the_likeliest_is_explained() -> None:
    task, clip = setting(np.random.default_rng(0).integers(90, 110, (5, 4, 4)).astype(np.uint8))
    model = Brighter()
    model.factor.data.fill_(0.01)
    found = _why_tags.of_clip(task, model, clip)
    ((tag, place, prob),) = found.answers
    probs = task.answer(model, clip)["probs"]
    assert prob == pytest.approx(max(max(row) for row in probs.values()), abs=1e-4)
    assert probs[tag][place] == pytest.approx(prob, abs=1e-4)
    assert prob < 0.5


def test_the_frames_shown_hold_the_one_that_is_meant_and_the_most_heat() -> None:
    heat = torch.zeros(20, 2, 2)
    heat[9] = 1.0
    assert timeline.around(heat, 9) == slice(5, 13)  # in the middle where others have as much
    heat[3] = -2.0
    assert timeline.around(heat, 9) == slice(3, 11)
    assert timeline.around(heat, 0) == slice(0, 8)
    assert timeline.around(heat, 19) == slice(12, 20)
    assert timeline.around(heat[:5], 2) == slice(0, 5)


def test_a_clip_with_tags_that_were_not_learned_is_explained_all_the_same() -> None:
    """Its tags say nothing about the answer."""
    task, clip = setting(np.random.default_rng(0).integers(0, 255, (6, 4, 4)).astype(np.uint8))
    other = TaggedClip(clip.frames, (("z",),) * 6, "y")
    with pytest.raises(DataError):
        task.collate([other])
    assert _why_tags.of_clip(task, Brighter(), other).begins[0] == "frame 0"


def test_a_model_without_gradients_is_refused() -> None:
    class Still(Brighter):
        def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
            return super().forward(frames, lengths).detach()

    task, clip = setting(np.random.default_rng(0).integers(0, 255, (6, 4, 4)).astype(np.uint8))
    with pytest.raises(UsageError, match="no gradients"):
        _why_tags.of_clip(task, Still(), clip)
