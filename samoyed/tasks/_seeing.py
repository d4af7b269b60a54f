"""What a classifier of pictures sees, for `samoyed explain` and the report."""

from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from samoyed.errors import printable
from samoyed.examples import Image
from samoyed.explaining import seeing
from samoyed.features.augmentation import moved, turned
from samoyed.reporting import classification
from samoyed.reporting import seeing as drawing
from samoyed.tasks import Picture

_LAYERS = 8  # drawn at most
_PROBED, _PIXELS = 64, 2**18  # pictures at most, and pixels in all of them, since the maps of every layer are held
SIGNED = ("integrated gradients", "occlusion")


def explained(task: Any, model: nn.Module, example: Image) -> list[Picture]:
    """Maps of the layers, the first filters, and which pixels the answer for one picture rests on."""
    images = task.pixels.stack([example.pixels]).to(task.device)
    shown = task.pixels.normalise(images)
    with torch.no_grad():
        answer = int(task.logits(model, images).argmax())
    name = printable(task.classes[answer])
    of = printable(f"{PurePath(example.origin).name}, taken for {task.classes[answer]}")
    return drawn(model, images, shown, of, lambda x: model(x)[:, answer], f"For the answer {name}.")


def alike(task: Any, model: nn.Module, example: Image) -> list[Picture]:
    """As `explained`: which pixels the likeness of a picture to the known one that it resembles most rests on."""
    images, shown, of, near = _resembled(task, model, example)
    if near is None:
        return drawn(model, images, shown, printable(PurePath(example.origin).name), None, "")
    name = printable(f"{PurePath(example.origin).name}, most like {near}")
    return drawn(
        model, images, shown, name, of, printable(f"For the likeness to the nearest known picture, of {near}.")
    )


def likeness_heat(task: Any, model: nn.Module, example: Image) -> dict[str, Any]:
    """Occlusion for the likeness to the nearest known picture, as JSON: `heat` [H][W], in units of the cosine, and a sentence."""
    _, shown, of, near = _resembled(task, model, example)
    if near is None:
        return {"label": "unknown", "sentence": "No picture is known that it could resemble."}
    falls = hiding(of, shown).float().cpu()
    sentence = f"Where hiding a square lowers (blue) or raises (orange) the likeness to {near}, by up to {float(falls.abs().max()):.3g}."
    return {"label": near, "heat": rounded(falls), "sentence": sentence}


def drawn(
    model: nn.Module, images: Tensor, shown: Tensor, name: str, of: seeing.Answer | None, said: str
) -> list[Picture]:
    """One picture uint8 [1, C, H, W], `shown` to the model normalised: maps of the layers, the first filters, and what `of` rests on."""
    found = [layer_maps(model, images[0].cpu(), shown, name)]
    found += classification.filters(model)
    if of is not None and any(p.requires_grad for p in model.parameters()):
        maps, off = evidence(model, of, shown)
        said = f"{said} The shares of integrated gradients add up to the answer within {off:.1%}."
        found.append(drawing.evidence(images[0].cpu(), maps, SIGNED, said))
    return [picture for picture in found if picture is not None]


def heat(task: Any, model: nn.Module, example: Image) -> dict[str, Any]:
    """Occlusion for the answer to one picture, as JSON: `heat` [H][W], in nats of the logit, and a sentence."""
    images = task.pixels.stack([example.pixels]).to(task.device)
    shown = task.pixels.normalise(images)
    with torch.no_grad():
        answer = int(task.logits(model, images).argmax())
    falls = hiding(lambda x: model(x)[:, answer], shown).float().cpu()
    sentence = f"Where hiding a square lowers (blue) or raises (orange) the logit of {task.classes[answer]}, by up to {float(falls.abs().max()):.3g}."
    return {
        "label": task.classes[answer],
        "heat": rounded(falls),
        "sentence": sentence,
    }


def seen(task: Any, model: nn.Module, rows: Any) -> list[Picture]:
    """For the report, of test pictures: the maps of one, and what each layer does not mind in many."""
    first = rows.images[:1]
    drawn = layer_maps(model, first[0].cpu(), task.pixels.normalise(first), "A test picture")
    classes = (
        torch.full((0,), -1) if rows.labels.is_floating_point() else rows.labels
    )  # several labels are no one class
    probed = invariance(task, model, rows.images, classes)
    return [picture for picture in (drawn, probed) if picture is not None]


