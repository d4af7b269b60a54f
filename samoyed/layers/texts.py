"""What models of texts of unequal length share: masks, attention pooling, and n-grams as rows of a table.

Legend: B batch, T time, H features, V vocabulary.
"""

import torch
from torch import Tensor, nn

_FACTOR = 116_049_371  # of fastText's hash


def lengths_of(tokens: Tensor, lengths: Tensor | None) -> Tensor:
    """The lengths of a batch of tokens [B, T], which are T where none are given: int64 [B]."""
    return torch.full((len(tokens),), tokens.shape[1], device=tokens.device) if lengths is None else lengths


def mask_of(lengths: Tensor, steps: int) -> Tensor:
    """lengths int64 [B] -> bool [B, T], True where a sequence still goes on.

    >>> mask_of(torch.tensor([1, 2]), 2).tolist()
    [[True, False], [True, True]]
    """
    return torch.arange(steps, device=lengths.device) < lengths[:, None]


def ngrams(tokens: Tensor, mask: Tensor, longest: int, buckets: int, first: int) -> tuple[Tensor, Tensor]:
    """Tokens and their n-grams, up to `longest`, as rows of one table: [B, T] -> indices [B, M] and mask [B, M].

    A token is its own row; an n-gram, n > 1, is row first + h mod buckets, where h_1 = w_1 and h_n = h_{n-1} 116049371 + w_n, so
    that unequal n-grams may share a row (Weinberger 2009; Joulin 2016 and fastText).
    """
    rows, masks, hashed = [tokens], [mask], tokens.long()
    for n in range(2, longest + 1):
        if n > tokens.shape[1]:
            break
        hashed = hashed[:, :-1] * _FACTOR + tokens[:, n - 1 :] + 1
        rows.append(first + hashed.remainder(buckets))
        masks.append(mask[:, n - 1 :])
    return torch.cat(rows, 1), torch.cat(masks, 1)


class AttentionPooling(nn.Module):
    """hidden [B, T, H], mask [B, T] -> (their weighted mean [B, H], the weights [B, T]).

    u_t = tanh(W h_t + b); a = softmax_t(u_t . v); s = sum_t a_t h_t (Yang et al. 2016, equations 5 to 7).
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(size, size)
        self.context = nn.Linear(size, 1, bias=False)

    def forward(self, hidden: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """hidden [B, T, H], mask bool [B, T] -> ([B, H], weights [B, T] that are 0 outside the mask)."""
        weighed = self.context(torch.tanh(self.hidden(hidden)))[..., 0]
        weights = weighed.masked_fill(~mask, -torch.inf).softmax(-1)
        return torch.einsum("bt,bth->bh", weights, hidden), weights
