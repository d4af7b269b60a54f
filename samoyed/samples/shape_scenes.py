"""1,500 scenes of two shapes drawn by the program, each described in two sentences, the larger shape first.

Where each shape lies is known, so that it can be measured where a network looks when it names one: see `scenes`.
"""

import random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from samoyed.examples import CaptionedImage

SIDE = 48
_FINE = 4  # drawn so many times as large, and made smaller, so that edges are smooth
COLOURS = {
    "red": (214, 40, 40), "green": (44, 160, 60), "blue": (40, 90, 220), "yellow": (235, 205, 30), "purple": (140, 60, 190),
    "white": (245, 245, 245),
}  # fmt: skip
SHAPES = ("circle", "square", "triangle", "cross")
_SIZES = {"large": (20, 23), "small": (14, 16)}
_OPPOSITE = {"left of": (-1, 0), "right of": (1, 0), "above": (0, -1), "below": (0, 1)}


class Thing(NamedTuple):
    """A shape with its colour, size, and box: left, top, right, bottom in pixels."""

    colour: str
    shape: str
    size: str
    box: tuple[int, int, int, int]


class Scene(NamedTuple):
    """A picture with its captions, and the two things in it, the larger first."""

    example: CaptionedImage
    things: tuple[Thing, Thing]


def examples() -> list[CaptionedImage]:
    """In a fixed order, drawn once and for all."""
    return [scene.example for scene in scenes(1500)]


def scenes(count: int, seed: int = 0) -> list[Scene]:
    """Scenes and the truth about them. Each is drawn anew; no two shapes of one scene are of the same colour or form."""
    draw = random.Random(seed)
    return [_scene(draw, f"scene {seed}.{i}") for i in range(count)]


def _scene(draw: random.Random, origin: str) -> Scene:
    colours, shapes = draw.sample(sorted(COLOURS), 2), draw.sample(SHAPES, 2)
    sides = [draw.randint(*_SIZES[size]) for size in _SIZES]
    relation = draw.choice(sorted(_OPPOSITE))
    across, down = _OPPOSITE[relation]
    first, second = _places(draw, sides, across, down)
    things = tuple(
        Thing(colour, shape, size, (x, y, x + side, y + side))
        for colour, shape, size, side, (x, y) in zip(colours, shapes, _SIZES, sides, (first, second), strict=True)
    )
    one, two = (f"{t.colour} {t.shape}" for t in things)
    captions = (f"a {one} {relation} a {two}", f"a large {one} is {relation} a small {two}")
    return Scene(CaptionedImage(_drawn(draw, things), captions, origin), (things[0], things[1]))


def _places(draw: random.Random, sides: list[int], across: int, down: int) -> list[tuple[int, int]]:
    """Left upper corners of both, so that they lie side by side in the one direction, and anyhow in the other."""
    gap = draw.randint(3, max(3, SIDE - sum(sides) - 3))
    begin = draw.randint(0, max(0, SIDE - sum(sides) - gap))
    order = (0, 1) if across < 0 or down < 0 else (1, 0)
    along = [0, 0]
    along[order[0]], along[order[1]] = begin, begin + sides[order[0]] + gap
    beside = [draw.randint(0, SIDE - side) for side in sides]
    middle = (SIDE - sides[0]) // 2  # near the middle line, so that one direction is the plain one
    beside = [max(middle - 5, min(middle + 8, place)) for place in beside]
    return [(a, b) if across else (b, a) for a, b in zip(along, beside, strict=True)]


def _drawn(draw: random.Random, things: tuple[Thing, ...]) -> NDArray[np.uint8]:
    """The picture: a dark, mottled ground and the things upon it."""
    noise = np.random.default_rng(draw.getrandbits(32))
    ground = noise.integers(20, 90, (SIDE, SIDE, 3), dtype=np.uint8)
    base = Image.fromarray(ground).filter(ImageFilter.GaussianBlur(1.5)).resize((SIDE * _FINE, SIDE * _FINE))
    pen = ImageDraw.Draw(base)
    for colour, shape, _, box in things:
        left, top, right, bottom = (_FINE * edge for edge in box)
        tint = tuple(max(0, min(255, part + draw.randint(-18, 18))) for part in COLOURS[colour])
        if shape == "circle":
            pen.ellipse((left, top, right - 1, bottom - 1), fill=tint)
        elif shape == "square":
            pen.rectangle((left, top, right - 1, bottom - 1), fill=tint)
        elif shape == "triangle":
            pen.polygon([((left + right) / 2, top), (left, bottom - 1), (right - 1, bottom - 1)], fill=tint)
        else:
            third = (right - left) / 3
            pen.rectangle((left + third, top, right - third - 1, bottom - 1), fill=tint)
            pen.rectangle((left, top + third, right - 1, bottom - third - 1), fill=tint)
    return np.asarray(base.resize((SIDE, SIDE), Image.Resampling.LANCZOS), dtype=np.uint8)
