"""Strokes as a network sees them, and back. Legend: T points, N drawings."""

import math
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
import torch
from annotated_types import Gt, Lt, MinLen
from numpy.typing import NDArray
from torch import Tensor

from samoyed.examples import Drawing
from samoyed.stored import Stored


class Drawings(NamedTuple):
    """points float32 [B, T, 4]: dx, dy in units of their deviation, 1 where the pen lifts after the point, 1 where the drawing ends
    there; the first is (0, 0, ...). lengths int64 [B]; text int32 [B, U], int64 in a batch; text_lengths int64 [B]."""

    points: Tensor
    lengths: Tensor
    text: Tensor
    text_lengths: Tensor


class Single(Stored):
    """One normal distribution and one Bernoulli for every point alike: what the network is measured beside."""

    mean: tuple[float, float]
    covariance: tuple[float, float, float]  # of dx with dx, dx with dy, dy with dy
    lift: Annotated[float, Gt(0), Lt(1)]

    @classmethod
    def of(cls, points: Tensor) -> "Single":
        """The one that points [N, 3] are likeliest under; every figure kept away from what has no density."""
        offsets = points[:, :2].double()
        spread = offsets.T.cov(correction=0) + 1e-6 * torch.eye(2, dtype=torch.float64)
        lift = float((points[:, 2].double().sum() + 0.5) / (len(points) + 1))
        mean = offsets.mean(0).tolist()
        covariance = (float(spread[0, 0]), float(spread[0, 1]), float(spread[1, 1]))
        return cls(mean=(mean[0], mean[1]), covariance=covariance, lift=lift)

    def log_probs(self, points: Tensor) -> Tensor:
        """points [..., 3] -> [...]."""
        (xx, xy, yy), off = self.covariance, points[..., :2] - torch.tensor(self.mean, device=points.device)
        determinant = xx * yy - xy * xy
        x, y = off.unbind(-1)
        square = (yy * x.square() - 2 * xy * x * y + xx * y.square()) / determinant
        density = -0.5 * square - math.log(2 * math.pi) - 0.5 * math.log(determinant)
        return density + torch.where(points[..., 2] > 0.5, math.log(self.lift), math.log(1 - self.lift))


class State(Stored):
    """What was learned from the training split: the deviation of offsets, the letters if texts are read, the single normal."""

    deviation: Annotated[float, Gt(0)]
    letters: Annotated[list[str], MinLen(1)] | None
    single: Single


def offsets_of(strokes: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Absolute strokes -> [T, 3]: the offset from the point before and whether the pen lifts; repeated points are left out."""
    rows = [np.empty((0, 3), np.float32)]
    for stroke in strokes:
        moved = np.ones(len(stroke), bool)
        moved[1:] = (np.diff(stroke, axis=0) != 0).any(1)
        kept = stroke[moved].astype(np.float64)
        rows.append(np.column_stack([kept, np.arange(1, len(kept) + 1) == len(kept)]))
    points = np.concatenate(rows)
    points[1:, :2] = np.diff(points[:, :2], axis=0)
    points[:1, :2] = 0
    return points.astype(np.float32)


def strokes_of(offsets: Tensor, start: tuple[float, float] = (0.0, 0.0)) -> list[list[list[float]]]:
    """Offsets [T, 3] in the data's units -> absolute strokes as JSON, the first point at `start`."""
    places = offsets[:, :2].double().cumsum(0) + torch.tensor(start, dtype=torch.float64)
    found: list[list[list[float]]] = [[]]
    for (x, y), lifts in zip(places.tolist(), (offsets[:, 2] > 0.5).tolist(), strict=True):
        found[-1].append([round(x, 4), round(y, 4)])
        if lifts:
            found.append([])
    return [stroke for stroke in found if stroke]


def given_offsets(example: Drawing, deviation: float) -> Tensor:
    """The strokes of an example as its first points [T, 3], scaled; the pen put down, where there are none."""
    if not example.strokes:
        return torch.zeros(1, 3)
    points = torch.from_numpy(offsets_of(example.strokes))
    points[:, :2] /= deviation
    return points
