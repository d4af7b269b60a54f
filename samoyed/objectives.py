"""Losses as sums and counts, so that unequal batches, micro-batches and processes pool exactly.

Legend: B batch, T time, V vocabulary or classes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from samoyed.errors import UsageError

_MOST_NUMBERS = 2**26  # of a distribution over tokens that are held at once


class Mean(NamedTuple):
    """A mean that has not been divided yet: `total`, a sum over `count` things.

    Either may hold one entry per example (`total` [B], `count` [B]), which is what intervals are made from. With one entry for
    each of K things per example ([B, K]), such as classes, what is reported is the mean of the K means.
    """

    total: Tensor
    count: Tensor  # type: ignore[assignment]

    @classmethod
    def of(cls, values: Tensor) -> "Mean":
        """One value per example: `values` [B] -> total [B], count [B] of ones."""
        return cls(values, torch.ones_like(values))

    def value(self) -> Tensor:
        """The mean itself, a scalar tensor."""
        return self.total.sum() / self.count.sum()


def full(values: Tensor) -> Tensor:
    """Half precision as float32, anything else as it is: what losses and metrics are computed from."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float = 0.0, weights: Tensor | None = None) -> Mean:
    """Softmax and cross-entropy, -sum_k q_k log p_k, in nats, summed over all targets (Bridle 1990).

    logits [..., V] float, targets [...] int64 -> scalar total and count. With `label_smoothing` e the target distribution is
    q = (1 - e) onehot + e / V (Szegedy 2016). targets float [..., V] are distributions themselves. `weights` [V] multiply the
    classes' terms; the count stays that of targets.
    """
    flat = logits.reshape(-1, logits.shape[-1])
    goal = targets.reshape(flat.shape if targets.is_floating_point() else -1)
    total = functional.cross_entropy(flat, goal, weights, reduction="sum", label_smoothing=label_smoothing)
    return Mean(total, torch.tensor(float(len(flat))))


def classifier_loss(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    label_smoothing: float = 0.0,
    weights: Tensor | None = None,
) -> Mean:
    """What a classifier minimises: the cross-entropy of its logits, or a loss of its own where it brings one.

    inputs [B, ...], targets int64 [B] or float [B, V] -> scalar total and count. A model with auxiliary classifiers, margins or a drawing
    defines `loss(inputs, targets, label_smoothing) -> Tensor`, summed over the batch, as a fitted one defines `fit`. Its
    forward still gives logits, and metrics are of those, so that models compare. Raises UsageError where a loss of its own meets
    blended targets or weights of classes, which it does not know.
    """
    own: Callable[[Tensor, Tensor, float], Tensor] | None = getattr(model, "loss", None)
    if own is None:
        return cross_entropy(model(inputs), targets, label_smoothing, weights)
    if targets.is_floating_point() or weights is not None:
        raise UsageError(
            f"{type(model).__name__} has a loss of its own, which knows neither blended labels nor weights of classes",
            remedy="leave out mixup and class_weights, or choose another model",
        )
    return Mean(own(inputs, targets, label_smoothing), torch.tensor(float(len(targets))))


def binary_cross_entropy(
    logits: Tensor, targets: Tensor, label_smoothing: float = 0.0, weights: Tensor | None = None
) -> Mean:
    """Logistic functions and cross-entropy, -q log p - (1 - q) log(1 - p), in nats: the mean over K labels, summed over a batch.

    logits [B, K], targets [B, K] from 0 to 1 -> scalar total and count B. With `label_smoothing` e the targets are
    (1 - e) q + e / 2. `weights` [K] multiply the first term, of what is there.
    """
    goal = torch.lerp(targets.to(logits.dtype), torch.full_like(logits, 0.5), label_smoothing)
    total = functional.binary_cross_entropy_with_logits(logits, goal, pos_weight=weights, reduction="sum")
    return Mean(total / logits.shape[-1], torch.tensor(float(len(logits))))


