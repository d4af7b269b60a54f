"""Where in a recording each phone was heard: for `samoyed explain`, the server and the page.

A phone's number is the mean over its frames of its log-odds, log p - log(1 - p). Integrated gradients over what was heard, from a
recording in which every band is at its mean; and by how much the log-probability of all that was heard falls where a stretch of time and
bands is brought to that mean. Legend: T frames, P phones, K stretches.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from samoyed.errors import printable
from samoyed.examples import LabelledRecording
from samoyed.features.filterbank import SHIFT
from samoyed.tasks import Picture, _why_frames
from samoyed.tasks._phones import NOTHING, Stretch, stretches


class Heard(NamedTuple):
    """Why the phones are what they are, and where each of them lies."""

    why: _why_frames.Reading
    stretches: list[Stretch]


def of_phones(task: Any, model: nn.Module, example: LabelledRecording) -> Heard:
    """The phones of the likeliest path, without those that are nothing. Raises UsageError where none was heard."""
    model.eval()
    found: list[Stretch] = []

    def asked(task: Any, model: nn.Module, batch: Any) -> _why_frames.Asked:
        with torch.no_grad():
            path = task.paths(task.log_probs(model, batch), batch.lengths)[0]
        found.extend([one for one in stretches(path) if task.phones[one.phone] != NOTHING][: _why_frames.SYMBOLS])
        _why_frames.refuse_nothing(len(found))
        return [task.phones[one.phone] for one in found], *_numbers(task, model, batch, path, found)

    bare = LabelledRecording(example.samples, example.rate, None, example.origin)
    return Heard(_why_frames.of_reading(task, model, bare, 1, lambda heat: heat.T, asked), found)


def _numbers(
    task: Any, model: nn.Module, batch: Any, path: Tensor, some: list[Stretch]
) -> tuple[_why_frames.Answers, _why_frames.Answers]:
    """What is asked of each stretch, and of the whole path."""
    member = torch.zeros(len(some), len(path), device=path.device)
    for row, one in zip(member, some, strict=True):
        row[one.begin : one.end] = 1 / (one.end - one.begin)

    def nats(frames: Tensor) -> Tensor:
        """log p of the path's phone at each frame: [B, T]."""
        log_probs = task.log_probs(model, _why_frames.with_frames(batch, frames))
        chosen: Tensor = log_probs.gather(-1, path.expand(len(frames), -1)[..., None])[..., 0]
        return chosen

    def odds(frames: Tensor) -> Tensor:
        sure = nats(frames)
        return (sure - torch.log1p(-sure.exp().clamp(max=1 - 1e-6))) @ member.T

    return odds, lambda frames: nats(frames).sum(1)


def drawn(found: Heard) -> list[Picture]:
    """The spectrogram, the heat over it, and what each moment adds to each phone, framed where the phone itself lies."""
    spans = [(one.begin * SHIFT, one.end * SHIFT) for one in found.stretches]
    pictures = _why_frames.drawn(found.why, "lower", "Mel bands over time", SHIFT, " ", spans)
    more = " Framed: the phone itself; colour outside the frame is its surroundings speaking."
    return [picture._replace(caption=picture.caption + more) for picture in pictures]


def as_json(found: Heard) -> dict[str, Any]:
    """The heat of hiding over the `spectrogram`, and of each phone where it lies and the moment that spoke most for it."""
    made = _why_frames.as_json(found.why, SHIFT, " ")
    for symbol, one in zip(made["symbols"], found.stretches, strict=True):
        symbol |= {"begin": round(one.begin * SHIFT, 3), "end": round(one.end * SHIFT, 3)}
    return {**made, "label": printable(made["label"])}
