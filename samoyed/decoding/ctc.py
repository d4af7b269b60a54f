"""Reading what a network trained by connectionist temporal classification says (Graves 2006): greedily, and by prefixes.

A path names a symbol or the blank (index 0) for each frame; the labelling it stands for is what remains when repeats are
merged and blanks removed. The probability of a labelling is the sum over its paths.

Legend: B sequences, T frames, V symbols with the blank, K prefixes kept, L symbols of a labelling.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from samoyed.decoding.language import Following, LanguageModel

BLANK = 0
_NOTHING = -torch.inf


class Labellings(NamedTuple):
    """The N best labellings of each sequence, the best first.

    symbols int64 [B, N, L], padded with the blank; lengths int64 [B, N]; log_probs [B, N], -inf where there are fewer than N.
    """

    symbols: Tensor
    lengths: Tensor
    log_probs: Tensor


class Lexicon(NamedTuple):
    """The labellings that are allowed, as a trie: `following` int64 [nodes, V], the node after each symbol or -1; `ends` bool
    [nodes], whether a labelling may end there. Node 0 is the beginning."""

    following: Tensor
    ends: Tensor

    @classmethod
    def of(cls, words: list[list[int]], symbols: int, between: int | None = None) -> "Lexicon":
        """The trie of `words`, lists of symbols below `symbols`; with `between`, any number of words parted by that symbol."""
        table: list[dict[int, int]] = [{}]
        ends: set[int] = set()
        for word in words:
            node = 0
            for symbol in word:
                if symbol not in table[node]:
                    table[node][symbol] = len(table)
                    table.append({})
                node = table[node][symbol]
            ends.add(node)
        following = torch.full((len(table), symbols), -1, dtype=torch.int64)
        for node, after in enumerate(table):
            for symbol, target in after.items():
                following[node, symbol] = target
        may_end = torch.zeros(len(table), dtype=torch.bool)
        may_end[list(ends)] = True
        if between is not None:
            following[may_end, between] = 0
        return cls(following, may_end)


def greedy(log_probs: Tensor, lengths: Tensor) -> Labellings:
    """log_probs [B, T, V], lengths int64 [B] -> the labelling of the likeliest path, with that path's log-probability."""
    best, path = log_probs.max(-1)
    frames = torch.arange(path.shape[1], device=path.device)
    real = frames < lengths[:, None]
    before = torch.nn.functional.pad(path, (1, 0), value=BLANK)[:, :-1]
    keep = real & (path != BLANK) & (path != before)
    places = torch.where(keep, keep.cumsum(1) - 1, path.shape[1])
    symbols = torch.full((len(path), path.shape[1] + 1), BLANK, dtype=path.dtype, device=path.device)
    symbols.scatter_(1, places, path)  # what is not kept falls into the last column, which is cut off
    counts = keep.sum(1)
    symbols = symbols[:, None, : max(1, int(counts.max()))].clone()
    symbols.masked_fill_(torch.arange(symbols.shape[2], device=path.device) >= counts[:, None, None], BLANK)
    return Labellings(symbols, counts[:, None], torch.where(real, best, 0.0).sum(1)[:, None])


