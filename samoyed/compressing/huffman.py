"""Canonical Huffman codes (Huffman 1952) over bytes, written and read by whole columns of numbers at once.

Symbols are coded in blocks of `BLOCK`, each of which begins at a byte, so that all blocks are read side by side: a loop over the
places of a block, not over symbols. A stream is the bytes of each block's length, uint16, and then the blocks.
"""

import heapq
import itertools

import numpy as np
from numpy.typing import NDArray

BLOCK = 1024
LONGEST = 15  # bits of a code

Bytes = NDArray[np.uint8]


def code_lengths(counts: NDArray[np.int64]) -> Bytes:
    """How many bits the code of each symbol has, 0 for one that never occurs; at most `LONGEST`.

    >>> code_lengths(np.array([8, 4, 2, 0, 2])).tolist()
    [1, 2, 3, 0, 3]
    """
    lengths = np.zeros(len(counts), np.uint8)
    present = np.flatnonzero(counts)
    if len(present) == 1:
        lengths[present] = 1
        return lengths
    weights = counts.astype(np.int64)
    while len(present):
        number = itertools.count()  # breaks ties, so that the same counts always give the same code
        heap = [(int(weights[s]), next(number), [int(s)]) for s in present]
        heapq.heapify(heap)
        lengths[:] = 0
        while len(heap) > 1:
            (a, _, left), (b, _, right) = heapq.heappop(heap), heapq.heappop(heap)
            lengths[left + right] += 1
            heapq.heappush(heap, (a + b, next(number), left + right))
        if lengths.max() <= LONGEST:
            break
        weights = np.where(weights > 0, weights // 2 + 1, 0)  # flatter, until the longest code is short enough
    return lengths


def encode(symbols: Bytes) -> tuple[Bytes, bytes]:
    """symbols uint8 [N] -> (the code lengths by symbol, the stream)."""
    lengths = code_lengths(np.bincount(symbols, minlength=1))
    codes = _codes(lengths)
    sizes, blocks = [], []
    for begin in range(0, len(symbols), 1024 * BLOCK):  # as much as memory holds easily
        part = symbols[begin : begin + 1024 * BLOCK]
        rows = -(-len(part) // BLOCK)
        bits = np.zeros(rows * BLOCK, np.int64)
        bits[: len(part)] = lengths[part]
        ends = bits.reshape(rows, BLOCK).cumsum(1)
        size = -(-ends[:, -1] // 8)
        first = 8 * (size.cumsum() - size)
        places = (first[:, None] + ends - bits.reshape(rows, BLOCK)).reshape(-1)[: len(part)]
        made = np.zeros(8 * int(size.sum()), np.uint8)
        length, code = bits[: len(part)], codes[part]
        for bit in range(int(lengths.max(initial=0))):
            some = length > bit
            made[places[some] + bit] = (code[some] >> (length[some] - 1 - bit)) & 1
        sizes.append(size.astype("<u2"))
        blocks.append(np.packbits(made).tobytes())
    return lengths, b"".join([*(s.tobytes() for s in sizes), *blocks])


def decode(lengths: Bytes, count: int, stream: bytes) -> Bytes:
    """The inverse of `encode`: `count` symbols. Raises ValueError for a stream that no `encode` wrote."""
    if not count:
        return np.zeros(0, np.uint8)
    rows = -(-count // BLOCK)
    if count < 0 or len(stream) < 2 * rows or not len(lengths):
        raise ValueError("a coded stream is cut off")
    symbols, steps, longest = _table(lengths)
    ends = 8 * np.frombuffer(stream, "<u2", rows).astype(np.int64).cumsum()
    body = np.frombuffer(stream, np.uint8, offset=2 * rows)
    if ends[-1] != 8 * len(body):
        raise ValueError("a coded stream is cut off")
    padded = np.concatenate([body, np.zeros(4, np.uint8)]).astype(np.int64)
    places = np.concatenate([[0], ends[:-1]])
    found = np.empty((rows, BLOCK), np.uint8)
    rest = count - (rows - 1) * BLOCK
    for place in range(min(count, BLOCK)):
        if place == rest:  # the last block is shorter
            places, ends, last = places[:-1], ends[:-1], (places[-1], ends[-1])
            _at_end(np.array([last[0]]), np.array([last[1]]))
        byte = np.minimum(places >> 3, len(body))
        window = padded[byte] << 16 | padded[byte + 1] << 8 | padded[byte + 2]
        entry = (window >> (24 - longest - (places & 7))) & ((1 << longest) - 1)
        found[: len(places), place] = symbols[entry]
        places = places + steps[entry]
    _at_end(places, ends)
    return found.reshape(-1)[:count]


def _at_end(places: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
    if ((places > ends) | (places <= ends - 8)).any():
        raise ValueError("a coded stream is damaged")


def _codes(lengths: Bytes) -> NDArray[np.int64]:
    """The canonical code of each symbol: shorter before longer, then by symbol."""
    codes, code, before = np.zeros(len(lengths), np.int64), 0, 0
    for symbol in sorted(np.flatnonzero(lengths).tolist(), key=lambda s: (lengths[s], s)):
        code <<= int(lengths[symbol]) - before
        codes[symbol], before = code, int(lengths[symbol])
        code += 1
    return codes


def _table(lengths: Bytes) -> tuple[Bytes, NDArray[np.int64], int]:
    """The symbol and the length of the code with which each window of bits begins, and the bits of a window."""
    longest = int(lengths.max())
    if not 1 <= longest <= LONGEST:
        raise ValueError("a code has an impossible length")
    used: list[int] = np.flatnonzero(lengths).tolist()
    if sum(1 << (longest - int(lengths[s])) for s in used) > 1 << longest:
        raise ValueError("the codes overlap")
    symbols, steps = (
        np.zeros(1 << longest, np.uint8),
        np.full(1 << longest, 1 << 20, np.int64),
    )  # no code: beyond the end
    for symbol, code in zip(used, _codes(lengths)[used].tolist(), strict=True):
        length = int(lengths[symbol])
        span = slice(code << (longest - length), (code + 1) << (longest - length))
        symbols[span], steps[span] = symbol, length
    return symbols, steps, longest
