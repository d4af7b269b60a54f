"""What a classifier of clips or volumes sees, for `samoyed explain`, the server and the page.

Legend: C channels, D frames or slices, H height, W width.
"""

from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import torch
from torch import Tensor, nn

from samoyed.errors import printable
from samoyed.explaining import seeing
from samoyed.objectives import full
from samoyed.reporting import blocks, classification
from samoyed.tasks import Picture
from samoyed.tasks._seeing import evidence, rounded

_LAYERS = 5  # drawn at most


def explained(task: Any, model: nn.Module, example: Any) -> list[Picture]:
    """Maps of the layers, the first filters, and which pixels of which frames or slices the answer for one example rests on."""
    given, shown, answer, of = _seen(task, model, example)
    label, pictures = task.classes[answer], given[0].cpu()
    name = printable(f"{PurePath(example.origin).name}, taken for {label}")
    found: list[Picture] = []
    seen = seeing.layers(model, shown)
    if seen:
        some = [seen[i] for i in seeing.evenly(len(seen), _LAYERS)]
        found.append(blocks.maps(pictures, [(one.name, one.maps[0].float().cpu()) for one in some], name, task.step))
    found += classification.filters(model)
    kept, off = evidence(model, of, shown, hiding)
    said = printable(
        f"For the answer {label}. The shares of integrated gradients add up to the answer within {off:.1%}."
    )
    return [*found, blocks.evidence(pictures, kept, task.step, said)]


def heat(task: Any, model: nn.Module, example: Any) -> dict[str, Any]:
    """Occlusion for the answer to one example, as JSON: `heat` [D][H][W], in nats of the logit, the mean of each frame or slice as
    `parts`, and a sentence."""
    _, shown, answer, of = _seen(task, model, example)
    falls = hiding(of, shown).float().cpu()
    label = task.classes[answer]
    means = falls.mean((1, 2)).tolist()
    parts = [{"text": f"{task.step} {n} ", "weight": round(weight, 5)} for n, weight in enumerate(means, 1)]
    sentence = f"How far hiding parts of each {task.step} lowers (blue) or raises (orange) the logit of {label}."
    return {"label": label, "heat": rounded(falls), "parts": parts, "by": "occlusion", "sentence": sentence}


def hiding(of: seeing.Answer, shown: Tensor) -> Tensor:
    """How far an answer falls where a block of a quarter of each side is hidden: normalised [1, C, D, H, W] -> [D, H, W]."""
    depth, high, wide = shown.shape[2:]
    patch = (max(1, depth // 4), min(high, max(2, high // 4)), min(wide, max(2, wide // 4)))
    mean = torch.zeros_like(shown[0, :, :1, :1, :1])
    return seeing.occlusion(of, shown[0], mean, patch, [max(1, p // 2) for p in patch])


def _seen(task: Any, model: nn.Module, example: Any) -> tuple[Tensor, Tensor, int, Callable[[Tensor], Tensor]]:
    """One example as uint8 [1, D, C, H, W] and as the model is given it [1, C, D, H, W]; the answer; and the answer's logit."""
    given = task.blocks_of([example]).to(task.device)
    shown = task.normalise(given)

    def logits(x: Tensor) -> Tensor:
        return full(model(x))

    with torch.no_grad():
        answer = int(logits(shown).argmax())
    return given, shown, answer, lambda x: logits(x)[:, answer]
