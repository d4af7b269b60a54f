"""800 invented words of two to seven letters in pen strokes, drawn by the program from an alphabet of its own in varying hands; nobody wrote them."""

import numpy as np
from numpy.typing import NDArray

from samoyed.examples import Drawing

# Each letter's strokes through points x,y in tenths of a small letter's height, from the line on which it stands, downwards.
_LETTERS = {
    "a": "8,-8 5,-10 1,-7 1,-3 4,0 8,-3 8,-9 8,-3 10,0", "b": "1,-18 1,0 1,-6 5,-10 9,-6 8,-1 4,0 1,-3",
    "c": "8,-8 5,-10 1,-7 1,-3 4,0 8,-2", "d": "8,-7 5,-10 1,-6 2,-1 5,0 8,-4 8,-18 8,-3 10,0",
    "e": "1,-5 8,-6 6,-10 2,-8 1,-3 4,0 8,-2", "f": "8,-16 6,-18 4,-15 4,0|1,-9 8,-9",
    "g": "8,-7 5,-10 1,-7 2,-2 5,-1 8,-5 8,4 5,8 1,6", "h": "1,-18 1,0 1,-5 4,-10 8,-7 8,0", "i": "2,-10 2,-2 4,0|2,-15 3,-14",
    "j": "4,-10 4,4 2,8 -1,6|4,-15 5,-14", "k": "1,-18 1,0|7,-10 1,-5 8,0", "l": "2,-18 2,-2 5,0",
    "m": "1,-10 1,0 1,-6 4,-10 6,-7 6,0 6,-6 9,-10 11,-7 11,0", "n": "1,-10 1,0 1,-6 5,-10 8,-7 8,0",
    "o": "5,-10 1,-7 1,-3 5,0 9,-3 9,-7 5,-10", "p": "1,-10 1,8 1,-6 5,-10 9,-6 8,-1 4,0 1,-3",
    "q": "8,-7 5,-10 1,-6 2,-1 5,0 8,-5 8,8 10,6", "r": "1,-10 1,0 1,-6 4,-10 7,-9", "s": "7,-8 4,-10 1,-8 3,-5 7,-3 6,0 1,-1",
    "t": "4,-15 4,-2 6,0 8,-1|1,-10 7,-10", "u": "1,-10 1,-3 4,0 8,-4 8,-10 8,-3 10,0", "v": "1,-10 4,0 8,-10",
    "w": "1,-10 3,0 6,-8 9,0 11,-10", "x": "1,-10 8,0|8,-10 1,0", "y": "1,-10 2,-3 5,-2 8,-9 8,4 4,8 1,6",
    "z": "1,-10 8,-10 1,0 8,0",
}  # fmt: skip
_COUNT = 800
Points = NDArray[np.float64]


def examples() -> list[Drawing]:
    """In a fixed order, each word once; slant, size, tempo, spacing, joining of letters and trembling differ from one to the next."""
    draw = np.random.default_rng(0)
    words: dict[str, None] = {}
    while len(words) < _COUNT:
        parts = [
            draw.choice(list("bcdfghjklmnpqrstvwxyz")) + draw.choice(list("aeiou")) for _ in range(draw.integers(1, 4))
        ]
        words["".join(parts) + str(draw.choice(["", *"lmnrst"]))] = None
    return [Drawing(word, f"drawn word {i}", tuple(_written(word, draw))) for i, word in enumerate(words)]


def _written(word: str, draw: np.random.Generator) -> list[NDArray[np.float32]]:
    """The strokes of a word in one hand: absolute points in tenths of a small letter's height."""
    size, width, slant = draw.uniform(0.8, 1.25), draw.uniform(0.85, 1.15), draw.uniform(-0.1, 0.45)
    step, space, shake = draw.uniform(2.2, 3.2), draw.uniform(2.0, 4.0), draw.uniform(0.1, 0.35)
    joined, turn = draw.random() < 0.4, draw.uniform(-0.06, 0.06)
    begun: list[Points] = []
    x, single = 0.0, False
    for letter in word:
        strokes = [np.array([p.split(",") for p in s.split()], float) for s in _LETTERS[letter].split("|")]
        wander = draw.normal(0, 0.35, 2)
        for i, stroke in enumerate(strokes):
            path = _rounded(stroke + draw.normal(0, 0.3, stroke.shape)) + np.array([x, 0.0]) + wander
            if i == 0 and joined and single:  # the pen stays on the paper
                begun[-1] = np.concatenate([begun[-1], path])
            else:
                begun.append(path)
        single = len(strokes) == 1
        x += max(stroke[:, 0].max() for stroke in strokes) + space
    found = []
    for path in begun:
        points = _paced(path, step, draw) + draw.normal(0, shake, (1, 2)) * 0.5
        points += draw.normal(0, shake * 0.5, points.shape)
        bent = np.array([[width, 0.0], [-slant, 1.0]])  # rows times this: x - slant y, y
        tilted = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        found.append((size * points @ bent @ tilted).astype(np.float32))
    return found


def _rounded(points: Points) -> Points:
    """Corners cut twice (Chaikin 1974), the ends kept."""
    for _ in range(2):
        inner = np.stack([0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]], 1)
        points = np.concatenate([points[:1], inner.reshape(-1, 2), points[-1:]])
    return points


def _paced(path: Points, step: float, draw: np.random.Generator) -> Points:
    """Points along the path about `step` apart, as a pen at uneven speed leaves them."""
    along = np.concatenate([[0], np.linalg.norm(np.diff(path, axis=0), axis=1).cumsum()])
    count = max(2, round(along[-1] / step) + 1)
    gaps = draw.uniform(0.8, 1.2, count - 1).cumsum()
    at = np.concatenate([[0], gaps / gaps[-1]]) * along[-1]
    return np.stack([np.interp(at, along, path[:, axis]) for axis in (0, 1)], 1)
