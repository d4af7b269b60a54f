"""Which frames of a clip, and what in them, a tag rests on: for `samoyed explain`, the server and the page.

Of each tag that is answered its surest frame is explained: integrated gradients of the tag's logit there over all frames, from the mean
colour of the training clips, and by how far the logit falls where one frame is hidden. Legend: T frames, C channels, H height, W width,
K answers.
"""

from collections.abc import Callable
from pathlib import PurePath
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from samoyed.errors import UsageError, printable
from samoyed.examples import TaggedClip
from samoyed.explaining import attributing, seeing
from samoyed.objectives import full
from samoyed.reporting import blocks, timeline
from samoyed.tasks import Picture, _tagged_time
from samoyed.tasks._seeing import rounded

_MOST = 4  # tags that are told
_LAYERS = 5  # drawn at most
_STEPS = 32
_NUMBERS = 2**22  # of all clips that are answered together


class Found(NamedTuple):
    """The frames uint8 [T, C, H, W] and when each begins; of each answer its tag, frame and probability, what each place adds to it
    [K, T, H, W] and how far it falls where a frame is hidden [K, T]; the share that integrated gradients miss."""

    frames: Tensor
    begins: list[str]
    answers: list[tuple[str, int, float]]
    heat: Tensor
    hidden: Tensor
    off: float


def of_clip(task: Any, model: nn.Module, example: TaggedClip) -> Found:
    """The tags that are answered, at most 4, each at its surest frame; where there is none, the likeliest."""
    model.eval()
    frames, shown, lengths = _seen(task, example)
    with torch.no_grad():
        probs = full(model(shown, lengths))[0].sigmoid()
    best, at = probs.max(0)
    ranked = best.argsort(descending=True, stable=True).tolist()
    chosen = [k for k in ranked if best[k] >= 0.5][:_MOST] or ranked[:1]
    places, tags = at[chosen], torch.tensor(chosen, device=task.device)

    def answers(frames: Tensor) -> Tensor:
        return full(model(frames, lengths.expand(len(frames))))[:, places, tags]

    shares = attributing.of_inputs(answers, shown, torch.zeros_like(shown), _STEPS)
    if shares is None:
        raise UsageError("this model has no gradients by what it sees", remedy="look at the report of the run")
    times = [_tagged_time.times_of(example)[i] for i in task.seen(example)]
    begins = [f"{t:.2f} s" if example.unit == "seconds" else f"frame {t:g}" for t in times]
    told = [(task.tags[k], int(at[k]), float(best[k])) for k in chosen]
    heat = shares.parts.sum(2).float().cpu()
    return Found(frames, begins, told, heat, hiding(answers, shown).float().cpu(), shares.off)


@torch.no_grad()
def hiding(answers: Callable[[Tensor], Tensor], shown: Tensor) -> Tensor:
    """How far each answer falls where a frame has the training clips' mean colour: normalised [1, T, C, H, W] -> [K, T]."""
    count, whole, falls = shown.shape[1], answers(shown), []
    for some in torch.split(torch.arange(count, device=shown.device), max(1, _NUMBERS // shown.numel())):
        rows = shown.repeat(len(some), 1, 1, 1, 1)
        rows[torch.arange(len(some)), some] = 0
        falls.append(whole - answers(rows))
    return torch.cat(falls).T


def drawn(task: Any, model: nn.Module, example: TaggedClip) -> list[Picture]:
    """What the layers make of the clip, and of each answer the frames it rests on."""
    found = of_clip(task, model, example)
    _, shown, lengths = _seen(task, example)
    maps = seeing.layers(model, shown, lengths, read=seeing.places_like(shown.transpose(1, 2)))
    some = [maps[i] for i in seeing.evenly(len(maps), _LAYERS)]
    name = printable(PurePath(example.origin).name)
    pictures = [blocks.maps(found.frames, [(one.name, one.maps[0].float().cpu()) for one in some], name, "frame")]
    for n, (tag, place, prob) in enumerate(found.answers):
        said = printable(f"{tag} at {found.begins[place]}, {prob:.0%}")
        picture = timeline.evidence(found.frames, found.begins, place, found.heat[n], found.hidden[n], said, found.off)
        pictures.append(picture._replace(name="evidence" if n == 0 else f"evidence-{n + 1}"))
    return pictures


def as_json(found: Found) -> dict[str, Any]:
    """What each frame adds to the first answer as `parts`, to all as `each`; of the first, the frames that mattered most as one
    picture, `strip` with `heat` of the same size; and a sentence."""
    each = [
        {
            "label": f"{tag} at {found.begins[place]}",
            "parts": [
                {"text": f"{begin} ", "weight": round(weight, 5)}
                for begin, weight in zip(found.begins, heat.sum((1, 2)).tolist(), strict=True)
            ],
        }
        for (tag, place, _), heat in zip(found.answers, found.heat, strict=True)
    ]
    some = timeline.around(found.heat[0], found.answers[0][1])
    grey = found.frames[some].float().mean(1) / 255
    strip, heat = (torch.cat(list(rows), 1) for rows in (grey, found.heat[0][some]))
    sentence = (
        f"On the strip, from {found.begins[some.start]} to {found.begins[some.stop - 1]}, blue speaks for {each[0]['label']}, orange "
        "against it. Below, what each frame adds to the logit, by integrated gradients: blue for the answer, orange against it."
    )
    return {
        "label": each[0]["label"], "parts": each[0]["parts"], "each": each, "strip": rounded(strip), "heat": rounded(heat),
        "by": "integrated gradients", "sentence": sentence,
    }  # fmt: skip


def _seen(task: Any, example: TaggedClip) -> tuple[Tensor, Tensor, Tensor]:
    """The frames uint8 [T, C, H, W], as the model is given them [1, T, C, H, W], and how many there are [1]."""
    rows = task.collate([TaggedClip(example.frames, None, example.origin)])
    return rows.frames[0], task.pixels.normalise(rows.frames.to(task.device)), rows.lengths.to(task.device)
