"""Neural language model (Bengio, Ducharme, Vincent & Jauvin 2003).

x = [E[w_{t-n+1}]; ...; E[w_t]]; y = b + W x + U tanh(d + H x); softmax(y) is the next token's distribution. The direct
connections W are optional, as in the paper. All positions of a batch are computed at once: H x is a convolution over time.

Departure: before a text's first token stands the zero vector, where the paper pads with a token.
"""

import torch
from torch import Tensor, nn

from samoyed.settings import Count, Share


class FeedforwardLanguageModel(nn.Module):
    """tokens [B, T] -> logits [B, T, V] of the token after each, from the last `context_size` tokens.

    Args:
        vocab_size: Number of tokens.
        context_size: Tokens that are seen, n.
        embedding_size: Numbers that stand for a token.
        hidden_size: Hidden units.
        dropout: Probability with which a hidden unit is left out of a training step.
        direct: Whether the embeddings also reach the output directly.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        context_size: Count = 10,
        embedding_size: Count = 32,
        hidden_size: Count = 256,
        dropout: Share = 0.0,
        direct: bool = False,
    ) -> None:
        super().__init__()
        self.context_size = context_size
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.hidden = nn.Conv1d(embedding_size, hidden_size, context_size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, vocab_size)
        self.direct = nn.Conv1d(embedding_size, vocab_size, context_size, bias=False) if direct else None

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """tokens int64 [B, T], state [B, n - 1, E] or None -> (logits [B, T, V], state: the last n - 1 embeddings)."""
        embedded = self.embedding(tokens)
        seen = self.context_size - 1
        before = embedded.new_zeros(len(embedded), seen, embedded.shape[2]) if state is None else state
        embedded = torch.cat([before, embedded], dim=1)
        x = embedded.transpose(1, 2)  # [B, E, n - 1 + T]
        logits = self.output(self.dropout(torch.tanh(self.hidden(x))).transpose(1, 2))
        if self.direct is not None:
            logits = logits + self.direct(x).transpose(1, 2)
        return logits, embedded[:, embedded.shape[1] - seen :]
