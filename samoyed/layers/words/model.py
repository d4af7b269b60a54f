"""What skip-gram and CBOW have in common: two matrices, what a window says of words, and learning from a part of a text.

Legend: B windows, W words on either side of the middle, V words, D numbers of a vector, P predictions of a window (2 W for
skip-gram, 1 for CBOW), K words besides the middle one.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from samoyed.layers.words import reference, tables
from samoyed.layers.words.learning import Learned, Tables, is_padded, learn, padded
from samoyed.layers.words.reference import Rules


class Prediction(NamedTuple):
    """Of a window's middle word: `nats` [B, P], the loss of each prediction; `scores` [B, P, 1 + K] of it and the other words;
    `made` bool [B, P], which predictions there are."""

    nats: Tensor
    scores: Tensor
    made: Tensor


class WordModel(nn.Module):
    """windows int64 [B, 2 W + 1], words [B, K] -> a Prediction. `embeddings` [V, D] are the word vectors; `outputs` [V, D] those
    of words to be predicted, or [V - 1, D] of the inner nodes of a tree."""

    def __init__(
        self,
        word_counts: Sequence[int],
        size: int,
        window: int,
        negatives: int,
        subsample: float,
        hierarchical: bool,
        *,
        cbow: bool,
        shared: bool,
        corrected: bool = False,
        threads: int | None = None,
    ) -> None:
        super().__init__()
        if shared and hierarchical:
            raise ValueError("hierarchical softmax draws no noise that could be shared: set one of the two")
        self.window, self.threads = window, threads
        words = len(word_counts)
        self.tables = Tables(
            Rules(
                window,
                negatives,
                cbow,
                shared,
                corrected,
                tables.keep(word_counts, subsample),
                tables.noise(word_counts),
                tables.tree(word_counts) if hierarchical else None,
            )
        )
        self.embeddings = nn.Parameter(padded(words, size))
        self.outputs = nn.Parameter(padded(max(1, words - 1) if hierarchical else words, size))
        with torch.no_grad():
            self.embeddings.uniform_(-0.5 / size, 0.5 / size)

    @property
    def rules(self) -> Rules:
        """How it learns."""
        return self.tables.rules

    def forward(self, windows: Tensor, words: Tensor | None = None) -> Prediction:
        """windows int64 [B, 2 W + 1], -1 where a sentence has ended, words [B, K] -> what the window says of its middle word and of
        `words`, which is noise: nats [B, P]."""
        middle = windows[:, self.window]
        around = torch.cat([windows[:, : self.window], windows[:, self.window + 1 :]], 1)
        made = around >= 0
        x = self.embeddings[around.clamp(min=0)]  # [B, 2 W, D]
        if self.rules.cbow:
            x = (x * made[..., None]).sum(1, keepdim=True) / made.sum(1).clamp(min=1)[:, None, None]
            made = made.any(1, keepdim=True)
        asked = middle[:, None] if words is None else torch.cat([middle[:, None], words], 1)  # [B, 1 + K]
        if self.rules.tree is None:
            scores = x @ self.outputs[asked].transpose(1, 2)
            lost = -F.logsigmoid(-scores[..., 1:]) * (asked[:, None, 1:] != middle[:, None, None])
            nats = lost.sum(2) - F.logsigmoid(scores[..., 0])
        else:
            tree = tables.Tree(*(t.to(windows.device) for t in self.rules.tree))
            nodes, signs = reference.along(tree, asked)  # [B, 1 + K, L]
            signs = signs.to(x)
            turns = torch.einsum("bpd,bkld->bpkl", x, self.outputs[nodes])
            taken = F.logsigmoid(turns * signs[:, None]) * (signs != 0)[:, None]
            scores = taken.sum(3)
            nats = -scores[..., 0]
        return Prediction(torch.where(made, nats, 0), scores, made)

    def learn(self, tokens: Tensor, position: int, seed: int, rate: float, engine: str = "auto") -> Learned:
        """Goes once through tokens int32 [N], a part of a text from `position` on, at the learning rate `rate`."""
        with torch.no_grad():
            for parameter in (self.embeddings, self.outputs):
                if parameter.device.type == "cpu" and parameter.dtype == torch.float32 and not is_padded(parameter):
                    rows = padded(*parameter.shape)
                    parameter.data = rows.copy_(parameter)
            made = self._tables_on(tokens.device)
            threads = self.threads or torch.get_num_threads()
            return learn(made, self.embeddings.data, self.outputs.data, tokens, position, seed, rate, threads, engine)

    def _tables_on(self, device: torch.device) -> Tables:
        if self.rules.keep.device != device:
            tree = self.rules.tree
            self.tables = Tables(
                self.rules._replace(
                    keep=self.rules.keep.to(device),
                    noise=tables.Noise(*(t.to(device) for t in self.rules.noise)),
                    tree=None if tree is None else tables.Tree(*(t.to(device) for t in tree)),
                )
            )
        return self.tables
