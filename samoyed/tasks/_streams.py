"""Answers as they come: the pieces of a text while it is written, which joined are what `answer` gives at once."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from samoyed.decoding.sampling import draw_tokens, read
from samoyed.decoding.search import beaming, settled
from samoyed.features.vocabulary import UNKNOWN


@torch.inference_mode()
def continuation(
    task: Any,
    model: nn.Module,
    example: Any,
    length: int = 200,
    temperature: float = 0.8,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> Iterator[str]:
    """What follows a text, drawn token by token. Raises ValueError for options out of their range."""
    if length < 0:
        raise ValueError(f"length is {length}; it is at least 0")
    vocabulary = task.vocabulary
    logits, state = read(model, [vocabulary.encode(example.text or "\n").to(task.device)])
    tokens = islice(draw_tokens(model, logits, state, temperature, top_k, top_p, seed), length)
    yield from vocabulary.pieces(int(token) for token in tokens)


@torch.inference_mode()
def translated(task: Any, model: nn.Module, example: Any) -> Iterator[str]:
    """What the task's search finds, piece by piece: a token that greedy search says at once, one of a beam as soon as all hypotheses
    that may still win agree on it."""
    if task.replace_unknown:  # the alignment is known at the end
        yield task.answer(model, example)["text"]
        return
    batch = type(rows := task.collate([example]))(*(tensor.to(task.device) for tensor in rows))
    said, vocabulary = "", task.vocabularies[1]
    for tokens, over in _certain(task, model, batch):
        whole = vocabulary.text(tokens.cpu())
        sure = whole if over else whole.rstrip(UNKNOWN)  # of a character not all bytes may be there
        if sure.startswith(said) and len(sure) > len(said):
            yield sure[len(said) :]
            said = sure


def _certain(task: Any, model: nn.Module, batch: Any) -> Iterator[tuple[Tensor, bool]]:
    """The tokens [T] that are certain after each step of the search, and whether it is over."""
    step, state, end, longest, mask = task.started(model, batch)
    if task.beam_width == 1:
        tokens: list[Tensor] = []
        last = longest.new_full((1, 1), end)
        while len(tokens) < int(longest[0]) - 1:
            scored = step(last, state)
            last, state = scored.log_probs.argmax(-1), scored.state
            if int(last) == end:
                break
            tokens.append(last[0])
            yield torch.cat(tokens), False
        yield torch.cat(tokens) if tokens else longest[:0], True
        return
    penalties = {"length_penalty": task.length_penalty, "coverage_penalty": task.coverage_penalty}
    for standing in beaming(step, state, end, end, longest, width=task.beam_width, source_mask=mask, **penalties):
        found = standing.found
        yield settled(standing), False
    yield found.tokens[0, 0, : int(found.lengths[0, 0])], True
