"""Which letter the strokes of a pen rest on: where the network's window looked, and by how much each point is less expected where a
letter is unknown. Legend: T points, U letters."""

from typing import Any

import torch
from torch import Tensor, nn

from samoyed.errors import UsageError, printable
from samoyed.examples import Drawing
from samoyed.reporting import strokes as drawing
from samoyed.reporting import why
from samoyed.tasks import Picture

_UNKNOWN = 0


def of_drawing(task: Any, model: nn.Module, example: Drawing) -> tuple[Drawing, Tensor]:
    """The drawing, written by the network where a text alone was given, and how far the log-density of each point falls where a letter
    is unknown: [U, T]."""
    if task.letters is None:
        raise UsageError(
            "this run learned strokes without texts: there is no letter that they could rest on",
            remedy="look at the report of the run, or train with condition=text",
        )
    model.eval()
    if not example.strokes:
        written = task.answer(model, example)
        example = Drawing(example.text, example.origin, task.read(written["strokes"]).strokes)
    batch = type(rows := task.collate([example]))(*(tensor.to(task.device) for tensor in rows))
    letters = int(batch.text_lengths[0])
    changed = batch.text.long().repeat(letters + 1, 1)
    changed[1:, :letters].fill_diagonal_(_UNKNOWN)
    with torch.no_grad():
        found = []
        for text in torch.split(changed, 16):
            several = type(batch)(*(tensor.expand(len(text), *tensor.shape[1:]) for tensor in batch))
            mixture, targets, _ = task.foreseen(model, several._replace(text=text))
            found.append(mixture.log_density(targets[..., :2]) + mixture.log_pen(targets[..., 2], targets[..., 3]))
    nats = torch.cat(found)
    return example, (nats[:1] - nats[1:]).float().cpu()


def drawn(task: Any, model: nn.Module, example: Drawing, falls: Tensor) -> list[Picture]:
    """The window over the letters, if the model has one, and what each letter is needed for."""
    names = [printable(letter) for letter in example.text[: len(falls)]]
    with torch.no_grad():
        pictures = [drawing.window(task, model, example)] if hasattr(model, "traced") else []
    return [
        *pictures,
        why.needed(names, falls, "point", "How much less probable each point is where a letter is unknown."),
    ]


def as_json(example: Drawing, falls: Tensor) -> dict[str, Any]:
    """The letters' weights as `parts`, and a sentence."""
    parts = [
        {"text": letter, "weight": round(w, 5)} for letter, w in zip(example.text, falls.sum(1).tolist(), strict=False)
    ]
    sentence = (
        "By how many nats all of the strokes together are less probable where a letter is unknown: blue if they are."
    )
    return {"label": example.text, "parts": parts, "by": "occlusion", "sentence": sentence}
