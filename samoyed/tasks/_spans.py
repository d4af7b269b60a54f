"""Spans of tokens from tags such as B-PER, I-PER, O, counted as conlleval does (Tjong Kim Sang & Buchholz 2000), and seqeval after it.

Legend: B batch, T time.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

_PREFIXES = ("O", "B", "I", "E", "S")
_O, _B, _I, _E, _S = range(5)


class Scheme(NamedTuple):
    """What each tag says: prefix int64 [K], of O, B, I, E and S; kind int64 [K], the number of what is spanned, 0 for O."""

    prefix: Tensor
    kind: Tensor


def scheme_of(tags: Sequence[str]) -> Scheme | None:
    """The scheme of tags that mark spans; None where one is neither O nor a prefix, a hyphen and a kind, as parts of speech are."""
    parts = [(tag, "", "") if tag == "O" else tag.partition("-") for tag in tags]
    if not any(sep for _, sep, _ in parts) or any(p not in _PREFIXES or not (sep or p == "O") for p, sep, _ in parts):
        return None
    kinds = {kind: i for i, kind in enumerate(sorted({kind for _, _, kind in parts} | {""}))}
    return Scheme(
        torch.tensor([_PREFIXES.index(p) for p, _, _ in parts]), torch.tensor([kinds[kind] for _, _, kind in parts])
    )


def spans(tags: Tensor, mask: Tensor, scheme: Scheme) -> tuple[Tensor, Tensor, Tensor]:
    """tags int64 [B, T], mask [B, T] -> where a span begins, bool [B, T]; the place of its last token; its kind.

    A span begins at B and S, at I and E after O, E or S or after another kind; it ends after E and S, before B, S and O, and
    before another kind.
    """
    prefix = torch.where(mask, scheme.prefix.to(tags.device)[tags], _O)
    kind = torch.where(mask, scheme.kind.to(tags.device)[tags], 0)
    before, kind_before = _shifted(prefix, 1), _shifted(kind, 1)
    after, kind_after = _shifted(prefix, -1), _shifted(kind, -1)
    inside = prefix != _O
    begins = inside & (_in(prefix, _B, _S) | _in(before, _O, _E, _S) | (kind != kind_before))
    ends = inside & (_in(prefix, _E, _S) | _in(after, _B, _S, _O) | (kind != kind_after))
    steps = torch.arange(tags.shape[1], device=tags.device).expand_as(tags)
    last = torch.where(ends, steps, tags.shape[1]).flip(1).cummin(1).values.flip(1)
    return begins, last, kind


def matches(said: Tensor, true: Tensor, mask: Tensor, scheme: Scheme) -> tuple[Tensor, Tensor]:
    """Twice the spans that are right, and the spans said plus those true, of each text: F1 is their ratio. Twice float [B]."""
    begins, last, kind = spans(said, mask, scheme)
    begins_true, last_true, kind_true = spans(true, mask, scheme)
    right = begins & begins_true & (last == last_true) & (kind == kind_true)
    return 2.0 * right.sum(1), (begins.sum(1) + begins_true.sum(1)).float()


def _in(prefix: Tensor, *those: int) -> Tensor:
    return torch.isin(prefix, torch.tensor(those, device=prefix.device))


def _shifted(values: Tensor, by: int) -> Tensor:
    """Each row moved by one step, 0 (O, no kind) coming in."""
    zero = torch.zeros_like(values[:, :1])
    return torch.cat([zero, values[:, :-1]], 1) if by > 0 else torch.cat([values[:, 1:], zero], 1)
