"""fastText's classifier: the mean of the vectors of words and of their n-grams, and one linear layer (Joulin et al. 2016).

x = (1 / M) sum_m A[g_m] over the M words and n-grams g_m of the text; logits = B x + b. N-grams of two and more words share
`buckets` rows of A by a hash, `layers.texts.ngrams`.

Departures: softmax over all classes instead of the hierarchical one; a bias; the trainer's optimiser.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from samoyed.layers.texts import lengths_of, mask_of, ngrams
from samoyed.settings import Count, Share


class FastText(nn.Module):
    """tokens [B, T] -> logits [B, num_classes], through the mean of the vectors of words and n-grams.

    Args:
        vocab_size: Number of tokens.
        num_classes: Number of classes.
        embedding_size: Numbers that stand for a token or an n-gram.
        ngrams: Longest run of tokens that has a vector; 1 is single tokens only, blind to their order.
        buckets: Rows for the runs of two and more.
        dropout: Probability with which a number of the mean is left out of a training step.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        num_classes: int,
        embedding_size: Count = 32,
        ngrams: Count = 2,
        buckets: Count = 50_000,
        dropout: Share = 0.3,
    ) -> None:
        super().__init__()
        self.ngrams, self.buckets, self.first = ngrams, buckets, vocab_size
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.runs = nn.Embedding(buckets, embedding_size) if ngrams > 1 else None
        for table in (self.embedding, self.runs) if self.runs is not None else (self.embedding,):
            nn.init.uniform_(table.weight, -1 / embedding_size, 1 / embedding_size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(embedding_size, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """tokens int64 [B, T], lengths int64 [B] or None for T -> logits [B, num_classes]."""
        mask = mask_of(lengths_of(tokens, lengths), tokens.shape[1])
        rows, mask = ngrams(tokens, mask, self.ngrams, self.buckets, self.first)
        table = self.embedding.weight if self.runs is None else torch.cat([self.embedding.weight, self.runs.weight])
        offsets = functional.pad(mask.sum(1).cumsum(0), (1, 0))[:-1]
        mean = functional.embedding_bag(rows[mask], table, offsets, mode="mean")
        logits: Tensor = self.output(self.dropout(mean))
        return logits
