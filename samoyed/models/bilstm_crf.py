"""Bidirectional LSTM under a conditional random field (Huang, Xu & Yu 2015; Lample et al. 2016): tags are chosen together.

h_t = [forward LSTM over x_1..x_t; backward LSTM over x_T..x_t]; s_t = W h_t + b; p(y | x) = exp(F(y)) / Z, where F(y) adds up s_t(y_t)
and a score A of each tag after another, so that I-PER after O can be unlikely whatever the words are (layers/crf).

Learned by -log p(y | x) of whole texts; `best` is Viterbi's path. What is answered for each token is its own probability,
p(y_t | x), summed over all paths. Departures: words alone are read, no letters.
"""

import torch
from torch import Tensor

from samoyed.layers import recurrence
from samoyed.layers.crf import LinearChain
from samoyed.layers.recurrent_texts import RecurrentTagger
from samoyed.layers.texts import lengths_of
from samoyed.settings import Count, Share


class BiLSTMCRF(RecurrentTagger):
    """tokens [B, T] -> log p(y_t | x) [B, T, K] of each token's tag, given the whole text.

    Args:
        vocab_size: Number of tokens.
        num_tags: Number of tags.
        embedding_size: Numbers that stand for a token.
        hidden_size: Units per layer and direction.
        num_layers: Layers, each reading the one below.
        dropout: Probability with which a number of the embedding, of a layer's answer, or of the last states is left out of a
            training step.
    """

    core = recurrence.LSTM

    def __init__(
        self,
        *,
        vocab_size: int,
        num_tags: int,
        embedding_size: Count = 64,
        hidden_size: Count = 128,
        num_layers: Count = 1,
        dropout: Share = 0.3,
    ) -> None:
        super().__init__(
            vocab_size=vocab_size, num_tags=num_tags, embedding_size=embedding_size, hidden_size=hidden_size,
            num_layers=num_layers, bidirectional=True, dropout=dropout,
        )  # fmt: skip
        self.chain = LinearChain(num_tags)

    def scores(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """s [B, T, K]."""
        found = super().forward(tokens, lengths)
        return found.float() if found.dtype in (torch.bfloat16, torch.float16) else found

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """tokens int64 [B, T], lengths int64 [B] or None for T -> log p(y_t | x) [B, T, K]."""
        lengths = lengths_of(tokens, lengths)
        return self.chain.log_marginals(self.scores(tokens, lengths), lengths)

    def loss(self, tokens: Tensor, lengths: Tensor, tags: Tensor) -> Tensor:
        """-log p(y | x) of tags int64 [B, T], summed over the batch."""
        return -self.chain.log_prob(self.scores(tokens, lengths), lengths, tags).sum()

    def best(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """The likeliest tags of each whole text, int64 [B, T]."""
        return self.chain.best(self.scores(tokens, lengths), lengths)
