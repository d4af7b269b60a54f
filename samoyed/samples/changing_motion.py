"""120 clips of 24 frames, drawn by the program: a shape moves, stops and turns, and now and then the light fails."""

import numpy as np

from samoyed.examples import TaggedClip
from samoyed.samples.moving_shapes import shapes

_SIDE, _FRAMES = 16, 24
_WAYS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0), "": (0, 0)}  # rows, columns


def examples() -> list[TaggedClip]:
    """In a fixed order. A frame is tagged with the way by which the shape came to it, the first with the way by which it leaves, and with
    dark while the light is out; where the shape stands still in the light it has no tag. The ground has no edges, so that no frame alone
    tells a movement."""
    draw = np.random.default_rng(0)
    forms = shapes()
    found = []
    for i in range(120):
        ways = _ways(draw)
        dark = np.zeros(_FRAMES, bool)
        if draw.random() < 0.6:
            begin, lasts = draw.integers(0, _FRAMES - 4), draw.integers(4, 10)
            dark[begin : begin + lasts] = True
        picture = forms[draw.integers(len(forms))] * draw.uniform(0.5, 1.0)
        steps = np.array([(0, 0), *(_WAYS[way] for way in ways[1:])]) * draw.choice((1, 2))
        places = draw.integers(0, _SIDE, 2) + steps.cumsum(0)
        frames = np.stack([np.roll(picture, tuple(place), (0, 1)) for place in places])
        noisy = (frames + 0.15) * np.where(dark, 0.45, 1.0)[:, None, None] + draw.normal(0, 0.04, frames.shape)
        pixels = (noisy.clip(0, 1) * 255).round().astype(np.uint8)
        tags = tuple(tuple(sorted({way, "dark" if d else ""} - {""})) for way, d in zip(ways, dark, strict=True))
        found.append(TaggedClip(pixels[..., None], tags, f"changing motion {i}"))
    return found


def _ways(draw: np.random.Generator) -> list[str]:
    """The way of each frame: two to four stretches, each of another way than the one before."""
    count = int(draw.integers(2, 5))
    cuts = sorted(draw.choice(np.arange(4, _FRAMES - 3, 4), count - 1, replace=False) + draw.integers(-1, 2, count - 1))
    found: list[str] = []
    for begin, end in zip((0, *cuts), (*cuts, _FRAMES), strict=True):
        others = [way for way in _WAYS if not found or way != found[-1]]
        found += [others[draw.integers(len(others))]] * int(end - begin)
    return found
