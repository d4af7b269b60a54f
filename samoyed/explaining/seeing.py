"""What a network sees in a picture: maps of each layer, and which pixels its answer rests on.

Works on any model of pictures, since it looks only at tensors that layers give. Legend: B batch, C channels, H height, W width.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

Answer = Callable[[Tensor], Tensor]  # images [B, C, H, W] -> one number for each [B]


class Seen(NamedTuple):
    """The maps [B, maps, H, W] after a layer: a kernel, with the norm, rectifier and pooling that follow it."""

    name: str
    maps: Tensor


@contextmanager
def watched(model: nn.Module) -> Iterator[list[Seen]]:
    """Inside, fills a list with what each layer gives to the next, in the order of calling."""
    seen: list[Seen] = []

    def look(name: str, module: nn.Module, made: Any) -> None:
        if not isinstance(made, Tensor) or made.ndim != 4:
            return
        weighted = any(p.ndim > 1 for p in module.parameters(recurse=False))
        if seen and not weighted and made.shape[1] == seen[-1].maps.shape[1]:
            seen[-1] = Seen(seen[-1].name, made)
        else:
            seen.append(Seen(name, made))

    hooks = [
        module.register_forward_hook(lambda m, given, made, name=name: look(name, m, made))
        for name, module in model.named_modules()
        if next(module.children(), None) is None
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def layers(model: nn.Module, images: Tensor) -> list[Seen]:
    """What every layer gives for normalised pictures [B, C, H, W], in evaluation mode and without gradients."""
    with torch.no_grad(), watched(model) as seen:
        model(images)
        return [Seen(name, maps.detach().clone()) for name, maps in seen]


def saliency(answer: Answer, images: Tensor) -> Tensor:
    """|d answer / d pixel|, the largest over channels: [B, C, H, W] -> [B, H, W] (Simonyan 2013)."""
    return _gradient(answer, images).abs().amax(1)


def integrated_gradients(answer: Answer, images: Tensor, baseline: Tensor, steps: int = 64) -> Tensor:
    """(x - b) times the mean gradient on the way from b to x, at the midpoints of `steps` parts: [B, C, H, W], both given.

    Complete: the sum over pixels is answer(x) - answer(b), up to the error of the sum over the way (Sundararajan 2017).
    """
    total = torch.zeros_like(images)
    for step in range(steps):
        total += _gradient(answer, baseline + (step + 0.5) / steps * (images - baseline))
    return (images - baseline) * total / steps


def grad_cam(model: nn.Module, answer: Answer, images: Tensor) -> Tensor | None:
    """max(0, sum_k a_k A_k), a_k the mean slope of the answer by map k of the last layer whose maps have places (Selvaraju 2017),
    enlarged to the picture: [B, C, H, W] -> [B, H, W], or None where no layer has maps."""
    with torch.enable_grad(), watched(model) as seen:
        given = images.detach().clone().requires_grad_()
        total = answer(given).sum()
        kept = [maps for _, maps in seen if min(maps.shape[2:]) > 1 and maps.requires_grad]
        if not kept:
            return None
        (slopes,) = torch.autograd.grad(total, kept[-1], allow_unused=True)
    if slopes is None:
        return None
    found = (slopes.mean((2, 3), keepdim=True) * kept[-1].detach()).sum(1, keepdim=True).relu()
    return functional.interpolate(found, images.shape[2:], mode="bilinear", align_corners=False)[:, 0]


def occlusion(answer: Answer, image: Tensor, fill: Tensor, patch: int, stride: int) -> Tensor:
    """How much the answer falls where a square of `patch` pixels is hidden: [C, H, W] -> [H, W] (Zeiler 2014).

    The square moves by `stride` and takes the colour `fill` [C, 1, 1]; a pixel has the mean over the squares that hide it.
    """
    _, height, width = image.shape
    rows, columns = (_starts(side, patch, stride) for side in (height, width))
    hidden = torch.zeros(len(rows) * len(columns), height, width, dtype=torch.bool, device=image.device)
    for i, (row, column) in enumerate((r, c) for r in rows for c in columns):
        hidden[i, row : row + patch, column : column + patch] = True
    with torch.no_grad():
        whole = answer(image[None])[0]
        falls = [whole - answer(torch.where(some[:, None], fill, image)) for some in torch.split(hidden, 256)]
    fall = torch.cat(falls)[:, None, None] * hidden
    return fall.sum(0) / hidden.sum(0)


def spread(
    model: nn.Module, pictures: Tensor, changed: dict[str, Tensor], labels: Tensor
) -> dict[str, list[tuple[str, float]]]:
    """How far each layer's answer moves when a picture is changed, against the distance between pictures of different classes.

    pictures [B, C, H, W] normalised, `changed` the same pictures after a change each, labels [B] of at least two classes ->
    by change, (layer, ratio) in order: the mean distance |f(x') - f(x)| over the mean |f(x) - f(y)|, y of another class. 0 is
    invariant; near 1 a change moves the picture as far as to another class.
    """
    shown, other = layers(model, pictures), _of_another_class(labels)
    found: dict[str, list[tuple[str, float]]] = {}
    for what, images in changed.items():
        found[what] = []
        for (name, before), (_, after) in zip(shown, layers(model, images), strict=True):
            apart = (before - before[other]).flatten(1).norm(dim=1).mean()
            moved = (after - before).flatten(1).norm(dim=1).mean()
            found[what].append((name, float(moved / apart.clamp(min=1e-12))))
    return found


def evenly(count: int, most: int) -> list[int]:
    """At most `most` of the first `count` numbers, the first and the last among them."""
    return list(range(count)) if count <= most else [round(i * (count - 1) / (most - 1)) for i in range(most)]


def _gradient(answer: Answer, images: Tensor) -> Tensor:
    with torch.enable_grad():
        given = images.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(answer(given).sum(), given)
    return slope


def _starts(side: int, patch: int, stride: int) -> list[int]:
    last = max(0, side - patch)
    return sorted({*range(0, last, stride), last})


def _of_another_class(labels: Tensor) -> Tensor:
    """For each row another, of the next class that differs. Raises ValueError where there is one class only."""
    differs = labels[:, None] != labels
    if not bool(differs.any(1).all()):
        raise ValueError("pictures of at least two classes are needed")
    size = len(labels)
    away = (torch.arange(size, device=labels.device)[None] - torch.arange(size, device=labels.device)[:, None]) % size
    return torch.where(differs, away, size).argmin(1)