def prefix_beam(
    log_probs: Tensor,
    lengths: Tensor,
    *,
    width: int = 10,
    n_best: int = 1,
    lexicon: Lexicon | None = None,
    language: LanguageModel | None = None,
) -> Labellings:
    """Prefix search (Graves 2006; Hannun 2014) in `width` prefixes, over all sequences and prefixes at once.

    log_probs [B, T, V], lengths int64 [B]. Kept per prefix are the log-probabilities of its paths so far that end in the blank
    and that end in its last symbol. With a `lexicon` only prefixes of allowed labellings are kept, and of these only whole
    ones are answers. Where nothing kept is ever dropped, log_probs are exact: the sums over all paths.

    With a `language` model prefixes are ranked, and kept, by these sums and what the model adds, and log_probs of the answers are
    both together, the end of the line included.

    Raises ValueError where 1 <= n_best <= width does not hold.
    """
    if not 1 <= n_best <= width:
        raise ValueError(f"width is {width} and n_best {n_best}; both are at least 1, and n_best is at most width")
    batch, time, symbols = log_probs.shape
    device = log_probs.device
    rows = torch.arange(batch, device=device)[:, None]
    prefixes = torch.full((batch, width, time), BLANK, dtype=torch.int64, device=device)
    size = torch.zeros((batch, width), dtype=torch.int64, device=device)
    code = size.clone()  # one number for the whole prefix, so that equal prefixes are recognised
    node = size.clone()
    blank = log_probs.new_full((batch, width), _NOTHING)
    blank[:, 0] = 0.0
    symbol = log_probs.new_full((batch, width), _NOTHING)
    every = torch.arange(symbols, device=device)
    told = None if language is None else language.begin(batch * width)
    added_by = log_probs.new_zeros((batch, width))  # what the language model adds to each prefix
    for frame in range(time):
        y = log_probs[:, frame]
        both = torch.logaddexp(blank, symbol)
        last = torch.where(size > 0, prefixes.gather(2, (size - 1).clamp(min=0)[..., None])[..., 0], BLANK)
        stay_blank = both + y[:, None, BLANK]
        stay_symbol = torch.where(size > 0, symbol + y.gather(1, last), _NOTHING)
        repeats = (every == last[..., None]) & (size > 0)[..., None]
        grow = torch.where(repeats, blank[..., None], both[..., None]) + y[:, None]  # [B, K, V]
        grow[..., BLANK] = _NOTHING
        if lexicon is not None:
            grow = grow.masked_fill(lexicon.following[node] < 0, _NOTHING)
        # a prefix that is kept may also be reached by growing another that is kept: their sums are one
        reached = _grown(code[:, :, None], last[:, None, :])
        same = (reached == code[:, None, :]) & (size[:, None, :] == size[:, :, None] + 1)  # [B, from, to]
        same &= (both > _NOTHING)[:, None, :]  # an empty place is no prefix
        inflow = torch.where(same, grow.gather(2, last[:, None, :].expand(-1, width, -1)), _NOTHING)
        stay_symbol = torch.logaddexp(stay_symbol, inflow.logsumexp(1))
        taken = torch.zeros_like(grow, dtype=torch.bool)
        taken.scatter_reduce_(2, last[:, None, :].expand(-1, width, -1), same, "amax", include_self=True)
        grow = grow.masked_fill(taken, _NOTHING)
        stay, ranked = torch.logaddexp(stay_blank, stay_symbol) + added_by, grow
        if told is not None:
            ranked = grow + (added_by[..., None] + told.scores.view(batch, width, symbols)).to(grow)
        _, flat = torch.cat([stay, ranked.flatten(1)], 1).topk(width, dim=1)
        stays = flat < width
        parent = torch.where(stays, flat, (flat - width) // symbols)
        added = torch.where(stays, BLANK, (flat - width) % symbols)
        goes = (frame < lengths)[:, None]
        new_size = size[rows, parent] + (~stays).long()
        new_prefixes = prefixes[rows, parent]
        place = (new_size - 1).clamp(min=0)[..., None]
        grown = torch.where(stays[..., None], new_prefixes.gather(2, place), added[..., None])
        new_prefixes = new_prefixes.scatter(2, place, grown)
        new_code = torch.where(stays, code[rows, parent], _grown(code[rows, parent], added))
        grown_to = grow.flatten(1).gather(1, (flat - width).clamp(min=0))
        new_blank = torch.where(stays, stay_blank[rows, parent], _NOTHING)
        new_symbol = torch.where(stays, stay_symbol[rows, parent], grown_to)
        if lexicon is not None:
            new_node = torch.where(stays, node[rows, parent], lexicon.following[node[rows, parent], added])
            node = torch.where(goes, new_node, node)
        if language is not None and told is not None:
            told, added_by = _told(language, told, added_by, parent, added, goes)
        prefixes = torch.where(goes[..., None], new_prefixes, prefixes)
        size, code = torch.where(goes, new_size, size), torch.where(goes, new_code, code)
        blank, symbol = torch.where(goes, new_blank, blank), torch.where(goes, new_symbol, symbol)
    total = torch.logaddexp(blank, symbol) + added_by
    if told is not None:
        total = total + told.end.view(batch, width).to(total)
    if lexicon is not None:
        total = total.masked_fill(~lexicon.ends[node.clamp(min=0)] | (node < 0), _NOTHING)
    total, best = total.topk(n_best, dim=1)
    size = torch.where(total == _NOTHING, 0, size[rows, best])
    prefixes = prefixes[rows, best][..., : max(1, int(size.max()))]
    prefixes = prefixes.masked_fill(torch.arange(prefixes.shape[2], device=device) >= size[..., None], BLANK)
    return Labellings(prefixes, size, total)


def _told(
    language: LanguageModel, told: Following, added_by: Tensor, parent: Tensor, added: Tensor, goes: Tensor
) -> tuple[Following, Tensor]:
    """What the language model says after this frame, and what it adds to each prefix so far: asked only of those that have grown.
    parent [B, K], added [B, K] 0 where nothing is, goes [B, 1] False where the sequence is over."""
    batch, width = parent.shape
    places = torch.arange(batch * width, device=parent.device).view(batch, width)
    source = torch.where(goes, parent + places[:, :1], places).flatten()
    grown = torch.where(goes, added, BLANK).flatten()
    gained = told.scores[source].gather(1, grown[:, None])[:, 0]
    total = added_by.flatten()[source] + torch.where(grown == BLANK, 0.0, gained).to(added_by)
    kept, rows = language.chosen(told, source), (grown != BLANK).nonzero()[:, 0]
    if len(rows):
        new = language.follow(language.chosen(told, source[rows]).state, grown[rows])
        kept = language.put(kept, rows, new)
    return kept, total.view(batch, width)


def _grown(code: Tensor, symbol: Tensor) -> Tensor:
    """The number of a prefix and one more symbol: 64 bits, mixed so that different prefixes have different ones."""
    mixed = (code + symbol + 1) * 0x5851F42D4C957F2D
    mixed = (mixed ^ (mixed >> 32)) * 0x2545F4914F6CDD1D
    return mixed ^ (mixed >> 29)
