"""What a network sees in a picture, a block of pictures or a spectrogram: maps of each layer, and which places its answer rests on.

Works on any model, since it looks only at tensors that layers give. Legend: B batch, C channels, P one or more axes of places: height
and width of a picture, before them the frames or slices of a block; T time, U units.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

Answer = Callable[[Tensor], Tensor]  # images [B, C, P] -> one number for each [B]
_AT_ONCE = 256, 2**22  # examples at most, and numbers in all of them, that are answered together
_ENLARGED = {1: "linear", 2: "bilinear", 3: "trilinear"}


class Seen(NamedTuple):
    """The maps [B, maps, P] after a layer: a kernel, with the norm, rectifier and pooling that follow it."""

    name: str
    maps: Tensor


@contextmanager
def watched(model: nn.Module, read: Callable[[nn.Module, Any], Tensor | None]) -> Iterator[list[Seen]]:
    """Inside, fills a list with what each layer gives to the next, in the order of calling: `read` makes maps of it, or None."""
    seen: list[Seen] = []

    def look(name: str, module: nn.Module, made: Any) -> None:
        maps = read(module, made)
        if maps is None:
            return
        weighted = any(p.ndim > 1 for p in module.parameters(recurse=False))
        if seen and not weighted and maps.shape[1] == seen[-1].maps.shape[1]:
            seen[-1] = Seen(seen[-1].name, maps)
        else:
            seen.append(Seen(name, maps))

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


def places_like(images: Tensor) -> Callable[[nn.Module, Any], Tensor | None]:
    """For `watched`: what has places as `images` [B, C, P] do. Of a block [B, C, D, H, W] also what a layer says of each of its pictures
    by itself, [B D, maps, H, W], as [B, maps, D, H, W]."""

    def read(module: nn.Module, made: Any) -> Tensor | None:
        if not isinstance(made, Tensor):
            return None
        if images.ndim == 5 and made.ndim == 4 and len(made) == len(images) * images.shape[2]:
            return made.reshape(len(images), images.shape[2], *made.shape[1:]).transpose(1, 2)
        return made if made.ndim == images.ndim else None

    return read


def moments_of(module: nn.Module, made: Any) -> Tensor | None:
    """For `watched`: what layers over time say of each moment as [B, U, T]. Convolutions have their units before time, all others
    after it."""
    first = made[0] if isinstance(made, tuple) else made
    if not isinstance(first, Tensor) or first.ndim != 3 or isinstance(module, nn.Dropout):
        return None
    return first if isinstance(module, nn.Conv1d) else first.transpose(1, 2)


def layers(
    model: nn.Module, *given: Tensor, read: Callable[[nn.Module, Any], Tensor | None] | None = None
) -> list[Seen]:
    """What every layer gives for what the model is `given`, normalised pictures [B, C, P] unless `read` says otherwise, without gradients
    and in the model's mode."""
    with torch.no_grad(), watched(model, read or places_like(given[0])) as seen:
        model(*given)
        return [Seen(name, maps.detach().clone()) for name, maps in seen]


def saliency(answer: Answer, images: Tensor) -> Tensor:
    """|d answer / d pixel|, the largest over channels: [B, C, P] -> [B, P] (Simonyan 2013)."""
    return _gradient(answer, images).abs().amax(1)


def integrated_gradients(answer: Answer, images: Tensor, baseline: Tensor, steps: int = 64) -> Tensor:
    """(x - b) times the mean gradient on the way from b to x, at the midpoints of `steps` parts: [B, C, P], both given.

    Complete: the sum over pixels is answer(x) - answer(b), up to the error of the sum over the way (Sundararajan 2017).
    """
    total = torch.zeros_like(images)
    for step in range(steps):
        total += _gradient(answer, baseline + (step + 0.5) / steps * (images - baseline))
    return (images - baseline) * total / steps


def grad_cam(model: nn.Module, answer: Answer, images: Tensor) -> Tensor | None:
    """max(0, sum_k a_k A_k), a_k the mean slope of the answer by map k of the last layer whose maps have places (Selvaraju 2017),
    enlarged to the picture: [B, C, P] -> [B, P], or None where no layer has maps."""
    placed = places_like(images)

    def as_made(module: nn.Module, made: Any) -> Tensor | None:
        return None if placed(module, made) is None else made

    with torch.enable_grad(), watched(model, as_made) as seen:
        given = images.detach().clone().requires_grad_()
        total = answer(given).sum()
        kept = [maps for _, maps in seen if min(maps.shape[-2:]) > 1 and maps.requires_grad]
        if not kept:
            return None
        (slopes,) = torch.autograd.grad(total, kept[-1], allow_unused=True)
    if slopes is None:
        return None
    slope, maps = (placed(model, tensor) for tensor in (slopes, kept[-1].detach()))
    assert slope is not None
    assert maps is not None
    places = tuple(range(2, images.ndim))
    found = (slope.mean(places, keepdim=True) * maps).sum(1, keepdim=True).relu()
    how = _ENLARGED[len(places)]
    return functional.interpolate(found, images.shape[2:], mode=how, align_corners=False)[:, 0]


def occlusion(
    answer: Answer, image: Tensor, fill: Tensor, patch: int | Sequence[int], stride: int | Sequence[int]
) -> Tensor:
    """How much the answer falls where a box of `patch` places to a side is hidden: [C, P] -> [P] (Zeiler 2014).

    The box moves by `stride` and takes the colour `fill`, which broadcasts to the image; a place has the mean over the boxes that hide it.
    """
    sides = tuple(image.shape[1:])
    patches, strides = ([v] * len(sides) if isinstance(v, int) else list(v) for v in (patch, stride))
    starts = [_starts(*axis) for axis in zip(sides, patches, strides, strict=True)]
    corners = list(itertools.product(*starts))
    hidden = torch.zeros(len(corners), *sides, dtype=torch.bool, device=image.device)
    for box, corner in zip(hidden, corners, strict=True):
        box[tuple(slice(begin, begin + size) for begin, size in zip(corner, patches, strict=True))] = True
    most = max(1, min(_AT_ONCE[0], _AT_ONCE[1] // image.numel()))
    with torch.no_grad():
        whole = answer(image[None])[0]
        falls = [whole - answer(torch.where(some[:, None], fill, image)) for some in torch.split(hidden, most)]
    fall = torch.cat(falls).view(-1, *[1] * len(sides)) * hidden
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
