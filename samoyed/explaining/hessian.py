"""The Hessian of a network's loss without ever writing it down: products with vectors, and Lanczos' method on them.

H v is the gradient of (gradient . v) (Pearlmutter 1994), or where an operation has no second derivative the central difference of
gradients. Lanczos (1950): from a vector q_1, m products give an orthonormal basis Q with Q^T H Q tridiagonal, whose eigenvalues
theta_i find the ends of H's spectrum first; all vectors are kept and made orthogonal again, since rounding would lose it. For random
q_1 the first components of its eigenvectors s_i weigh the whole spectrum: the mean over q_1 of sum_i s_i1^2 f(theta_i) estimates
trace f(H) / N (Golub & Meurant 1994; Ghorbani, Krishnan & Xiao 2019), and so the share of eigenvalues below 0, the index (Dauphin et al. 2014).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

Product = Callable[[Tensor], Tensor]
Losses = Callable[[], Iterable[Tensor]]

NEGATIVE = 1e-3  # of the largest eigenvalue by size: what is nearer to 0 counts as flat


class Ritz(NamedTuple):
    """What one start of Lanczos found: values [m], increasing; weights [m], the squares of the first components; ends [m], how far
    each value can be from an eigenvalue at most; and the vectors of the smallest and the largest, [2, N]."""

    values: Tensor
    weights: Tensor
    ends: Tensor
    vectors: Tensor


class Spectrum(NamedTuple):
    """Of a Hessian with `size` rows: its smallest and largest eigenvalue with the bound of their error, the share of eigenvalues
    clearly below 0 with its standard error, and the values and weights of every start, for a picture."""

    size: int
    smallest: float
    largest: float
    error: float
    negative: float
    negative_error: float
    values: Tensor
    weights: Tensor


def products(losses: Losses, parameters: Sequence[nn.Parameter]) -> Product:
    """v [N] -> H v [N] of the sum of `losses()`, which is asked for anew for each product and may come in parts."""
    exact: list[bool] = []

    def product(vector: Tensor) -> Tensor:
        if not exact:
            exact.append(_has_second_derivatives(losses, parameters, vector))
        return (_exactly if exact[0] else _by_differences)(losses, parameters, vector)

    return product


def _has_second_derivatives(losses: Losses, parameters: Sequence[nn.Parameter], vector: Tensor) -> bool:
    """Whether the exact product can be trusted. An operation without a second derivative may raise, or count as constant without a
    word; differences, which see kinks too, are near the product only where nothing was left out."""
    try:
        found = _exactly(losses, parameters, vector)
    except (RuntimeError, NotImplementedError):
        return False
    rough = _by_differences(losses, parameters, vector)
    return float((found - rough).norm()) <= 0.5 * float(rough.norm()) + 1e-6 * float(vector.norm())


def _exactly(losses: Losses, parameters: Sequence[nn.Parameter], vector: Tensor) -> Tensor:
    parts = _as_parameters(vector, parameters)
    total = torch.zeros_like(vector)
    for loss in losses():
        gradients = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True)
        along = sum((g * v).sum() for g, v in zip(gradients, parts, strict=True) if g is not None)
        if isinstance(along, Tensor) and along.requires_grad:
            total += _flat(torch.autograd.grad(along, parameters, allow_unused=True), parameters)
    return total


def _by_differences(losses: Losses, parameters: Sequence[nn.Parameter], vector: Tensor) -> Tensor:
    held = [p.detach().clone() for p in parameters]
    size = math.sqrt(sum(float(p.double().square().sum()) for p in held))
    step = 1e-3 * (1 + size) / max(float(vector.norm()), 1e-30) / math.sqrt(len(vector)) * 10
    parts = _as_parameters(vector, parameters)
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            for p, before, part in zip(parameters, held, parts, strict=True):
                p.copy_(before + sign * step * part)
        ends.append(gradient(losses, parameters))
    with torch.no_grad():
        for p, before in zip(parameters, held, strict=True):
            p.copy_(before)
    return (ends[0] - ends[1]) / (2 * step)


def gradient(losses: Losses, parameters: Sequence[nn.Parameter]) -> Tensor:
    """The gradient [N] of the sum of `losses()`."""
    total = torch.zeros(sum(p.numel() for p in parameters), device=parameters[0].device, dtype=parameters[0].dtype)
    for loss in losses():
        total += _flat(torch.autograd.grad(loss, parameters, allow_unused=True), parameters)
    return total


def lanczos(product: Product, start: Tensor, steps: int, after: Callable[[], None] = lambda: None) -> Ritz:
    """start [N], at most `steps` products -> what they say of the eigenvalues. `after` is called after each product."""
    steps = min(steps, len(start))
    basis = torch.empty(steps, len(start), dtype=start.dtype, device=start.device)
    basis[0] = start / start.norm()
    diagonal, beside = torch.zeros(steps, dtype=torch.float64), torch.zeros(steps, dtype=torch.float64)
    made = steps
    for step in range(steps):
        new = product(basis[step])
        after()
        diagonal[step] = float(new.double() @ basis[step].double())
        for _ in range(2):  # twice is enough (Parlett 1980)
            new = new - basis[: step + 1].T @ (basis[: step + 1] @ new)
        beside[step] = float(new.double().norm())
        if step + 1 == steps:
            break
        if (
            float(beside[step]) <= 1e-6 * float(diagonal[: step + 1].abs().max()) + 1e-30
        ):  # all of the space that start reaches
            made = step + 1
            break
        basis[step + 1] = new / new.norm()
    inner = torch.diag(diagonal[:made]) + torch.diag(beside[: made - 1], 1) + torch.diag(beside[: made - 1], -1)
    values, vectors = torch.linalg.eigh(inner)
    ends = beside[made - 1] * vectors[-1].abs()
    outer = vectors[:, [0, -1]].T.to(basis) @ basis[:made]
    return Ritz(values, vectors[0].square(), ends, outer)


def spectrum(
    product: Product, like: Tensor, steps: int, starts: int, seed: int = 0, after: Callable[[], None] = lambda: None
) -> Spectrum:
    """Of the Hessian behind `product`, for vectors like `like` [N]: `starts` random starts with `steps` products each."""
    draw = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(starts):
        start = torch.randn(len(like), generator=draw).to(like)
        found.append(lanczos(product, start, steps, after))
    low = min(found, key=lambda r: float(r.values[0]))
    high = max(found, key=lambda r: float(r.values[-1]))
    smallest, largest = float(low.values[0]), float(high.values[-1])
    bound = -NEGATIVE * max(abs(smallest), abs(largest))
    shares = torch.stack([r.weights[r.values < bound].sum() for r in found])
    error = float(shares.std() / math.sqrt(starts)) if starts > 1 else math.nan
    return Spectrum(
        len(like), smallest, largest, max(float(low.ends[0]), float(high.ends[-1])), float(shares.mean()), error,
        torch.cat([r.values for r in found]), torch.cat([r.weights for r in found]) / starts,
    )  # fmt: skip


def dense(product: Product, like: Tensor, after: Callable[[], None] = lambda: None) -> Spectrum:
    """The same from every eigenvalue, by one product per row: for small networks, exact."""
    rows = []
    for number in range(len(like)):
        one = torch.zeros_like(like)
        one[number] = 1
        rows.append(product(one).double())
        after()
    matrix = torch.stack(rows)
    values = torch.linalg.eigvalsh((matrix + matrix.T) / 2).cpu()
    bound = -NEGATIVE * float(values.abs().max())
    share = float((values < bound).double().mean())
    weights = torch.full_like(values, 1 / len(values))
    return Spectrum(len(like), float(values[0]), float(values[-1]), 0.0, share, 0.0, values, weights)


def _flat(parts: Sequence[Tensor | None], parameters: Sequence[nn.Parameter]) -> Tensor:
    """Tensors shaped as the parameters, None for zeros -> one vector."""
    pairs = zip(parts, parameters, strict=True)
    return torch.cat([(torch.zeros_like(p) if part is None else part).detach().flatten() for part, p in pairs])


def _as_parameters(vector: Tensor, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    parts = torch.split(vector, [p.numel() for p in parameters])
    return [part.view_as(p) for part, p in zip(parts, parameters, strict=True)]
