"""Same work, same answer: whether a peer does what Samoyed does, before anything is timed."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Tolerance

Array = NDArray[np.floating]


class Answer(NamedTuple):
    """From the given weights and batch: the number of parameters P, the loss, its gradient [P], and the losses [K] of K
    optimiser steps on that batch."""

    parameters: int
    loss: float
    gradient: Array
    losses: list[float]


class Errors(NamedTuple):
    """Relative errors of an answer: |a - b| / |b|, for the gradient in the Euclidean norm, for the losses the largest."""

    loss: float
    gradient: float
    losses: float


def errors(ours: Answer, theirs: Answer) -> Errors:
    """How far their answer is from ours. Raises ValueError where they are not about the same network."""
    if ours.parameters != theirs.parameters or ours.gradient.shape != theirs.gradient.shape:
        raise ValueError(f"{theirs.parameters:,} parameters, where Samoyed has {ours.parameters:,}")
    if len(ours.losses) != len(theirs.losses):
        raise ValueError(f"{len(theirs.losses)} steps, where Samoyed makes {len(ours.losses)}")
    steps = [relative(a, b) for a, b in zip(theirs.losses, ours.losses, strict=True)]
    return Errors(relative(theirs.loss, ours.loss), relative(theirs.gradient, ours.gradient), max(steps, default=0.0))


def relative(value: float | Array, reference: float | Array) -> float:
    """|value - reference| / |reference| in the Euclidean norm; 0 for equal values, and infinity for what is not finite.

    >>> relative(1.5, 1.0), relative(0.0, 0.0), relative(float("nan"), 1.0)
    (0.5, 0.0, inf)
    """
    a, b = np.asarray(value, np.float64), np.asarray(reference, np.float64)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    gap, size = float(np.linalg.norm(a - b)), float(np.linalg.norm(b))
    return gap / size if size else (0.0 if gap == 0 else float("inf"))


def too_far(found: Errors, most: Tolerance) -> str:
    """What is beyond the tolerance, in words; empty where nothing is."""
    pairs = zip(Errors._fields, found, (most.loss, most.gradient, most.losses), strict=True)
    return ", ".join(f"{name} off by {error:.1e} (at most {bound:g})" for name, error, bound in pairs if error > bound)
