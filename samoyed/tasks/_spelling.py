"""What a task that writes sequences down asks of a model that spells: one letter after another, looking back at what it heard.

Such a model states `spells`, and has the `encode`, `step` and `align` of layers/attended_decoder.py. Its letters are those of the
vocabulary, and after them the end; symbols, as connectionist temporal classification counts them, are one more than letters.

Legend: B recordings, T frames, F numbers per frame, L letters, K hypotheses, V letters and the end, S places that are looked at.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from samoyed.decoding.ctc import Labellings, Lexicon
from samoyed.decoding.language import LanguageModel
from samoyed.decoding.search import Hypotheses, Scored, beam, greedy
from samoyed.objectives import full


def spells(model: Any) -> bool:
    """Whether a model spells, in place of saying at each step what is heard there."""
    return bool(getattr(model, "spells", False))


def surprise(model: Any, frames: Tensor, lengths: Tensor, symbols: Tensor, symbol_lengths: Tensor) -> Tensor:
    """-log p of each transcript and its end, each letter given the right ones before it: [B].

    frames [B, T, F], lengths int64 [B], symbols [B, L] as a batch has them, symbol_lengths [B].
    """
    ends, end, longest = symbol_lengths.long()[:, None], model.boundary, int(symbol_lengths.max())
    targets = functional.pad(symbols[:, :longest].long() - 1, (0, 1), value=end)
    place = torch.arange(targets.shape[1], device=targets.device)
    targets = torch.where(place < ends, targets, end)
    log_probs = full(model(frames, lengths, targets)).log_softmax(-1)
    return -(log_probs.gather(-1, targets[..., None])[..., 0] * (place <= ends)).sum(1)


@torch.no_grad()
def search(
    model: Any,
    frames: Tensor,
    lengths: Tensor,
    *,
    width: int,
    n_best: int = 1,
    densest: float = 1.0,
    lexicon: Lexicon | None = None,
    language: LanguageModel | None = None,
) -> Labellings:
    """The likeliest transcripts by beam search, of at most `densest` letters for each frame; `width` 1 is greedy.

    With a `lexicon` only letters that go on with an allowed word are said. With a `language` model the `width` transcripts that
    the beam finds are ranked anew by what it adds (Chan 2016, section 3.4), and log_probs are both together.
    """
    memory, state = model.encode(frames, lengths)
    end, longest = model.boundary, (densest * lengths).ceil().long() + 1  # and the end

    def step(tokens: Tensor, state: Any) -> Scored:
        inner, node = state
        logits, inner, attention = model.step(tokens, inner, memory)
        log_probs = full(logits).log_softmax(-1)
        if lexicon is not None:
            grown = lexicon.following[node, (tokens + 1).clamp(max=end)]
            node = torch.where(tokens == end, 0, grown).clamp(min=0)
            allowed = torch.cat([lexicon.following[node][..., 1:] >= 0, lexicon.ends[node][..., None]], -1)
            log_probs = log_probs.masked_fill(~allowed, -torch.inf)
        return Scored(log_probs, (inner, node), attention)

    first = (state, torch.zeros((len(frames), 1), dtype=torch.int64, device=frames.device))
    if width == 1 and lexicon is None and language is None:
        return labellings(greedy(step, first, end, end, longest))
    kept = width if language is not None else n_best
    found = labellings(beam(step, first, end, end, longest, width=width, n_best=kept))
    if language is None:
        return found
    flat = [part.flatten(0, 1) for part in found[:2]]
    total = found.log_probs + language.whole(flat[0], flat[1]).view(found.log_probs.shape).to(found.log_probs)
    total, order = total.topk(n_best, dim=1)
    symbols = found.symbols.gather(1, order[..., None].expand(-1, -1, found.symbols.shape[2]))
    return Labellings(symbols, found.lengths.gather(1, order), total)


def labellings(found: Hypotheses) -> Labellings:
    """What a beam found, as symbols; nothing in the places that it left empty."""
    lengths = torch.where(found.scores > -torch.inf, found.lengths, 0)
    real = torch.arange(found.tokens.shape[2], device=found.tokens.device) < lengths[..., None]
    symbols = torch.where(real, found.tokens + 1, 0)
    if not symbols.shape[2]:
        symbols = symbols.new_zeros((*symbols.shape[:2], 1))
    return Labellings(symbols, lengths, found.scores)


@torch.no_grad()
def looks(model: Any, frames: Tensor, length: int, symbols: Tensor) -> Tensor:
    """Where each letter of one transcript, and its end, was looked up: frames [1, T, F], symbols int64 [L] -> [L + 1, S]."""
    targets = functional.pad(symbols - 1, (0, 1), value=model.boundary)[None]
    weights: Tensor = model.align(frames[:, :length], torch.tensor([length], device=frames.device), targets)[0]
    return weights
