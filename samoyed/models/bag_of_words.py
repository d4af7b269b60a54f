"""Bag of words: a linear classifier of counts, the order of words unseen; fitted by scikit-learn, answered by tensor operations.

x_v = tf_v idf_v / |tf idf|, tf_v the times that token v is in the text, idf_v = ln((1 + N) / (1 + N_v)) + 1, N_v of N training
texts holding v (Spärck Jones 1972; scikit-learn's smoothing); or x = tf; or x = [tf > 0]. logits = W x + b, where W minimises
the softmax cross-entropy plus |W|^2 / 2C (logistic regression). With ngrams > 1 x also counts pairs and longer runs, as
`layers.texts.ngrams` numbers them. It is the baseline beside every model that reads words in their order.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from samoyed.layers.texts import lengths_of, mask_of, ngrams
from samoyed.settings import Count, Positive


class BagOfWords(nn.Module):
    """tokens [B, T] -> logits [B, num_classes]; brings its own `fit`, so nothing is descended.

    Args:
        vocab_size: Number of tokens.
        num_classes: Number of classes.
        weighting: What stands for a word: tfidf, its count, or its presence (1).
        ngrams: Longest run of tokens that is counted; 1 is single tokens only.
        buckets: Rows for the runs of two and more, which share them by a hash.
        penalty: C, the price of an error against the size of the weights.
    """

    weights: Tensor
    bias: Tensor
    idf: Tensor

    def __init__(
        self,
        *,
        vocab_size: int,
        num_classes: int,
        weighting: Literal["tfidf", "counts", "presence"] = "tfidf",
        ngrams: Count = 1,
        buckets: Count = 100_000,
        penalty: Positive = 3.0,
    ) -> None:
        super().__init__()
        self.weighting, self.ngrams, self.buckets, self.penalty = weighting, ngrams, buckets, penalty
        self.first, self.num_classes = vocab_size, num_classes
        rows = vocab_size + (buckets if ngrams > 1 else 0)
        self.register_buffer("weights", torch.zeros(rows, num_classes))
        self.register_buffer("bias", torch.zeros(num_classes))
        self.register_buffer("idf", torch.ones(rows))

    def fit(self, tokens: Tensor, lengths: Tensor, targets: Tensor) -> None:
        """tokens int64 [N, T], lengths int64 [N], targets int64 [N]. Raises ValueError if a class is missing from the targets."""
        from scipy.sparse import csr_matrix
        from sklearn.linear_model import LogisticRegression

        text, row, counts = self._counts(tokens, lengths)
        if self.weighting == "tfidf":
            holding = torch.bincount(row, minlength=len(self.idf))
            self.idf = (((1 + len(tokens)) / (1 + holding)).log() + 1).to(self.idf)
        values = self._values(text, row, counts, len(tokens)).double().cpu().numpy()
        shape = (len(tokens), len(self.weights))
        x = csr_matrix((values, (text.cpu().numpy(), row.cpu().numpy())), shape=shape)
        fitted = LogisticRegression(C=self.penalty, max_iter=2000).fit(x, targets.cpu().numpy())
        if len(fitted.classes_) != self.num_classes:
            raise ValueError(f"{len(fitted.classes_)} of {self.num_classes} classes are among the examples")
        w, b = torch.from_numpy(fitted.coef_).T, torch.from_numpy(fitted.intercept_)
        if self.num_classes == 2:  # scikit-learn has one row, of the second class against the first
            w, b = torch.cat([-w / 2, w / 2], 1), torch.cat([-b / 2, b / 2])
        self.weights, self.bias = w.to(self.weights).contiguous(), b.to(self.bias)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """tokens int64 [B, T], lengths int64 [B] or None for T -> logits [B, num_classes]."""
        text, row, counts = self._counts(tokens, lengths_of(tokens, lengths))
        values = self._values(text, row, counts, len(tokens))
        return self.bias.expand(len(tokens), -1).index_add(0, text, values[:, None] * self.weights[row])

    def _counts(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Every different (text, row of the table), and how often it is there: three times [M]."""
        rows, mask = ngrams(tokens, mask_of(lengths, tokens.shape[1]), self.ngrams, self.buckets, self.first)
        texts = torch.arange(len(tokens), device=tokens.device)[:, None].expand_as(rows)
        keys, counts = torch.unique((texts * len(self.weights) + rows)[mask], return_counts=True)
        return keys // len(self.weights), keys % len(self.weights), counts

    def _values(self, text: Tensor, row: Tensor, counts: Tensor, texts: int) -> Tensor:
        """x of each of `_counts` [M]."""
        if self.weighting != "tfidf":
            return (counts if self.weighting == "counts" else counts.clamp(max=1)).to(self.idf)
        values = counts * self.idf[row]
        norms = values.new_zeros(texts).index_add(0, text, values.square()).sqrt()
        return values / norms[text]