def token_scores(model: nn.Module, tokens: Tensor, vocab_size: int, state: Any = None) -> tuple[Tensor, Tensor, Any]:
    """What a language model makes of a text: tokens int64 [B, T + 1] -> (log-probability of each token after the first
    [B, T], the likeliest token at each of these places int64 [B, T], the state after the last but one).

    The distributions [B, T, V] are taken a few steps at a time, so that large vocabularies fit into memory. A model that can
    tell a token's probability without the distribution defines `score(tokens, targets, state)`, as a fitted one defines `fit`.
    """
    own: Callable[[Tensor, Tensor, Any], tuple[Tensor, Tensor, Any]] | None = getattr(model, "score", None)
    if own is not None:
        return own(tokens[:, :-1], tokens[:, 1:], state)
    found, best = [], []
    steps = max(1, _MOST_NUMBERS // (len(tokens) * vocab_size))
    for begin in range(0, tokens.shape[1] - 1, steps):
        part = tokens[:, begin : begin + steps + 1]
        logits, state = model(part[:, :-1], state)
        log_probs = full(logits).log_softmax(-1)
        found.append(log_probs.gather(-1, part[:, 1:, None])[..., 0])
        best.append(log_probs.argmax(-1))
    return torch.cat(found, 1), torch.cat(best, 1), state


def squared_error(predictions: Tensor, targets: Tensor) -> Mean:
    """sum (y - t)^2 over all entries; predictions and targets of one shape -> scalar total and count."""
    return Mean((predictions - targets).square().sum(), torch.tensor(float(targets.numel())))


def likeness_loss(kind: str, embeddings: Tensor, labels: Tensor, temperature: float = 0.1, margin: float = 0.2) -> Mean:
    """What draws embeddings of one identity together and others apart: z [B, E] of length 1, labels int64 [B] -> total and count.

    With a the anchor, P(a) the others of its identity, N(a) those of another, d = |z_a - z_b| and s = z_a . z_b / temperature:
    supcon: -mean_p log(exp s_ap / sum_b exp s_ab) over P(a), for each a that has any (Khosla 2020; NT-Xent, Chen 2020, where P(a)
    is one picture); prototypes: the same of the one prototype c_a, the mean of P(a), among the means of all identities (Snell
    2017); triplet: max(0, d_ap - d_an + margin) over all triplets above 0 (Schroff 2015); contrastive: d^2 / 2 of genuine pairs
    and max(0, 1 - d)^2 / 2 of others, both halves weighing alike (Hadsell 2006). A batch in which nothing can be compared counts 0.
    """
    labels = labels.to(embeddings.device)
    same = labels[:, None] == labels
    other, same = ~same, same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    near = embeddings @ embeddings.T
    if kind == "supcon":
        far_off = torch.eye(len(labels), device=near.device) * 1e9
        log_probs = (near / temperature - far_off).log_softmax(1)
        per_anchor = -(log_probs * same).sum(1) / same.sum(1).clamp(min=1)
        return Mean(per_anchor[same.any(1)].sum(), same.any(1).sum().float())
    if kind == "prototypes":
        found, place = torch.unique(labels, return_inverse=True)
        hot = functional.one_hot(place, len(found)).to(embeddings.dtype)
        sums, sizes = hot.T @ embeddings, hot.sum(0)
        own = (sums[place] - embeddings) / (sizes[place] - 1).clamp(min=1)[:, None]  # without the anchor itself
        scores = embeddings @ (sums / sizes[:, None]).T
        scores = torch.where(hot.bool(), (embeddings * own).sum(1, keepdim=True), scores) / temperature
        loss = functional.cross_entropy(scores, place, reduction="none")
        return Mean(loss[same.any(1)].sum(), same.any(1).sum().float())
    apart = (2 - 2 * near).clamp(min=1e-12).sqrt()
    if kind == "triplet":
        over = (apart[:, :, None] - apart[:, None, :] + margin).relu() * (same[:, :, None] & other[:, None, :])
        return Mean(over.sum(), (over > 0).sum().clamp(min=1).float())
    halves = [(apart.square() * same).sum() / same.sum().clamp(min=1)]
    halves.append(((1 - apart).relu().square() * other).sum() / other.sum().clamp(min=1))
    count = torch.tensor(float(len(labels)))
    return Mean((halves[0] + halves[1]) / 2 * count, count)
