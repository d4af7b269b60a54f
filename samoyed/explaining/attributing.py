"""Which parts of what a network was given its answer rests on: words through their embeddings, moments of a series.

Works on any model: of words it looks only at what the model's nn.Embedding layers give. Legend: T time or words, F columns.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from samoyed.explaining.seeing import integrated_gradients


class Shares(NamedTuple):
    """What each part adds to an answer, [T], and by which share of the whole their sum misses answer(x) - answer(baseline)."""

    parts: Tensor
    off: float


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
def _embeddings(model: nn.Module, instead: list[Tensor] | None) -> Iterator[list[Tensor]]:
    """Inside, each call of an nn.Embedding gives the next of `instead`; or, where there are none, is kept in the list."""
    kept: list[Tensor] = []

    def look(module: nn.Module, given: Any, made: Tensor) -> Tensor:
        if instead is None:
            kept.append(made.detach().clone())
            return made
        kept.append(instead[len(kept)])
        return kept[-1]

    hooks = [module.register_forward_hook(look) for module in model.modules() if isinstance(module, nn.Embedding)]
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()
