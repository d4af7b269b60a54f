"""What a text is to a language model: a batch of tokens."""

from typing import NamedTuple

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
