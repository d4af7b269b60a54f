"""Checks a gradient against finite differences, entry by entry.

For a scalar function E of parameters w, and a small step h, autograd's a = dE/dw_i is held against the central
difference

    n = (E(w + h e_i) - E(w - h e_i)) / 2h    whose own error is h^2 E'''/6 from the curve, e |E| / h from rounding

The relative error of an entry is |a - n| / max(|a|, |n|, floor). The floor is there because n is never better than
its rounding error, about e |E| / h with e = 2.2e-16 in float64: it is a million times that, so that rounding alone
contributes about 1e-6, and a tolerance of 1e-5 still finds a gradient that is wrong by 2e-9 |E|. An |E| below 1
counts as 1.

The cost is two evaluations of E for each entry, so a whole check of N parameters costs O(N) forward passes, where
backpropagation costs about as much as two. That is why nobody trains with finite differences, and why `samples` exists.

At a kink (ReLU at 0, a tie in a max pool) no derivative exists and the central difference lies between the two
one-sided ones. Where the one-sided differences lie apart, by enough to explain any error, they are taken again with a
step a hundred times smaller. If they now agree, the kink was only near, and the entry is judged by the smaller step.
If they still disagree, the point stands on the kink: the entry is counted as a kink and as neither right nor wrong.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from samoyed.errors import UsageError

ROUNDING = 2.0**-52
SUSPICIOUS = 1e-6  # rounding alone stays about here: a larger error is looked at for a kink
BENT = 1e-3  # so is a gap between the one-sided differences that a smooth function hardly has over such a step


@dataclass(frozen=True)
class GradientCheck:
    """What a check found, by the names of the parameters.

    `errors` is the largest relative error among the entries that are no kinks (0 if there is none), `entries` how
    many were checked, `kinks` how many of those stand on a kink. `evaluations` counts the calls of the function.
    """

    errors: dict[str, float]
    entries: dict[str, int]
    kinks: dict[str, int]
    evaluations: int

    @property
    def worst(self) -> tuple[str, float]:
        """The parameter with the largest relative error, and that error."""
        name = max(self.errors, key=lambda key: self.errors[key])
        return name, self.errors[name]

    @property
    def unverified(self) -> tuple[str, ...]:
        """The parameters whose every checked entry stands on a kink: nothing is known about their gradient."""
        return tuple(name for name, count in self.entries.items() if count and count == self.kinks[name])

    def ok(self, tolerance: float = 1e-5) -> bool:
        """Whether no relative error exceeds `tolerance` and something was verified of every parameter."""
        return not self.unverified and self.worst[1] <= tolerance


def check_gradients(
    function: Callable[[], Tensor],
    parameters: Mapping[str, Tensor],
    *,
    step: float = 1e-6,
    samples: int | None = None,
    seed: int = 0,
) -> GradientCheck:
    """Holds autograd's gradient of `function()` by each of `parameters` against central finite differences.

    `function` takes nothing, returns a scalar, reads the parameters (float64 leaves that require a gradient) and must
    return the same value each time. `samples` checks so many entries of each parameter, drawn by `seed`, instead of
    all. Parameters are changed in place and restored exactly. Raises UsageError for anything that makes the
    comparison meaningless.

    >>> w = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    >>> found = check_gradients(lambda: w.pow(3).sum(), {"w": w})
    >>> found.ok(), found.entries, found.evaluations
    (True, {'w': 3}, 8)
    """
    centre, gradients = _differentiate(function, parameters)
    probe = _Probe(function, centre)
    if samples is not None and samples < 1:
        raise UsageError(f"samples is {samples}", remedy="give a number of at least 1, or None to check every entry")
    generator = torch.Generator().manual_seed(seed)
    errors: dict[str, float] = {}
    entries: dict[str, int] = {}
    kinks: dict[str, int] = {}
    for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
        chosen = torch.arange(parameter.numel())
        if samples is not None:
            chosen = torch.randperm(parameter.numel(), generator=generator)[:samples]
        found = []
        for flat in chosen:
            place = tuple(int(i) for i in torch.unravel_index(flat, parameter.shape))
            found.append(probe.error(parameter.detach()[place], float(gradient[place]), step))
        smooth = [error for error in found if error is not None]
        errors[name], entries[name], kinks[name] = max(smooth, default=0.0), len(found), len(found) - len(smooth)
    return GradientCheck(errors, entries, kinks, probe.evaluations + 2)


def _differentiate(function: Callable[[], Tensor], parameters: Mapping[str, Tensor]) -> tuple[float, list[Tensor]]:
    """The function's value and autograd's gradients, once it is sure that differences can be compared with them."""
    if not parameters:
        raise UsageError("no parameters were given to check")
    for name, parameter in parameters.items():
        if parameter.dtype != torch.float64:
            raise UsageError(
                f"parameter {name} is {parameter.dtype}", remedy="use model.double(): differences need float64"
            )
        if not (parameter.is_leaf and parameter.requires_grad):
            raise UsageError(f"parameter {name} is no leaf that requires a gradient")
    value, again = function(), function()
    if value.numel() != 1 or value.dtype != torch.float64:
        raise UsageError(
            f"the function returned {tuple(value.shape)} {value.dtype}", remedy="return one float64 number"
        )
    if not torch.isfinite(value):
        raise UsageError(f"the function returned {value.item()}")
    if value.item() != again.item():
        raise UsageError(
            "the function returned two values for the same parameters", remedy="call model.eval(), or fix the seed"
        )
    if not value.requires_grad:
        raise UsageError("the function's value does not depend on any parameter through autograd")
    found = torch.autograd.grad(value.reshape(()), list(parameters.values()), allow_unused=True)
    zeros = (torch.zeros_like(parameter) for parameter in parameters.values())
    return value.item(), [zero if gradient is None else gradient for gradient, zero in zip(found, zeros, strict=True)]


class _Probe:
    """Evaluates the function around a point and judges one entry at a time."""

    def __init__(self, function: Callable[[], Tensor], centre: float) -> None:
        self.function, self.centre, self.evaluations = function, centre, 0
        self.rounding = ROUNDING * max(abs(centre), 1.0)

    def error(self, entry: Tensor, gradient: float, step: float) -> float | None:
        """The relative error of `gradient` at `entry`, a view of one number of a parameter; None on a kink."""
        below, above = self.one_sided(entry, step)
        error, scale = self.relative(gradient, below, above, step)
        gap, off = abs(above - below), abs(gradient - (above + below) / 2)
        bends = gap > BENT * scale or error > SUSPICIOUS
        # A kink within the step can put the central difference off by no more than the gap between the two sides.
        if not bends or not off <= gap:
            return error
        small = step / 100
        near_below, near_above = self.one_sided(entry, small)
        near_gap = abs(near_above - near_below)
        if near_gap > 0.1 * gap and near_gap > 20 * self.rounding / small:
            return None
        return self.relative(gradient, near_below, near_above, small)[0]

    def one_sided(self, entry: Tensor, step: float) -> tuple[float, float]:
        """The differences from below and from above; the entry is restored, whatever happens."""
        original = entry.item()
        values = []
        try:
            for moved in (original - step, original + step):
                entry.fill_(moved)
                # What was added is not exactly `step`: the sum is rounded to the entry's own precision.
                values.append((self.function().item() - self.centre) / (entry.item() - original))
                self.evaluations += 1
        finally:
            entry.fill_(original)
        return values[0], values[1]

    def relative(self, gradient: float, below: float, above: float, step: float) -> tuple[float, float]:
        """|a - n| / max(|a|, |n|, floor), infinite where either is not a number, and that divisor."""
        numeric = (below + above) / 2
        scale = max(abs(gradient), abs(numeric), 1e6 * self.rounding / step)
        error = abs(gradient - numeric) / scale
        return (error, scale) if math.isfinite(error) else (math.inf, scale)
