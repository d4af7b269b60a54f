"""What a text is to a language model: a batch of tokens, and the state that is carried from one to the next."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Tokens(NamedTuple):
    """tokens int64 [B, T + 1]: inputs are all but the last of each row, targets all but the first; fresh bool [B]: whether the
    row begins anew, so that no state is carried into it; scored bool [B]: whether its targets count when it is measured."""

    tokens: Tensor
    fresh: Tensor
    scored: Tensor


def as_tokens(tokens: Tensor, fresh: bool = True, scored: bool = True) -> Tokens:
    """[B, T + 1], with the same facts for each row."""
    return Tokens(tokens, *(torch.full((len(tokens),), fact, device=tokens.device) for fact in (fresh, scored)))


def along(state: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The state with every tensor of it changed."""
    if isinstance(state, Tensor):
        return change(state)
    return None if state is None else tuple(along(part, change) for part in state)


def joined(states: list[Any], axis: int) -> Any:
    """One state from those of several parts of a batch."""
    if isinstance(states[0], Tensor):
        return torch.cat(states, axis)
    return None if states[0] is None else tuple(joined(list(parts), axis) for parts in zip(*states, strict=True))
