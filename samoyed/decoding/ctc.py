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
    kept = _nothing_yet(log_probs, width)
    told = None if language is None else language.begin(batch * width)
    added_by = log_probs.new_zeros((batch, width))  # what the language model adds to each prefix
    for frame in range(time):
        stay_blank, stay_symbol, grow = _followed(kept, log_probs[:, frame], lexicon)
        stay, ranked = torch.logaddexp(stay_blank, stay_symbol) + added_by, grow
        if told is not None:
            ranked = grow + (added_by[..., None] + told.scores.view(batch, width, symbols)).to(grow)
        _, flat = torch.cat([stay, ranked.flatten(1)], 1).topk(width, dim=1)
        stays = flat < width
        parent = torch.where(stays, flat, (flat - width) // symbols)
        added = torch.where(stays, BLANK, (flat - width) % symbols)
        grown_to = grow.flatten(1).gather(1, (flat - width).clamp(min=0))
        goes = (frame < lengths)[:, None]
        if language is not None and told is not None:
            told, added_by = _told(language, told, added_by, parent, added, goes)
        new = _chosen(kept, parent, added, lexicon)._replace(
            blank=torch.where(stays, stay_blank.gather(1, parent), _NOTHING),
            symbol=torch.where(stays, stay_symbol.gather(1, parent), grown_to),
        )
        kept = _Prefixes(
            *(torch.where(goes[..., None] if n.dim() == 3 else goes, n, o) for n, o in zip(new, kept, strict=True))
        )
    total = torch.logaddexp(kept.blank, kept.symbol) + added_by
    if told is not None:
        total = total + told.end.view(batch, width).to(total)
    if lexicon is not None:
        total = total.masked_fill(~lexicon.ends[kept.node.clamp(min=0)] | (kept.node < 0), _NOTHING)
    return _best(kept, total, n_best)


class _Prefixes(NamedTuple):
    """The K prefixes that are kept of each sequence.

    symbols int64 [B, K, T], blank from their size int64 [B, K] on; code int64 [B, K], one number for the whole prefix, by which
    equal ones are recognised; node int64 [B, K] of the lexicon; blank and symbol [B, K], the log-probabilities of the paths so far
    that end in the blank and in the last symbol.
    """

    symbols: Tensor
    size: Tensor
    code: Tensor
    node: Tensor
    blank: Tensor
    symbol: Tensor

    @property
    def last(self) -> Tensor:
        """The last symbol of each, int64 [B, K]: of the empty one the blank."""
        return torch.where(
            self.size > 0, self.symbols.gather(2, (self.size - 1).clamp(min=0)[..., None])[..., 0], BLANK
        )


def _nothing_yet(log_probs: Tensor, width: int) -> _Prefixes:
    """The empty prefix of each sequence, and places without any."""
    batch, time, _ = log_probs.shape
    zeros = torch.zeros((batch, width), dtype=torch.int64, device=log_probs.device)
    nothing = log_probs.new_full((batch, width), _NOTHING)
    blank = nothing.clone()
    blank[:, 0] = 0.0
    return _Prefixes(zeros[..., None].expand(-1, -1, time), zeros, zeros, zeros, blank, nothing)


def _followed(kept: _Prefixes, y: Tensor, lexicon: Lexicon | None) -> tuple[Tensor, Tensor, Tensor]:
    """The prefixes after a frame of log-probabilities y [B, V]: as they are, by paths that end in the blank and in the last symbol,
    both [B, K], and grown by one symbol, [B, K, V]."""
    width, last, filled = kept.size.shape[1], kept.last, kept.size > 0
    both = torch.logaddexp(kept.blank, kept.symbol)
    stay_blank = both + y[:, None, BLANK]
    stay_symbol = torch.where(filled, kept.symbol + y.gather(1, last), _NOTHING)
    repeats = (torch.arange(y.shape[1], device=y.device) == last[..., None]) & filled[..., None]
    grow = torch.where(repeats, kept.blank[..., None], both[..., None]) + y[:, None]
    grow[..., BLANK] = _NOTHING
    if lexicon is not None:
        grow = grow.masked_fill(lexicon.following[kept.node] < 0, _NOTHING)
    # a prefix that is kept may also be reached by growing another that is kept: their sums are one
    reached = _grown(kept.code[:, :, None], last[:, None, :])
    same = (reached == kept.code[:, None, :]) & (kept.size[:, None, :] == kept.size[:, :, None] + 1)  # [B, from, to]
    same &= (both > _NOTHING)[:, None, :]  # an empty place is no prefix
    towards = last[:, None, :].expand(-1, width, -1)
    inflow = torch.where(same, grow.gather(2, towards), _NOTHING)
    stay_symbol = torch.logaddexp(stay_symbol, inflow.logsumexp(1))
    taken = torch.zeros_like(grow, dtype=torch.bool)
    taken.scatter_reduce_(2, towards, same, "amax", include_self=True)
    return stay_blank, stay_symbol, grow.masked_fill(taken, _NOTHING)


def _chosen(kept: _Prefixes, parent: Tensor, added: Tensor, lexicon: Lexicon | None) -> _Prefixes:
    """The prefixes at the places `parent` [B, K], each with the symbol `added` [B, K], where that is not the blank."""
    grows = added != BLANK
    size, code, node = (part.gather(1, parent) for part in (kept.size, kept.code, kept.node))
    symbols = kept.symbols[torch.arange(len(parent), device=parent.device)[:, None], parent]
    new_size = size + grows
    place = (new_size - 1).clamp(min=0)[..., None]
    symbols = symbols.scatter(2, place, torch.where(grows[..., None], added[..., None], symbols.gather(2, place)))
    new_node = node if lexicon is None else torch.where(grows, lexicon.following[node, added], node)
    return kept._replace(
        symbols=symbols, size=new_size, code=torch.where(grows, _grown(code, added), code), node=new_node
    )


def _best(kept: _Prefixes, total: Tensor, n_best: int) -> Labellings:
    """The `n_best` prefixes of the highest total [B, K]."""
    total, best = total.topk(n_best, dim=1)
    size = torch.where(total == _NOTHING, 0, kept.size.gather(1, best))
    symbols = kept.symbols.gather(1, best[..., None].expand(-1, -1, kept.symbols.shape[2]))[
        ..., : max(1, int(size.max()))
    ]
    symbols = symbols.masked_fill(torch.arange(symbols.shape[2], device=symbols.device) >= size[..., None], BLANK)
    return Labellings(symbols, size, total)


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
