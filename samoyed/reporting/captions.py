"""Pictures of a network that describes pictures: what it says, and where it looks at each word (Xu et al. 2015, figure 3)."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from samoyed.reporting.figures import figure
from samoyed.tasks import Picture
from samoyed.tasks._pairs import as_texts

_SAID = 12  # pictures with what is said of them
_LOOKED = 3  # pictures whose words are drawn
_WORDS = 14  # of each at most
_COLUMNS = 9
_FINE = 192  # side in pixels at which a heat map is drawn

Box = tuple[int, int, int, int]


def pictures(task: Any, model: Any, data: Any) -> list[Picture]:
    """Both, from the test split."""
    images = data.images[:_SAID]
    found = task.search(model, images)
    references = [text.split("\n") for text in as_texts(data.references[:_SAID])]
    looks = task.looks(
        model, images[:_LOOKED], found._replace(tokens=found.tokens[:_LOOKED], lengths=found.lengths[:_LOOKED])
    )
    return [attention(images[:_LOOKED].cpu(), looks), written(images.cpu(), task.texts(found), references)]


def written(images: Tensor, said: list[str], references: list[list[str]]) -> Picture:
    """Pictures uint8 [B, C, H, W] with what is said of them, and below what people said."""
    columns = min(4, len(said))
    rows = -(-len(said) // columns)
    drawn, axes = figure(2.1 * columns, 3.0 * rows, rows, columns, squeeze=False)
    for cell in axes.flat:
        cell.axis("off")
    for cell, image, text, captions in zip(axes.flat, images, said, references, strict=False):
        cell.imshow(_plain(image), cmap="gray", vmin=0, vmax=255)
        cell.set_title("\n".join(textwrap.wrap(text or "(nothing)", 27)[:3]), fontsize=8, loc="left", weight="bold")
        below = "\n".join(textwrap.wrap(captions[0], 30)[:3])
        cell.text(0, -0.03, below, fontsize=7, va="top", transform=cell.transAxes)
    caption = "Above each picture of the test split what the network says, below it the first of its captions."
    return Picture("captions", "What it says", caption, drawn)


def attention(
    images: Tensor, looks: Sequence[Sequence[tuple[str, Tensor]]], boxes: Sequence[Sequence[Box | None]] | None = None
) -> Picture:
    """Each picture, uint8 [B, C, H, W], and after it the same under the attention [h, w] of each word.

    `boxes`, if known, are where what each word names truly is: left, top, right, bottom in pixels.
    """
    shown = [words[:_WORDS] for words in looks]
    lines = [-(-(len(words) + 1) // _COLUMNS) for words in shown]
    columns = min(_COLUMNS, max(len(words) for words in shown) + 1)
    drawn, axes = figure(1.15 * columns, 1.4 * sum(lines), sum(lines), columns, squeeze=False)
    for cell in axes.flat:
        cell.axis("off")
    first = 0
    for number, (image, words, count) in enumerate(zip(images, shown, lines, strict=True)):
        cells = list(axes[first : first + count].flat)
        cells[0].imshow(_plain(image), cmap="gray", vmin=0, vmax=255)
        for place, (cell, (word, weights)) in enumerate(zip(cells[1:], words, strict=False)):
            cell.imshow(lit(image, weights))
            cell.set_title(word, fontsize=8.5, loc="center")
            cell.set_autoscale_on(False)
            box = boxes[number][place] if boxes is not None else None
            if box is not None:
                scale = _FINE / image.shape[2], _FINE / image.shape[1]
                left, top, right, bottom = (edge * scale[i % 2] for i, edge in enumerate(box))
                cell.plot(
                    [left, right, right, left, left], [top, top, bottom, bottom, top], color="white", linewidth=0.8
                )
        first += count
    caption = "The brighter a part of the picture, the more it was attended to when the word above was said (Xu 2015, figure 3)."
    return Picture("attention", "Where it looks at each word", caption, drawn)


def lit(image: Tensor, weights: Tensor) -> NDArray[np.uint8]:
    """A picture uint8 [C, H, W], dark where the weights [h, w] are small: uint8 [side, side, 3]."""
    fine = (_FINE, _FINE)
    picture = Image.fromarray(_plain(image)).convert("RGB").resize(fine, Image.Resampling.NEAREST)
    scaled = (weights / weights.max().clamp(min=1e-12)).numpy().astype(np.float32)
    heat = np.asarray(Image.fromarray(scaled).resize(fine, Image.Resampling.BILINEAR)).clip(0, 1)[..., None]
    light = np.asarray(picture, np.float32) * (0.4 + 0.5 * heat) + 70 * heat
    made: NDArray[np.uint8] = light.clip(0, 255).astype(np.uint8)
    return made


def place(weights: Tensor) -> list[float]:
    """Where weights [h, w] are greatest, in shares of width and height."""
    row, column = divmod(int(weights.argmax()), weights.shape[1])
    return [round((column + 0.5) / weights.shape[1], 3), round((row + 0.5) / weights.shape[0], 3)]


def mass_inside(weights: Tensor, box: Box, size: tuple[int, int]) -> float:
    """The share of weights [h, w] over a picture of `size` (height, width) that lies in a box, a place's weight being spread evenly."""
    share = [
        np.clip(np.minimum(high, (np.arange(n) + 1) * side / n) - np.maximum(low, np.arange(n) * side / n), 0, None)
        * n
        / side
        for n, side, low, high in zip(weights.shape, size, (box[1], box[0]), (box[3], box[2]), strict=True)
    ]
    return float(share[0] @ weights.double().numpy() @ share[1])


def _plain(image: Tensor) -> NDArray[np.uint8]:
    """[C, H, W] -> [H, W] or [H, W, 3]."""
    array: NDArray[np.uint8] = image.permute(1, 2, 0).numpy()
    return array[..., 0] if array.shape[2] == 1 else array
