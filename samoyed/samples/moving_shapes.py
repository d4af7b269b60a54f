"""400 clips of 8 frames, drawn by the program: a shape moves left, right, up or down over a noisy ground that has no edges."""

import numpy as np
from numpy.typing import NDArray

from samoyed.examples import Clip

_SIDE, _FRAMES = 16, 8
_WAYS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}  # rows, columns


def examples() -> list[Clip]:
    """100 of each way, in a fixed order. What leaves at one side comes back at the other, and begins anywhere, so that any one frame
    is as likely in every class: the order of frames alone tells."""
    draw = np.random.default_rng(0)
    forms = shapes()
    found = []
    for i in range(400):
        way = list(_WAYS)[i % 4]
        picture = forms[draw.integers(len(forms))] * draw.uniform(0.5, 1.0)
        begin, speed = draw.integers(0, _SIDE, 2), draw.choice((1, 2))
        frames = [np.roll(picture, tuple(begin + t * speed * np.array(_WAYS[way])), (0, 1)) for t in range(_FRAMES)]
        noisy = np.stack(frames) + draw.normal(0.15, 0.05, (_FRAMES, _SIDE, _SIDE))
        pixels = (noisy.clip(0, 1) * 255).round().astype(np.uint8)
        found.append(Clip(pixels[..., None], way, f"moving shape {i}"))
    return found


def shapes() -> list[NDArray[np.float64]]:
    """A square, a disc, a ring, a cross and a bar of either direction, [16, 16], at the corner."""
    y, x = np.mgrid[:_SIDE, :_SIDE] - 3.0
    radius = np.hypot(y, x)
    inside = np.maximum(abs(y), abs(x)) <= 3
    drawn = [
        np.maximum(abs(y), abs(x)) <= 2, radius <= 2.6, (radius <= 3.2) & (radius >= 1.8), inside & ((abs(y) < 1) | (abs(x) < 1)),
        inside & (abs(y) < 1), inside & (abs(x) < 1),
    ]  # fmt: skip
    return [shape.astype(np.float64) for shape in drawn]
