"""What both operators need: pieces of time, calls of the C functions, and products of a piece.

Legend: B batch, I input, H hidden, G gates per unit, N rows (valid steps of all sequences), T steps.
"""

import ctypes
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from samoyed.layers.recurrence.library import Call, library

PIECE = 1024  # rows
SMALL = 2**19  # multiplications that are not worth a second thread
LARGE = 2**22  # bytes from which an array asks for large pages
KINDS = ("rnn_tanh", "rnn_relu", "lstm", "lstm_no_forget", "lstm_coupled", "gru_after", "gru_before")


def loaded() -> ctypes.CDLL:
    """The kernels. Raises RuntimeError where there are none."""
    found = library()
    if found is None:
        raise RuntimeError("the recurrent kernels are not built on this machine; use engine='reference'")
    return found


def room(like: Tensor, rows: int, width: int) -> Tensor:
    """An uninitialised array [rows, width]."""
    room = like.new_empty(rows, width)
    if room.nbytes >= LARGE:
        loaded().samoyed_large_pages(room.data_ptr(), room.nbytes)
    return room


def in_pieces(first: list[int], backward: bool) -> Iterator[tuple[int, int]]:
    """(begin, end) of successive pieces of time, in the order in which they are taken."""
    bounds = [0]
    while bounds[-1] < len(first) - 1:
        begin = bounds[-1]
        bounds.append(max(bisect_right(first, first[begin] + PIECE) - 1, begin + 1))
    pieces = list(pairwise(bounds))
    return reversed(pieces) if backward else iter(pieces)


def prepared(cell: str, weight_hh: Tensor, first: Tensor, reverse: bool, backward: bool) -> tuple[Call, Tensor]:
    """A call with what is the same for all pieces, and the packed matrix that it points to."""
    kernels, kind, hidden = loaded(), KINDS.index(cell), weight_hh.shape[1]
    packed = weight_hh.new_empty(kernels.samoyed_packed_size(kind, hidden))
    work = int(first[-1]) * weight_hh.numel()
    threads = 1 if work < SMALL else min(torch.get_num_threads(), int(first[1]))
    weight_hh = weight_hh.contiguous()
    kernels.samoyed_pack(kind, hidden, backward, threads, weight_hh.data_ptr(), packed.data_ptr())
    call = Call(cell=kind, hidden=hidden, steps=len(first) - 1, reverse=reverse, threads=threads)
    call.first, call.packed = first.data_ptr(), packed.data_ptr()
    return call, packed


def biases(cell: str, hidden: int, ih: Tensor | None, hh: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """(what is added to W x, what is added to the candidate's product with h alone)."""
    if ih is None or hh is None:
        return None, None
    if cell != "gru_after":
        return ih + hh, None
    both = ih.clone()
    both[: 2 * hidden] += hh[: 2 * hidden]
    return both, hh[2 * hidden :].contiguous()


def pointer(tensor: Tensor | None) -> int | None:
    """Where its numbers begin."""
    return None if tensor is None else tensor.data_ptr()


def add(total: Tensor, left: Tensor, right: Tensor, fresh: bool) -> None:
    """total (+)= left^T right; a fresh total holds nothing yet."""
    torch.addmm(total, left.t(), right, beta=0 if fresh else 1, out=total)


def candidate_first(weight: Tensor, hidden: int) -> Tensor:
    """The rows of a GRU's candidate before those of its gates."""
    return torch.cat([weight[2 * hidden :], weight[: 2 * hidden]])


def with_previous(call: Call, places: list[int], d: Tensor, y: Tensor, h0: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows of `d`, the gradients of the call's piece, with the h that each of them multiplied the recurrent matrix by."""
    begin, end, steps, batch = call.begin, call.end, call.steps, h0.shape[0]
    start, stop = places[begin], places[end]
    if places[-1] != steps * batch:
        previous = room(y, stop - start, y.shape[1])
        loaded().samoyed_previous(ctypes.byref(call), previous.data_ptr())
        yield d, previous
    elif call.reverse:
        inside = stop - start - (batch if end == steps else 0)
        if inside < len(d):
            yield d[inside:], h0
        if inside:
            yield d[:inside], y[start + batch : start + batch + inside]
    else:
        outside = batch if begin == 0 else 0
        if outside:
            yield d[:outside], h0
        if outside < len(d):
            yield d[outside:], y[start + outside - batch : stop - batch]
