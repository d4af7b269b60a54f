"""Hierarchical attention network (Yang, Yang, Dyer, He, Smola & Hovy 2016): words make sentences, sentences make the document.

Of sentence i: h_it = the states of a GRU over E[w_i1], E[w_i2], ... in both directions; u_it = tanh(W h_it + b); a_it =
softmax_t(u_it . v); s_i = sum_t a_it h_it.
Of the document the same over s_1 ... s_S, with parameters of its own: weights a_i, d = sum_i a_i h_i. logits = V d + c.

A sentence ends with one of the tokens in `sentence_ends`, or several of them together, or with the document. No departure
otherwise.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from samoyed.layers import recurrence
from samoyed.layers.texts import AttentionPooling, lengths_of, mask_of
from samoyed.settings import Count, Share


class Sentences(NamedTuple):
    """Where each token is: number int64 [B, T], of its sentence within the text; place int64 [B, T], within the sentence; count
    int64 [B], sentences of each text."""

    number: Tensor
    place: Tensor
    count: Tensor  # type: ignore[assignment]


class HierarchicalAttention(nn.Module):
    """tokens [B, T] -> logits [B, num_classes], through attention over the words of each sentence and over the sentences.

    Args:
        vocab_size: Number of tokens.
        sentence_ends: Tokens that end a sentence.
        num_classes: Number of classes.
        embedding_size: Numbers that stand for a token.
        hidden_size: Units of each GRU and direction.
        dropout: Probability with which a number of the embedding or of the document's vector is left out of a training step.
    """

    ends: Tensor

    def __init__(
        self,
        *,
        vocab_size: int,
        sentence_ends: tuple[int, ...],
        num_classes: int,
        embedding_size: Count = 64,
        hidden_size: Count = 50,
        dropout: Share = 0.3,
    ) -> None:
        super().__init__()
        ends = torch.zeros(vocab_size, dtype=torch.bool)
        ends[list(sentence_ends)] = True
        self.register_buffer("ends", ends, persistent=False)
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.words = recurrence.GRU(embedding_size, hidden_size, batch_first=True, bidirectional=True)
        self.word_attention = AttentionPooling(2 * hidden_size)
        self.sentences = recurrence.GRU(2 * hidden_size, hidden_size, batch_first=True, bidirectional=True)
        self.sentence_attention = AttentionPooling(2 * hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(2 * hidden_size, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """tokens int64 [B, T], lengths int64 [B] or None for T -> logits [B, num_classes]."""
        document, *_ = self._read(tokens, lengths_of(tokens, lengths))
        logits: Tensor = self.output(self.dropout(document))
        return logits

    def attention(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The weight of each token [B, T]: that of the word in its sentence times that of the sentence."""
        words, sentences, found, mask = self._weights(tokens, lengths)
        return words * sentences.gather(1, found.number) * mask

    def sentence_weights(self, tokens: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The number of each token's sentence [B, T], and the weights of the sentences [B, S]."""
        _, sentences, found, _ = self._weights(tokens, lengths)
        return found.number, sentences

    def _weights(self, tokens: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor, Sentences, Tensor]:
        lengths = lengths_of(tokens, lengths)
        mask = mask_of(lengths, tokens.shape[1])
        _, words, sentences, found, row = self._read(tokens, lengths)
        spread = words.new_zeros(tokens.shape)
        spread[mask] = words[row[mask], found.place[mask]]
        return spread, sentences, found, mask

    def _read(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor, Sentences, Tensor]:
        """The document [B, 2 H]; the weights of words [R, W] in all R sentences of the batch, and of sentences [B, S]; where
        tokens are; and the row of R in which each is [B, T]."""
        mask = mask_of(lengths, tokens.shape[1])
        found = self._sentences(tokens, mask)
        first = functional.pad(found.count.cumsum(0), (1, 0))  # the row of each text's first sentence, and the end
        row = found.number + first[:-1, None]
        each = torch.bincount(row[mask], minlength=int(first[-1]))
        words = tokens.new_zeros(len(each), int(each.max()))
        words[row[mask], found.place[mask]] = tokens[mask]
        hidden, _ = self.words(self.dropout(self.embedding(words)), lengths=each)
        vectors, word_weights = self.word_attention(hidden, mask_of(each, words.shape[1]))
        inside = mask_of(found.count, int(found.count.max()))
        laid = vectors.new_zeros(*inside.shape, vectors.shape[1])
        laid[inside] = vectors
        hidden, _ = self.sentences(laid, lengths=found.count)
        document, sentence_weights = self.sentence_attention(hidden, inside)
        return document, word_weights, sentence_weights, found, row

    def _sentences(self, tokens: Tensor, mask: Tensor) -> Sentences:
        end = self.ends[tokens]
        begins = functional.pad(end[:, :-1] & ~end[:, 1:], (1, 0)) & mask
        number = begins.cumsum(1)
        steps = torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
        start = torch.where(begins, steps, 0).cummax(1).values
        return Sentences(number, steps - start, number[:, -1] + 1)
