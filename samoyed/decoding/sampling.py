"""Drawing the next token: temperature, top-k, nucleus; greedy at temperature 0. Legend: B batch, T time, V vocabulary."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from samoyed.batching import generator


def distribution(
    logits: Tensor, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Tensor:
    """logits [..., V] -> probs [..., V] from which the next token is drawn.

    softmax(logits / temperature), restricted to the `top_k` likeliest tokens (Fan 2018) and to the smallest set whose
    probability reaches `top_p` (Holtzman 2020), and divided by what remains. Temperature 0 leaves the likeliest token alone.

    Raises ValueError for a negative temperature, top_k below 1, or top_p outside (0, 1].

    >>> distribution(torch.tensor([0.0, 1.0, 2.0]), top_k=1).tolist()
    [0.0, 0.0, 1.0]
    """
    if not temperature >= 0:
        raise ValueError(f"temperature is {temperature}; it is at least 0")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k is {top_k}; it is at least 1")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p is {top_p}; it is above 0 and at most 1")
    if temperature == 0:
        return torch.zeros_like(logits).scatter_(-1, logits.argmax(-1, keepdim=True), 1.0)
    probs = ((logits - logits.amax(-1, keepdim=True)) / max(temperature, 1e-6)).softmax(-1)
    if top_k is None and top_p is None:
        return probs
    ranked, places = probs.sort(dim=-1, descending=True, stable=True)
    keep = torch.ones_like(ranked, dtype=torch.bool)
    if top_k is not None:
        keep[..., top_k:] = False
    if top_p is not None:
        keep &= ranked.cumsum(-1) - ranked < top_p  # the token that crosses the threshold is kept
    kept = torch.zeros_like(probs).scatter_(-1, places, ranked * keep)
    return kept / kept.sum(-1, keepdim=True)


@torch.no_grad()
def continue_text(
    model: nn.Module,
    beginning: Tensor,
    length: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """beginning int64 [T] -> (`length` further tokens int64 [length], probs [V] of the first of them before restriction).

    The model is called as (tokens [1, T], state) -> (logits [1, T, V], state); its state is carried, so that each token costs
    one step.
    """
    written, following = continue_texts(model, [beginning], length, temperature, top_k, top_p, seed)
    return written[0], following[0]


@torch.no_grad()
def continue_texts(
    model: nn.Module,
    beginnings: Sequence[Tensor],
    length: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """B beginnings int64 [T_b] -> (tokens int64 [B, length], probs [B, V] of the first of them before restriction).

    Those of one length are read together, so that no padding enters a state, and all are written on together. Every text is drawn with the same
    noise, that of `seed`, so that it is written in company as it is alone: the token is argmax p / q with q exponential,
    which draws it with probability p (and is what torch.multinomial does for one draw).
    """
    if length < 0:
        raise ValueError(f"length is {length}; it is at least 0")
    logits, state = read(model, beginnings)
    drawn = list(islice(draw_tokens(model, logits, state, temperature, top_k, top_p, seed), length))
    return torch.cat(drawn, 1) if drawn else beginnings[0].new_empty(len(beginnings), 0), logits.softmax(-1)


@torch.no_grad()
def read(model: nn.Module, beginnings: Sequence[Tensor]) -> tuple[Tensor, Any]:
    """B beginnings int64 [T_b], those of one length read together -> (logits [B, V] of what follows, the state after)."""
    groups: dict[int, list[int]] = {}
    for place, beginning in enumerate(beginnings):
        groups.setdefault(len(beginning), []).append(place)
    ends = [model(torch.stack([beginnings[place] for place in places]), None) for places in groups.values()]
    if len(ends) == 1:
        return ends[0][0][:, -1], ends[0][1]
    axis = int(getattr(model, "state_axis", 0))
    order = torch.tensor([place for places in groups.values() for place in places]).argsort()
    logits = torch.cat([logits[:, -1] for logits, _ in ends])
    return logits[order], _rows(_together([state for _, state in ends], axis), axis, order.to(logits.device))


@torch.no_grad()
def draw_tokens(
    model: nn.Module,
    logits: Tensor,
    state: Any,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> Iterator[Tensor]:
    """What follows logits [B, V] and a state, token after token, without an end: int64 [B, 1] each. A step is computed when its token
    is asked for."""
    draw = generator(seed)
    while True:
        probs = distribution(logits, temperature, top_k, top_p)
        noise = torch.empty(probs.shape[1]).exponential_(generator=draw).to(probs)
        tokens = (probs / noise).argmax(-1, keepdim=True)
        yield tokens
        step, state = model(tokens, state)
        logits = step[:, -1]


def _together(states: list[Any], axis: int) -> Any:
    """One state for a batch from those of its rows."""
    if isinstance(states[0], Tensor):
        return torch.cat(states, axis)
    return None if states[0] is None else tuple(_together(list(parts), axis) for parts in zip(*states, strict=True))


def _rows(state: Any, axis: int, rows: Tensor) -> Any:
    """The state of some rows of a batch, in their order."""
    if state is None or isinstance(state, Tensor):
        return None if state is None else state.index_select(axis, rows)
    return tuple(_rows(part, axis, rows) for part in state)
