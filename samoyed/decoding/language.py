"""What a search asks of a language model: how probable each symbol is after what was read so far, and the end.

Shallow fusion (Graves & Jaitly 2014; Hannun 2014): a reading is ranked by log p(reading | input) + weight log p(reading) +
bonus |reading|. The language model is any that goes (tokens [N, T], state) -> (logits [N, T, V], state), n-gram or network.

Legend: N readings, V symbols of the search, the blank at 0.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from samoyed.decoding.search import along


class Following(NamedTuple):
    """After each reading: what each symbol adds to its rank [N, V], what ending there adds [N], and the model's state."""

    scores: Tensor
    end: Tensor
    state: Any


class LanguageModel:
    """A language model over the symbols of a search.

    tokens int64 [V]: the model's token for each symbol. `line` is the token that ends a line, by which readings begin and end; None
    where the model knows none, and then an end adds nothing.
    """

    def __init__(self, model: nn.Module, tokens: Tensor, line: int | None, weight: float, bonus: float) -> None:
        self.model, self.tokens, self.line, self.weight, self.bonus = model, tokens, line, weight, bonus
        self.axis = int(getattr(model, "state_axis", 0))

    @torch.no_grad()
    def begin(self, count: int) -> Following:
        """Of `count` readings that hold nothing yet."""
        first = self.tokens.new_full((1, 1), 0 if self.line is None else self.line)
        found = self._following(*self.model(first, None))
        state = along(found.state, lambda part: part.repeat_interleave(count, self.axis))
        return Following(found.scores.repeat(count, 1), found.end.repeat(count), state)

    @torch.no_grad()
    def follow(self, state: Any, symbols: Tensor) -> Following:
        """Of readings with these states, and one symbol more each, int64 [N]."""
        return self._following(*self.model(self.tokens[symbols][:, None], state))

    def chosen(self, found: Following, rows: Tensor) -> Following:
        """Of the readings `rows` int64 [N]."""
        state = along(found.state, lambda part: part.index_select(self.axis, rows))
        return Following(found.scores[rows], found.end[rows], state)

    def put(self, found: Following, rows: Tensor, new: Following) -> Following:
        """The same with the readings `rows` in place of what was there."""
        scores, end = found.scores.index_copy(0, rows, new.scores), found.end.index_copy(0, rows, new.end)
        return Following(scores, end, _copied(found.state, rows, new.state, self.axis))

    @torch.no_grad()
    def whole(self, symbols: Tensor, lengths: Tensor) -> Tensor:
        """What it adds to whole readings, their ends included: symbols int64 [N, L], lengths int64 [N] -> [N]."""
        tokens = functional.pad(self.tokens[symbols], (1, 0), value=0 if self.line is None else self.line)
        log_probs: Tensor = self.weight * self.model(tokens, None)[0].float().log_softmax(-1)
        gained = log_probs[:, :-1].gather(2, tokens[:, 1:, None])[..., 0] + self.bonus
        place = torch.arange(symbols.shape[1], device=symbols.device)
        total = (gained * (place < lengths[:, None])).sum(1)
        if self.line is None:
            return total
        return total + log_probs[..., self.line].gather(1, lengths[:, None])[:, 0]

    def _following(self, logits: Tensor, state: Any) -> Following:
        log_probs = self.weight * logits[:, -1].float().log_softmax(-1)
        end = log_probs.new_zeros(len(log_probs)) if self.line is None else log_probs[:, self.line]
        return Following(log_probs[:, self.tokens] + self.bonus, end, state)


def _copied(state: Any, rows: Tensor, new: Any, axis: int) -> Any:
    if state is None or isinstance(state, Tensor):
        return None if state is None else state.index_copy(axis, rows, new)
    return tuple(_copied(part, rows, other, axis) for part, other in zip(state, new, strict=True))
