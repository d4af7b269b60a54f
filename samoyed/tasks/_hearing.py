"""What a classifier of recordings hears, for `samoyed explain`, the server and the page.

Legend: T frames, M mel bands, U units.
"""

from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import torch
from torch import Tensor, nn

from samoyed.errors import printable
from samoyed.examples import Recording
from samoyed.explaining import seeing
from samoyed.features.filterbank import SHIFT
from samoyed.objectives import full
from samoyed.reporting import hearing as drawing
from samoyed.tasks import Picture
from samoyed.tasks._seeing import complete, rounded

_LAYERS, _PARTS = 6, 40  # layers drawn and parts of a recording told, at most


def explained(task: Any, model: nn.Module, example: Recording) -> list[Picture]:
    """What layers make of a recording, and which moments and bands the answer for it rests on."""
    shown, lengths, answer, of = _heard(task, model, example)
    name = printable(f"{PurePath(example.origin).name}, taken for {task.classes[answer]}")
    spectrogram = shown[0, 0].cpu()
    seen = seeing.layers(model, shown[:, 0], lengths, read=seeing.moments_of)
    kept = [seen[i] for i in seeing.evenly(len(seen), _LAYERS)]
    found = [drawing.units(spectrogram, [(one.name, one.maps[0].float().cpu()) for one in kept], name)]
    silence = torch.zeros_like(shown)  # every band at its mean over the training split
    shares, off = complete(of, shown, silence)
    maps = {
        "saliency": seeing.saliency(of, shown)[0],
        "integrated gradients": shares[0, 0],
        "occlusion": hiding(of, shown),
    }
    said = printable(
        f"For the answer {task.classes[answer]}. The shares of integrated gradients add up to the answer within {off:.1%}."
    )
    heats = {how: map_.detach().float().cpu() for how, map_ in maps.items()}
    return [*found, drawing.evidence(spectrogram, heats, said)]


def heat(task: Any, model: nn.Module, example: Recording) -> dict[str, Any]:
    """Occlusion for the answer to one recording, as JSON: `heat` [T][M], in nats of the logit, its mean over bands for stretches of time
    as `parts`, and a sentence."""
    shown, _, answer, of = _heard(task, model, example)
    falls = hiding(of, shown).float().cpu()
    label = task.classes[answer]
    each = -(-len(falls) // _PARTS)
    parts = [
        {"text": f"{n * each * SHIFT:.2f} s ", "weight": round(float(some.mean()), 5)}
        for n, some in enumerate(torch.split(falls, each))
    ]
    sentence = f"How far hiding the moments from there on lowers (blue) or raises (orange) the logit of {label}."
    return {"label": label, "heat": rounded(falls), "parts": parts, "by": "occlusion", "sentence": sentence}


def hiding(of: seeing.Answer, shown: Tensor) -> Tensor:
    """How far an answer falls where an eighth of the time and a quarter of the bands are at their means: [1, 1, T, M] -> [T, M]."""
    frames, bands = shown.shape[2:]
    patch = (min(frames, max(2, frames // 8)), min(bands, max(2, bands // 4)))
    return seeing.occlusion(of, shown[0], torch.zeros_like(shown[0, :, :1, :1]), patch, [max(1, p // 2) for p in patch])


def _heard(task: Any, model: nn.Module, example: Recording) -> tuple[Tensor, Tensor, int, Callable[[Tensor], Tensor]]:
    """The recording as the model is given it, as one picture [1, 1, T, M]; its length [1]; the answer; and the answer's logit."""
    rows = task.collate([Recording(example.samples, example.rate, None, example.origin)])
    shown, lengths = rows.frames.float()[:, None].to(task.device), rows.lengths.to(task.device)

    def logits(given: Tensor) -> Tensor:
        return full(model(given[:, 0], lengths.expand(len(given))))

    with torch.no_grad():
        answer = int(logits(shown).argmax())
    return shown, lengths, answer, lambda given: logits(given)[:, answer]
