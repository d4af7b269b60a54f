"""ConvNet for sentences (Kim 2014): filters over 3, 4 and 5 words, the largest answer of each over the sentence, a linear layer.

c_i = f(w . x_{i:i+h-1} + b), the answer of a filter of width h to the words from i on; c = max_i c_i; logits = W (c * r) + b, f the
rectifier, r dropout of one half. Before and after the sentence stand h - 1 zero vectors. A filter is a detector of keywords and
short phrases, wherever they stand.

Departures: instead of rescaling rows of W whose norm exceeds 3, weight decay; the trainer's optimiser. The paper's two channels
are one sum, which is the same map.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from samoyed.layers.texts import lengths_of, mask_of
from samoyed.settings import Count, Share


class Excited(NamedTuple):
    """What filters of one width found: width; the largest answers [B, F] and the token at which each began [B, F], which is
    negative where zeros before the text took part; weights [K, F] of the classes."""

    width: int
    answers: Tensor
    starts: Tensor
    weights: Tensor


class TextCNN(nn.Module):
    """tokens [B, T] -> logits [B, num_classes], through filters over words and the largest answer of each.

    Args:
        vocab_size: Number of tokens.
        num_classes: Number of classes.
        embedding_size: Numbers that stand for a token.
        widths: Tokens that each filter spans.
        num_filters: Filters of each width.
        channels: tuned learns the embedding; both adds a second one that stays as it began, which is worth it with vectors.
        dropout: Probability with which a filter's answer is left out of a training step.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        num_classes: int,
        embedding_size: Count = 128,
        widths: tuple[Count, ...] = (3, 4, 5),
        num_filters: Count = 100,
        channels: Literal["tuned", "both"] = "tuned",
        dropout: Share = 0.5,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        nn.init.uniform_(self.embedding.weight, -0.25, 0.25)
        self.static = nn.Embedding(vocab_size, embedding_size) if channels == "both" else None
        if self.static is not None:
            self.static.weight = nn.Parameter(self.embedding.weight.detach().clone(), requires_grad=False)
        self.filters = nn.ModuleList(
            nn.Conv1d(embedding_size, num_filters, width, padding=width - 1) for width in widths
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(num_filters * len(widths), num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """tokens int64 [B, T], lengths int64 [B] or None for T -> logits [B, num_classes]."""
        largest = [answers.amax(2).relu() for answers in self._answers(tokens, lengths_of(tokens, lengths))]
        logits: Tensor = self.output(self.dropout(torch.cat(largest, 1)))
        return logits

    def excited(self, tokens: Tensor, lengths: Tensor | None = None) -> list[Excited]:
        """Where in each text each filter answers most, and how much: one entry per width."""
        found, first = [], 0
        for answers in self._answers(tokens, lengths_of(tokens, lengths)):
            width = answers.shape[2] - tokens.shape[1] + 1
            values, at = answers.max(2)
            weights = self.output.weight[:, first : first + answers.shape[1]]
            found.append(Excited(width, values.relu(), at - (width - 1), weights))
            first += answers.shape[1]
        return found

    def _answers(self, tokens: Tensor, lengths: Tensor) -> list[Tensor]:
        """Before the rectifier: [B, F, T + h - 1] for each width h, -inf where a filter sees nothing but padding."""
        embedded = self.embedding(tokens) if self.static is None else self.embedding(tokens) + self.static(tokens)
        x = (embedded * mask_of(lengths, tokens.shape[1])[..., None]).transpose(1, 2)
        found = []
        for layer in self.filters:
            answers = layer(x)
            seen = mask_of(lengths + answers.shape[2] - tokens.shape[1], answers.shape[2])
            found.append(answers.masked_fill(~seen[:, None], -torch.inf))
        return found