def hiding(of: seeing.Answer, shown: Tensor) -> Tensor:
    """How far an answer falls where a square of a quarter of the side is hidden: normalised [1, C, H, W] -> [H, W]."""
    side = max(2, min(shown.shape[2:]) // 4)
    mean = torch.zeros_like(shown[0, :, :1, :1])  # the training pictures' mean colour
    return seeing.occlusion(of, shown[0], mean, side, max(1, side // 4))


def rounded(values: Tensor) -> Any:
    """Numbers as JSON that is not longer than need be."""
    return [round(v, 4) for v in values.tolist()] if values.ndim == 1 else [rounded(row) for row in values]


def layer_maps(model: nn.Module, picture: Tensor, shown: Tensor, of: str) -> Picture | None:
    """The maps of at most `_LAYERS` layers for one normalised picture [1, C, H, W]; None where the model has no maps."""
    seen = seeing.layers(model, shown)
    if not seen:
        return None
    some = [seen[i] for i in seeing.evenly(len(seen), _LAYERS)]
    return drawing.maps(picture, [(name, maps[0].float().cpu()) for name, maps in some], of)


def evidence(
    model: nn.Module, of: seeing.Answer, shown: Tensor, hide: Callable[[seeing.Answer, Tensor], Tensor] | None = None
) -> tuple[dict[str, Tensor], float]:
    """Heat maps [H, W] of a normalised picture [1, C, H, W] by method, and by which share integrated gradients miss their sum.

    Of a block of pictures [1, C, D, H, W] the maps are [D, H, W], with its own way to `hide` parts of it.
    """
    mean = torch.zeros_like(shown)  # the training pictures' mean colour
    shares, off = complete(of, shown, mean)
    cam = seeing.grad_cam(model, of, shown)
    found = {
        "saliency": seeing.saliency(of, shown)[0],
        "integrated gradients": shares.sum(1)[0],
        "Grad-CAM": None if cam is None else cam[0],
        "occlusion": (hide or hiding)(of, shown),
    }
    return {name: map_.detach().float().cpu() for name, map_ in found.items() if map_ is not None}, off


def complete(of: seeing.Answer, shown: Tensor, baseline: Tensor) -> tuple[Tensor, float]:
    """Integrated gradients of one example, and by which share of of(shown) - of(baseline) their sum misses it."""
    shares = seeing.integrated_gradients(of, shown, baseline)
    with torch.no_grad():
        gap = float(of(shown) - of(baseline))
    return shares, abs(float(shares.sum()) - gap) / max(abs(gap), 1e-12)


def invariance(task: Any, model: nn.Module, images: Tensor, labels: Tensor) -> Picture | None:
    """The probe on test pictures uint8 [N, C, H, W]: how far small changes move each layer; None where there is nothing to compare."""
    known = (labels >= 0).nonzero()[:, 0]
    most = max(8, min(_PROBED, _PIXELS // (images.shape[2] * images.shape[3])))
    some = known[torch.linspace(0, len(known) - 1, min(most, len(known))).long()] if len(known) else known
    if len(set(labels[some].tolist())) < 2:
        return None
    images, labels = images[some], labels[some]
    step = max(1, round(min(images.shape[2:]) / 16))
    changed = {
        f"moved by {step} pixel{'s' * (step > 1)}": moved(images, step),
        "in the mirror": images.flip(3),
        "turned by 10 degrees": turned(images, 10.0),
        "a fifth darker": (images.float() * 0.8).round().to(torch.uint8),
    }
    normal = {what: task.pixels.normalise(pictures) for what, pictures in changed.items()}
    found = seeing.spread(model, task.pixels.normalise(images), normal, labels)
    rows = next(iter(found.values()))
    if len(rows) < 2:
        return None
    kept = seeing.evenly(len(rows), 24)
    return drawing.invariance({what: [row[i] for i in kept] for what, row in found.items()}, len(images))


def _resembled(
    task: Any, model: nn.Module, example: Image
) -> tuple[Tensor, Tensor, Callable[[Tensor], Tensor], str | None]:
    """A picture uint8 [1, C, H, W], normalised, the likeness to the known picture nearest to it, and whose that is."""
    images = task.pixels.stack([example.pixels]).to(task.device)
    shown = task.pixels.normalise(images)
    with torch.no_grad():
        vector = task.embeddings(model, images)[0].cpu().double().numpy()
    near, target = task.known.likest(vector, example.origin)
    goal = torch.from_numpy(target).to(shown)
    return images, shown, lambda x: functional.cosine_similarity(model(x), goal[None], dim=1), near
