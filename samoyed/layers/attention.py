"""Soft attention: a weighted mean of memory, whose weights follow from a query.

alpha = softmax over s of score(q_t, m_s), s within the sequence; c_t = sum_s alpha_ts m_s. The score is
    dot       q . m                 (Luong, Pham & Manning 2015)
    general   q . W m               (Luong, Pham & Manning 2015)
    additive  v . tanh(U q + W m)   (Bahdanau, Cho & Bengio 2014)

Legend: B batch, T queries, S positions, Q query size, M memory size, A units of the additive score.
"""

from typing import Literal

import torch
from torch import Tensor, nn

Score = Literal["dot", "general", "additive"]


class Attention(nn.Module):
    """queries [B, T, Q] over memory [B, S, M] -> contexts [B, T, M], weights [B, T, S]: one product for all queries.

    The additive score makes an array [B, T, S, A], so it suits one query at a time. Raises ValueError for a dot product of
    unequal sizes.
    """

    def __init__(self, query_size: int, memory_size: int, score: Score = "general") -> None:
        super().__init__()
        if score == "dot" and query_size != memory_size:
            raise ValueError(f"a dot product needs equal sizes, not {query_size} and {memory_size}")
        self.score = score
        if score != "dot":
            self.key = nn.Linear(memory_size, query_size, bias=False)
        if score == "additive":
            self.query = nn.Linear(query_size, query_size)
            self.vector = nn.Linear(query_size, 1, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        """What queries are held against, once for a whole memory: [B, S, M] -> [B, S, Q]."""
        return memory if self.score == "dot" else self.key(memory)

    def forward(self, queries: Tensor, memory: Tensor, keys: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """queries [B, T, Q], memory [B, S, M], keys [B, S, Q] of it, mask [B, S] -> contexts [B, T, M], weights [B, T, S]."""
        if self.score == "additive":
            scores = self.vector(torch.tanh(self.query(queries)[:, :, None] + keys[:, None]))[..., 0]
        else:
            scores = queries @ keys.transpose(1, 2)
        scores = scores if scores.dtype == torch.float64 else scores.float()
        weights = scores.masked_fill(~mask[:, None], -torch.inf).softmax(-1).to(memory.dtype)
        return weights @ memory, weights
