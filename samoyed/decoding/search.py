"""Searching the output of a decoder that says one token after another: greedy, sampled, and by beams.

The decoder is a function `step`: it takes the last token of every hypothesis and its state, and gives the log-probabilities
of the next. All sentences and all hypotheses of each advance together; there is no loop over either.

Legend: B sentences, K hypotheses of each (beams), N kept answers, V vocabulary, S source positions, T tokens.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from samoyed.batching import generator
from samoyed.decoding.sampling import distribution

State = Any  # nested tuples of tensors [B, K, ...], or None


class Scored(NamedTuple):
    """What a step gives: log_probs [B, K, V] of the next token, the state after, attention [B, K, S] or None."""

    log_probs: Tensor
    state: State
    attention: Tensor | None = None


Step = Callable[[Tensor, State], Scored]


class Hypotheses(NamedTuple):
    """The N best answers of each sentence, the best first.

    tokens int64 [B, N, T], without the end and padded with it; lengths int64 [B, N]; log_probs [B, N] of the tokens and the
    end; scores [B, N], what they are ranked by (-inf where there are fewer than N answers).
    """

    tokens: Tensor
    lengths: Tensor
    log_probs: Tensor
    scores: Tensor


class Standing(NamedTuple):
    """A beam search after a step: the answers found so far, and the hypotheses that go on: tokens [B, K, T] and log_probs [B, K]."""

    found: Hypotheses
    tokens: Tensor
    alive: Tensor


def along(state: State, change: Callable[[Tensor], Tensor]) -> State:
    """The state with every tensor of it changed."""
    if state is None or isinstance(state, Tensor):
        return None if state is None else change(state)
    return tuple(along(part, change) for part in state)


def greedy(step: Step, state: State, begin: int, end: int, longest: Tensor) -> Hypotheses:
    """The likeliest token each time, until `end` or, at `longest` int64 [B] tokens with the end, by force."""
    return _one_by_one(step, state, begin, end, longest, lambda log_probs: log_probs.argmax(-1))


def sample(
    step: Step,
    state: State,
    begin: int,
    end: int,
    longest: Tensor,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> Hypotheses:
    """A token drawn each time; see `sampling.distribution`. Raises ValueError for what it raises it."""
    draw = generator(seed)

    def choose(log_probs: Tensor) -> Tensor:
        probs = distribution(log_probs, temperature, top_k, top_p)
        return torch.multinomial(probs.cpu(), 1, generator=draw)[:, 0].to(log_probs.device)

    return _one_by_one(step, state, begin, end, longest, choose)


def _one_by_one(
    step: Step, state: State, begin: int, end: int, longest: Tensor, choose: Callable[[Tensor], Tensor]
) -> Hypotheses:
    batch = len(longest)
    last = longest.new_full((batch, 1), begin)
    done = torch.zeros(batch, dtype=torch.bool, device=longest.device)
    total, written = torch.zeros(batch, device=longest.device), []
    for time in range(int(longest.max())):
        log_probs, state, _ = step(last, state)
        log_probs = _only_end(log_probs, end, longest == time + 1)[:, 0]
        token = torch.where(done, end, choose(log_probs))
        total = total + torch.where(done, 0.0, log_probs.gather(1, token[:, None])[:, 0])
        done = done | (token == end)
        if bool(done.all()):
            break
        written.append(token)
        last = token[:, None]
    tokens = torch.stack(written, 1)[:, None] if written else longest.new_empty((batch, 1, 0))
    return Hypotheses(tokens, (tokens != end).sum(-1), total[:, None], total[:, None])


def beam(
    step: Step,
    state: State,
    begin: int,
    end: int,
    longest: Tensor,
    *,
    width: int = 5,
    n_best: int = 1,
    length_penalty: float = 0.0,
    coverage_penalty: float = 0.0,
    source_mask: Tensor | None = None,
    exact: bool = False,
) -> Hypotheses:
    """Beam search (Graves 2012; Sutskever 2014) over all sentences at once.

    A finished hypothesis y of |y| tokens, its end included, is ranked by (Wu 2016, equation 14)
        log p(y) / ((5 + |y|) / 6)^length_penalty + coverage_penalty sum_i log min(sum_j attention_ji, 1).
    `longest` int64 [B] bounds |y|; source_mask [B, S] says which positions the second sum goes over. state holds one
    hypothesis of each sentence, tensors [B, 1, ...].

    The greedy hypothesis is one of the beams until it ends, so that no answer is ranked below it. The search ends when nothing
    unfinished would overtake the answers found if it ended next; with `exact`, if it ended at any length, which with a
    length_penalty takes about three times as many steps. Departure from Wu: every beam's ending is a candidate at every step.

    Raises ValueError for a width or n_best below 1, n_best above the width, or a negative penalty.
    """
    given = {"length_penalty": length_penalty, "coverage_penalty": coverage_penalty, "source_mask": source_mask}
    for last in beaming(step, state, begin, end, longest, width=width, n_best=n_best, exact=exact, **given):  # type: ignore[arg-type]
        found = last.found
    return found._replace(tokens=found.tokens[..., : max(1, int(found.lengths.max()))])


def beaming(
    step: Step,
    state: State,
    begin: int,
    end: int,
    longest: Tensor,
    *,
    width: int = 5,
    n_best: int = 1,
    length_penalty: float = 0.0,
    coverage_penalty: float = 0.0,
    source_mask: Tensor | None = None,
    exact: bool = False,
) -> Iterator[Standing]:
    """`beam`, step by step: how it stands after each, the last being its end."""
    if not 1 <= n_best <= width:
        raise ValueError(f"width is {width} and n_best {n_best}; both are at least 1, and n_best is at most width")
    if length_penalty < 0 or coverage_penalty < 0:
        raise ValueError("length_penalty and coverage_penalty are at least 0")
    batch, device, most = len(longest), longest.device, int(longest.max())
    rows = torch.arange(batch, device=device)
    state = along(state, lambda part: part.expand(-1, width, *part.shape[2:]))
    last = longest.new_full((batch, width), begin)
    alive = torch.full((batch, width), -torch.inf, device=device)
    alive[:, 0] = 0.0
    history = longest.new_full((batch, width, most), end)
    leader = longest.new_zeros(batch)  # the beam that holds the greedy hypothesis, or -1 once that has ended
    covered: Tensor | None = None
    found = Hypotheses(
        history[:, :1].expand(-1, n_best, -1),
        longest.new_zeros((batch, n_best)),
        alive.new_full((batch, n_best), -torch.inf),
        alive.new_full((batch, n_best), -torch.inf),
    )
    for time in range(most):
        log_probs, state, attention = step(last, state)
        vocabulary = log_probs.shape[-1]
        choice = _only_end(log_probs, end, longest == time + 1)
        if coverage_penalty and attention is not None:
            covered = attention if covered is None else covered + attention
        whole = alive[..., None] + choice
        ended = whole[..., end]
        scores = ended / _length(time + 1, length_penalty)
        if covered is not None:
            logs = covered.clamp(1e-12, 1.0).log()
            logs = logs if source_mask is None else logs.masked_fill(~source_mask[:, None], 0.0)
            scores = scores + coverage_penalty * logs.sum(-1)
        found = _best(found, Hypotheses(history, torch.full_like(last, time), ended, scores), n_best)
        whole[..., end] = -torch.inf
        alive, flat = whole.flatten(1).topk(width, sorted=True)
        leader, alive, flat = _keep_leader(leader, choice, whole, alive, flat, end)
        parent, token = flat // vocabulary, flat % vocabulary
        at = (rows[:, None], parent)
        state = along(state, lambda part, at=at: part[at])  # type: ignore[misc]
        covered = None if covered is None else covered[at]
        history = history[at]
        history[..., time] = token
        last = token
        furthest = longest if exact else longest.clamp(max=time + 2)
        bound = alive.amax(1) / _length(furthest, length_penalty)  # log p only falls
        over = bool(((found.scores[:, -1] >= bound) & (leader < 0)).all())
        yield Standing(found, history[..., : time + 1], alive)
        if over:
            return


def settled(standing: Standing) -> Tensor:
    """The tokens int64 [T] with which every answer to the first sentence that may still win begins."""
    may: list[Tensor] = [
        tokens for tokens, p in zip(standing.tokens[0], standing.alive[0], strict=True) if p > -torch.inf
    ]
    if float(standing.found.scores[0, 0]) > -torch.inf:
        may.append(standing.found.tokens[0, 0, : int(standing.found.lengths[0, 0])])
    if not may:
        return standing.tokens[0, 0, :0]
    least = min(len(tokens) for tokens in may)
    alike = torch.stack([tokens[:least] == may[0][:least] for tokens in may]).all(0)
    return may[0][: int(alike.int().cumprod(0).sum())]


def _keep_leader(
    leader: Tensor, choice: Tensor, whole: Tensor, alive: Tensor, flat: Tensor, end: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Puts the greedy hypothesis in place of the last beam where it is none: (its beam, alive, flat)."""
    held = leader.clamp(min=0)[:, None]
    likeliest = choice.gather(1, held[..., None].expand(-1, -1, choice.shape[-1])).argmax(-1)  # [B, 1]
    goes_on = (leader >= 0) & (likeliest[:, 0] != end)
    wanted = held * choice.shape[-1] + likeliest
    there = flat == wanted
    put = goes_on & ~there.any(1)
    flat, alive = flat.clone(), alive.clone()
    flat[:, -1] = torch.where(put, wanted[:, 0], flat[:, -1])
    alive[:, -1] = torch.where(put, whole.flatten(1).gather(1, wanted)[:, 0], alive[:, -1])
    place = torch.where(put, flat.shape[1] - 1, there.int().argmax(1))
    return torch.where(goes_on, place, -1), alive, flat


def _best(found: Hypotheses, new: Hypotheses, count: int) -> Hypotheses:
    """The `count` best of both."""
    both = [torch.cat(pair, 1) for pair in zip(found, new, strict=True)]
    _, order = both[3].topk(count, dim=1, sorted=True)
    tokens = both[0].gather(1, order[..., None].expand(-1, -1, both[0].shape[2]))
    return Hypotheses(tokens, *(part.gather(1, order) for part in both[1:]))


def _only_end(log_probs: Tensor, end: int, must: Tensor) -> Tensor:
    """Leaves nothing but the end in the sentences [B] that must end now."""
    if not bool(must.any()):
        return log_probs
    others = torch.arange(log_probs.shape[-1], device=log_probs.device) != end
    return log_probs.masked_fill(must[:, None, None] & others, -torch.inf)


def _length(tokens: Tensor | int, penalty: float) -> Any:
    return ((5 + tokens) / 6) ** penalty
