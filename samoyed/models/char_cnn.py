"""ConvNet for letters: convolutions over characters, bases or amino acids, and the largest answer in each part of the sequence.

h_0 = E[token]; h_k = f(W_k * h_{k-1} + b_k), zeros beyond both ends, f the rectifier (Zhang, Zhao & LeCun 2015; for DNA Alipanahi
2015); the sequence of L tokens is divided into P equal parts, token t being in part floor(P t / L); s_p = max of h over part p, 0
where a part holds nothing; logits = W [s_1; ...; s_P] + b. One part forgets where a motif stood; as many parts as a sequence of
fixed length has letters keep every place, as a splice site needs.

Departures from Zhang et al.: fewer layers, no pooling between them, an embedding for the one-hot code.
"""

import itertools

import torch
from torch import Tensor, nn

from samoyed.layers.texts import lengths_of, mask_of
from samoyed.settings import Count, Share


class CharCNN(nn.Module):
    """tokens [B, T] -> logits [B, num_classes], through convolutions over letters.

    Args:
        vocab_size: Number of tokens.
        num_classes: Number of classes.
        embedding_size: Numbers that stand for a token.
        num_filters: Maps of each layer.
        width: Tokens that a filter spans; odd numbers keep maps in place.
        num_layers: Convolutions, one after another.
        parts: Equal parts of the sequence whose largest answers are kept apart.
        dropout: Probability with which a number of a layer's answer is left out of a training step.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        num_classes: int,
        embedding_size: Count = 32,
        num_filters: Count = 128,
        width: Count = 7,
        num_layers: Count = 2,
        parts: Count = 4,
        dropout: Share = 0.3,
    ) -> None:
        super().__init__()
        if width % 2 == 0:
            raise ValueError("width must be an odd number")
        self.parts = parts
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        sizes = [embedding_size] + [num_filters] * num_layers
        self.layers = nn.ModuleList(
            nn.Conv1d(below, above, width, padding=width // 2) for below, above in itertools.pairwise(sizes)
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(num_filters * parts, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """tokens int64 [B, T], lengths int64 [B] or None for T -> logits [B, num_classes]."""
        lengths = lengths_of(tokens, lengths)
        mask = mask_of(lengths, tokens.shape[1])[:, None]
        x = self.embedding(tokens).transpose(1, 2) * mask
        for layer in self.layers:
            x = self.dropout(layer(x).relu()) * mask
        steps = torch.arange(tokens.shape[1], device=tokens.device)
        part = (self.parts * steps // lengths[:, None]).clamp(max=self.parts - 1)  # padding is 0, as an empty part
        pooled = x.new_zeros(*x.shape[:2], self.parts).scatter_reduce(2, part[:, None].expand_as(x), x, "amax")
        logits: Tensor = self.output(pooled.flatten(1))
        return logits
