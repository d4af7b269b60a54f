"""Window tagger: each token's tag from the tokens around it, through one hidden layer (Collobert & Weston 2008; Collobert 2011).

x_t = [E[w_{t-n}]; ...; E[w_t]; ...; E[w_{t+n}]]; logits_t = W tanh(U x_t + b) + c; beyond the text stands the zero vector. It is the
baseline beside taggers that read the whole sentence. All positions are computed at once: U x is a convolution over time.

Departures: tanh for their hard tanh, zeros for their padding token, no scores of one tag after another.
"""

import torch
from torch import Tensor, nn

from samoyed.layers.texts import lengths_of, mask_of
from samoyed.settings import Count, Share, Whole


class WindowMLP(nn.Module):
    """tokens [B, T] -> logits [B, T, num_tags], each from a window of tokens.

    Args:
        vocab_size: Number of tokens.
        num_tags: Number of tags.
        reach: Tokens that are seen on each side, n.
        embedding_size: Numbers that stand for a token.
        hidden_size: Hidden units.
        dropout: Probability with which a number of the embedding or a hidden unit is left out of a training step.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        num_tags: int,
        reach: Whole = 2,
        embedding_size: Count = 64,
        hidden_size: Count = 256,
        dropout: Share = 0.3,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.hidden = nn.Conv1d(embedding_size, hidden_size, 2 * reach + 1, padding=reach)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, num_tags)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """tokens int64 [B, T], lengths int64 [B] or None for T -> logits [B, T, num_tags]."""
        mask = mask_of(lengths_of(tokens, lengths), tokens.shape[1])
        x = self.dropout(self.embedding(tokens)) * mask[..., None]
        hidden = torch.tanh(self.hidden(x.transpose(1, 2))).transpose(1, 2)
        logits: Tensor = self.output(self.dropout(hidden))
        return logits
