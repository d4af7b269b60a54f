"""Which phone each frame belongs to, which phones a path makes, and the 39 classes of TIMIT.

Legend: B recordings, T frames, P phones.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from samoyed.features.filterbank import SHIFT
from samoyed.objectives import Mean

Interval = tuple[float, float, str]
NOTHING = ""  # the class of frames that have no label

_FOLDED = {  # Lee & Hon 1989, table I, as the field has used it since
    "ux": "uw", "axr": "er", "ax-h": "ah", "ax": "ah", "ix": "ih", "ao": "aa", "hv": "hh", "el": "l", "em": "m", "en": "n",
    "nx": "n", "eng": "ng", "zh": "sh", "pcl": "sil", "tcl": "sil", "kcl": "sil", "bcl": "sil", "dcl": "sil", "gcl": "sil",
    "h#": "sil", "pau": "sil", "epi": "sil", "q": NOTHING,
}  # fmt: skip
_FIRST = 0x4E00  # phones as characters, so that jiwer counts them


class Labelled(NamedTuple):
    """frames float16 [B, T, M]; lengths int64 [B]; labels int32 [B, T], -1 where a phone is not known or the recording is over;
    phones int32 [B, L], the sequence, -1 where one is not known; phone_lengths int32 [B]."""

    frames: Tensor
    lengths: Tensor
    labels: Tensor
    phones: Tensor
    phone_lengths: Tensor


class Stretch(NamedTuple):
    """Frames `begin` to `end` of one phone."""

    phone: int
    begin: int
    end: int


def folded(intervals: Sequence[Interval]) -> tuple[Interval, ...]:
    """The 61 labels of TIMIT as 39: closures, pauses and the ends are silence, glottal stops nothing.

    >>> folded([(0.0, 0.1, "h#"), (0.1, 0.2, "ix"), (0.2, 0.3, "q")])
    ((0.0, 0.1, 'sil'), (0.1, 0.2, 'ih'))
    """
    named = ((begin, end, _FOLDED.get(label, label)) for begin, end, label in intervals)
    return tuple(interval for interval in named if interval[2] != NOTHING)


def at_frames(intervals: Sequence[Interval], count: int) -> list[str]:
    """The label at the middle of each of so many frames.

    >>> at_frames([(0.0, 0.02, "a"), (0.03, 0.05, "b")], 5)
    ['a', 'a', '', 'b', 'b']
    """
    if not intervals:
        return [NOTHING] * count
    begins, ends = (np.array([interval[i] for interval in intervals]) for i in (0, 1))
    times = (np.arange(count) + 0.5) * SHIFT
    places = np.searchsorted(begins, times, "right") - 1
    inside = (places >= 0) & (times < ends[places])
    return [intervals[i][2] if there else NOTHING for i, there in zip(places.tolist(), inside.tolist(), strict=True)]


def transitions(labels: Sequence[Sequence[int]], phones: int) -> tuple[list[int], list[list[int]]]:
    """How often each phone begins a recording, and how often the row's phone is followed by the column's from frame to frame."""
    first, between = np.zeros(phones, np.int64), np.zeros((phones, phones), np.int64)
    for row in labels:
        first[row[0]] += 1
        np.add.at(between, (np.asarray(row[:-1], np.int64), np.asarray(row[1:], np.int64)), 1)
    return first.tolist(), between.tolist()


def log_shares(counts: Tensor) -> Tensor:
    """Counts [..., P] as log-probabilities, one added to each (Laplace)."""
    return ((counts + 1) / (counts.sum(-1, keepdim=True) + counts.shape[-1])).log()


def stretches(path: Tensor) -> list[Stretch]:
    """The phones of a path int64 [T], neighbours that are equal being one."""
    found, begin = [], 0
    for phone, group in groupby(path.tolist()):
        end = begin + len(list(group))
        found.append(Stretch(phone, begin, end))
        begin = end
    return found


def phone_errors(references: list[list[int]], said: list[list[int]]) -> Mean:
    """Phones that were substituted, deleted or inserted, of those there are, by jiwer."""
    import jiwer

    errors, counts = [], []
    for right, found in zip(references, said, strict=True):
        if not right:
            errors.append(len(found))
        else:
            one: Any = jiwer.process_characters(_text(right), _text(found))
            errors.append(sum(getattr(one, kind) for kind in ("substitutions", "deletions", "insertions")))
        counts.append(len(right))
    return Mean(torch.tensor(errors, dtype=torch.float64), torch.tensor(counts, dtype=torch.float64))


def _text(phones: list[int]) -> str:
    return "".join(chr(_FIRST + phone) for phone in phones)
