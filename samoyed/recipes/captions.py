"""Where a network looks when it names a thing: captions of drawn scenes, in which the place of each thing is known.

Figure 3 of LeCun, Bengio & Hinton 2015 (Xu et al. 2015) shows that attention falls on what a word names. Here it is measured: a
network learns from 1,500 scenes of two shapes and their captions, without being told where anything is; then it describes 300 new
scenes, and of each colour and form that it says the share of attention is taken that lies in the box of the thing it speaks of,
the larger first. By chance that would be the box's share of the picture.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from samoyed.recipes import _runs
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.captions import Box, attention, mass_inside
from samoyed.reporting.figures import to_png
from samoyed.run import Run
from samoyed.samples.shape_scenes import COLOURS, SHAPES, Scene, scenes

expected = "at least 70 % of attention lies inside the box of a thing when its colour or form is said"
seconds = 200

SETTINGS: dict[str, Any] = {}
MEASURED, DRAWN = 300, 4


class Looks(NamedTuple):
    """What was said of a scene: words with the attention [h, w] of each, and the box of what each names, None for other words."""

    words: list[tuple[str, Tensor]]
    boxes: list[Box | None]


def run(out: Path, echo: Callable[[str], None]) -> Outcome:
    """Trains on the sample, and measures on scenes that were drawn for it."""
    made = _runs.train(out, "captions", "image-captioning", None, echo, **SETTINGS)
    return outcome(made, scenes(MEASURED, seed=1), out)


def outcome(made: Run, drawn: list[Scene], out: Path) -> Outcome:
    """Where a finished run looks in `drawn`."""
    task: Any = made.task
    images = task.pixels.stack([scene.example.pixels for scene in drawn])
    with torch.inference_mode():
        parts = [images[i : i + 64] for i in range(0, len(images), 64)]
        searched = [(part, task.search(made.model, part)) for part in parts]
        said = [text for _, found in searched for text in task.texts(found)]
        words = [row for part, found in searched for row in task.looks(made.model, part, found)]
    looks = [Looks(row, boxes(row, scene)) for row, scene in zip(words, drawn, strict=True)]
    size = images.shape[2], images.shape[3]
    masses = [[mass_inside(w, box, size) for (_, w), box in zip(*look, strict=True) if box] for look in looks]
    areas = [(r - x) * (b - y) / (size[0] * size[1]) for scene in drawn for x, y, r, b in (t.box for t in scene.things)]
    whole = [mass for row in masses for mass in row]
    right = sum(text in scene.example.captions for text, scene in zip(said, drawn, strict=True))
    measured = {
        "attention_inside": _runs.number(100 * sum(whole) / max(1, len(whole))),
        "by_chance": _runs.number(100 * sum(areas) / len(areas)),
        "words_measured": float(len(whole)),
        "bleu": _runs.number(made.metrics["test"]["bleu"]["value"]),
        "captions_right": _runs.number(100 * right / len(drawn)),
    }
    some = range(min(DRAWN, len(drawn)))
    picture = attention(images[: len(some)], [looks[i].words for i in some], [looks[i].boxes for i in some])
    sentence = (
        f"{measured['attention_inside']:.1f} % of attention is inside the box of the thing that is named ({len(whole):,} words of "
        f"{len(drawn)} new scenes; by chance {measured['by_chance']:.1f} %); {measured['captions_right']:.1f} % of the captions are "
        f"right in every word\n{_runs.table([('show, attend and tell', made)], 'bleu')}"
    )
    return Outcome(
        measured["attention_inside"] >= 70.0, measured, sentence, (to_png(picture.figure, out / "captions.png"),)
    )


def boxes(words: list[tuple[str, Tensor]], scene: Scene) -> list[Box | None]:
    """Of each word the box of what it names: the first colour and form are of the first thing, the next of the second."""
    found: list[Box | None] = []
    seen: set[str] = set()
    thing = 0
    for word, _ in words:
        kind = "colour" if word in COLOURS else "form" if word in SHAPES else None
        if kind is not None and kind in seen:
            thing, seen = thing + 1, set()
        named = kind is not None and thing < len(scene.things)
        found.append(scene.things[thing].box if named else None)
        seen |= {kind} if kind is not None else set()
    return found
