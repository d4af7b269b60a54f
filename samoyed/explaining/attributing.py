"""Which parts of what a network was given its answer rests on: words through their embeddings, moments of a series.

Works on any model: of words it looks only at what the model's nn.Embedding layers give. Legend: B copies, T time or words, F columns,
K answers.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from samoyed.explaining.seeing import integrated_gradients


class Shares(NamedTuple):
    """What each part adds to an answer, [T], and by which share of the whole their sum misses answer(x) - answer(baseline)."""

    parts: Tensor
    off: float


class Table(NamedTuple):
    """What each part adds to each of several answers, [K, T] or [K, *a part's own axes], and by which share of the whole their
    sums miss answers(x) - answers(baseline)."""

    parts: Tensor
    off: float


_AT_ONCE = 16, 2**20  # places on the way that are computed together at most, and numbers in all of them


def of_words(model: nn.Module, answer: Callable[[], Tensor], count: int, steps: int = 64) -> Shares | None:
    """Integrated gradients over the embeddings of `count` words, against embeddings of zeros (Sundararajan 2017, section 6.3).

    `answer` runs the model on one text and gives one number. None where the model has no embedding that looks its words up one by
    one, or the answer has no gradient by it.
    """
    with torch.no_grad(), _embeddings(model, None) as found:
        whole = float(answer())
    if not found or any(given.shape[:2] != (1, count) for given in found):
        return None
    total = torch.zeros(count, dtype=found[0].dtype, device=found[0].device)
    for step in range(steps):
        with torch.enable_grad():
            inside = [((step + 0.5) / steps * given).detach().requires_grad_() for given in found]
            with _embeddings(model, inside):
                said = answer()
            if not said.requires_grad:
                return None
            slopes = torch.autograd.grad(said, inside, allow_unused=True)
        for given, slope in zip(found, slopes, strict=True):
            if slope is not None:
                total += (given * slope).sum(-1)[0] / steps
    with torch.no_grad(), _embeddings(model, [torch.zeros_like(given) for given in found]):
        gap = whole - float(answer())
    return Shares(total.detach(), abs(float(total.sum()) - gap) / max(abs(gap), 1e-12))


def of_each(
    model: nn.Module, answers: Callable[[int], Tensor], count: int, steps: int = 64, only: Sequence[nn.Embedding] = ()
) -> Table | None:
    """As `of_words`, for several answers about one text: [K, T].

    `answers(B)` runs the model on B copies of the text and gives K numbers for each, [B, K]. Only the embeddings in `only` are looked
    at, if there are any. None as for `of_words`.
    """
    with torch.no_grad(), _embeddings(model, None, only) as found:
        answers(1)
    if not found or any(given.shape[:2] != (1, count) for given in found):
        return None

    def run(given: list[Tensor]) -> Tensor:
        with _embeddings(model, given, only):
            return answers(len(given[0]))

    made = _of_several(run, found, [torch.zeros_like(given) for given in found], steps)
    return None if made is None else Table(sum(made[0], torch.zeros(())).sum(-1), made[1])


def of_inputs(answers: Callable[[Tensor], Tensor], given: Tensor, baseline: Tensor, steps: int = 64) -> Table | None:
    """Integrated gradients of several answers by what is given: given and baseline [1, ...], answers [B, ...] -> [B, K]; [K, ...].

    None where the answers do not depend on it through a gradient.
    """
    made = _of_several(lambda several: answers(several[0]), [given.detach()], [baseline.detach()], steps)
    return None if made is None else Table(made[0][0], made[1])


def _of_several(
    answers: Callable[[list[Tensor]], Tensor], given: list[Tensor], baseline: list[Tensor], steps: int
) -> tuple[list[Tensor], float] | None:
    """Of each given thing [1, ...] its shares [K, ...] in each answer, and the share that they miss together."""
    with torch.no_grad():
        gaps = answers(given)[0] - answers(baseline)[0]
    totals = [torch.zeros(len(gaps), *part.shape[1:], dtype=part.dtype, device=part.device) for part in given]
    most = max(1, min(_AT_ONCE[0], _AT_ONCE[1] // sum(part.numel() for part in given)))
    for places in torch.split((torch.arange(steps, device=gaps.device) + 0.5) / steps, most):
        with torch.enable_grad():
            inside = []
            for part, base in zip(given, baseline, strict=True):
                along = places.to(part).view(-1, *[1] * (part.dim() - 1))
                inside.append((base + along * (part - base)).detach().requires_grad_())
            said = answers(inside)
        if not said.requires_grad:
            return None
        for k in range(said.shape[1]):
            slopes = torch.autograd.grad(said[:, k].sum(), inside, retain_graph=True, allow_unused=True)
            for total, part, base, slope in zip(totals, given, baseline, slopes, strict=True):
                if slope is not None:
                    total[k] += ((part - base) * slope.sum(0, keepdim=True))[0] / steps
    sums = sum((total.flatten(1).sum(1) for total in totals), torch.zeros_like(gaps))
    return totals, float((sums - gaps).abs().sum() / gaps.abs().sum().clamp(min=1e-12))


def of_moments(answer: Callable[[Tensor], Tensor], past: Tensor, baseline: Tensor, steps: int = 64) -> Shares | None:
    """Integrated gradients of the moments of one series: past and baseline [1, T, F] -> [T], summed over columns.

    None where the answer does not depend on the past through a gradient.
    """
    with torch.enable_grad():
        if not answer(past.detach().clone().requires_grad_()).requires_grad:
            return None
    shares = integrated_gradients(answer, past, baseline, steps)
    with torch.no_grad():
        gap = float(answer(past)) - float(answer(baseline))
    return Shares(shares.sum(2)[0].detach(), abs(float(shares.sum()) - gap) / max(abs(gap), 1e-12))


def hiding(answer: Callable[[Tensor], Tensor], past: Tensor, baseline: Tensor, width: int) -> Tensor:
    """How far the answer falls where `width` moments in a row are as in the baseline: [1, T, F] both -> [T] (Zeiler 2014).

    A moment has the mean over the runs that hide it.
    """
    length = past.shape[1]
    starts = torch.arange(max(1, length - width + 1), device=past.device)[:, None]
    at = torch.arange(length, device=past.device)[None]
    hidden = (at >= starts) & (at < starts + width)  # [runs, T]
    with torch.no_grad():
        falls = answer(past) - torch.cat(
            [answer(torch.where(some[:, :, None], baseline, past)) for some in torch.split(hidden, 256)]
        )
    return (falls[:, None] * hidden).sum(0) / hidden.sum(0)


@contextmanager
def _embeddings(
    model: nn.Module, instead: list[Tensor] | None, only: Sequence[nn.Embedding] = ()
) -> Iterator[list[Tensor]]:
    """Inside, each call of an nn.Embedding, or of those in `only`, gives the next of `instead`; or, where there are none, is kept in the list."""
    kept: list[Tensor] = []

    def look(module: nn.Module, given: Any, made: Tensor) -> Tensor:
        if instead is None:
            kept.append(made.detach().clone())
            return made
        kept.append(instead[len(kept)])
        return kept[-1]

    watched = only or [module for module in model.modules() if isinstance(module, nn.Embedding)]
    hooks = [module.register_forward_hook(look) for module in watched]
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()
