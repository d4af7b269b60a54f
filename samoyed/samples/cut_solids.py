"""300 solids in slices, drawn by the program: a ball, a box, a cylinder, a cone or a ring, turned at random, as a scanner sees it."""

import numpy as np
from numpy.typing import NDArray

from samoyed.examples import Volume

_SIDE = 16
_KINDS = ("ball", "box", "cylinder", "cone", "ring")


def examples() -> list[Volume]:
    """60 of each, in a fixed order: values about 0 outside and about 100 inside, with noise and soft edges. A slice of a ball may be one of
    a cylinder or a cone: it takes several."""
    draw = np.random.default_rng(0)
    grid = (np.moveaxis(np.mgrid[:_SIDE, :_SIDE, :_SIDE], 0, -1) - (_SIDE - 1) / 2) / (_SIDE / 2)  # -1 to 1
    found = []
    for i in range(300):
        kind = _KINDS[i % 5]
        turned = (grid - draw.uniform(-0.15, 0.15, 3)) @ _rotation(draw)
        depth = _depth(kind, turned / draw.uniform(0.75, 1.0))
        values = 100 / (1 + np.exp(-depth * 25)) + draw.normal(0, 10, depth.shape)
        found.append(Volume(values.astype(np.float32), kind, f"solid {i}"))
    return found


def _depth(kind: str, at: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far inside the solid each point is, negative outside: at [..., 3] -> [...]."""
    across, along = np.hypot(at[..., 0], at[..., 1]), at[..., 2]
    found: NDArray[np.float64]
    if kind == "ball":
        found = 0.62 - np.linalg.norm(at, axis=-1)
    elif kind == "box":
        found = np.min(np.array([0.5, 0.5, 0.55]) - abs(at), axis=-1)
    elif kind == "cylinder":
        found = np.minimum(0.42 - across, 0.65 - abs(along))
    elif kind == "cone":
        found = np.minimum((0.6 - along) * 0.5 - across, 0.6 + along)
    else:
        found = 0.22 - np.hypot(across - 0.52, along)
    return found


def _rotation(draw: np.random.Generator) -> NDArray[np.float64]:
    """A rotation drawn evenly from all (QR of a normal matrix, Stewart 1980): [3, 3]."""
    q, r = np.linalg.qr(draw.standard_normal((3, 3)))
    found: NDArray[np.float64] = q * np.sign(np.diag(r))
    return found
