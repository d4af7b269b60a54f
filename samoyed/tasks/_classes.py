"""What tasks share that say which class a thing belongs to: learning the classes, what was found, measuring, answering.

Legend: B batch, K classes.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from samoyed.errors import DataError, printable
from samoyed.objectives import Mean
from samoyed.splitting import stratified
from samoyed.tasks import Metric, Split

REPORTED = {
    "error": Metric("%", percent=True),
    "balanced error": Metric("%", percent=True),
    "loss": Metric("nats"),
}


def divided(parts: dict[str, list[Any]], seed: int, noun: str, values: str) -> Split:
    """The splits, drawn per class; `values` is the field that makes two examples equal. Raises DataError where one is empty."""
    for name, examples in parts.items():
        if not examples:
            raise DataError(f"no {noun} in {'the data' if name == 'all' else f'the {name} split'} can be read")
    return stratified(parts, seed, label=lambda e: e.label or "", content=lambda e: getattr(e, values).tobytes())


def learned(examples: Sequence[Any]) -> tuple[list[str], list[int]]:
    """The classes in the order of their names, and how many examples each has. Raises DataError where there is one alone."""
    counts = Counter(str(e.label) for e in examples)
    if len(counts) < 2:
        raise DataError(
            f"only one class was found ({printable(next(iter(counts)))}), and one class leaves nothing to tell apart",
            where=Path(examples[0].origin).parent,
            remedy="add a second folder, for example of everything that is not of that class",
        )
    return sorted(counts), [counts[name] for name in sorted(counts)]


def listed(examples: Sequence[Any], noun: str, about: str) -> list[tuple[str, str]]:
    """What was found: the classes with counts, what is known of the examples, how often guessing errs, and rare classes."""
    common = Counter(str(e.label) for e in examples).most_common()
    names = [f"{name} {count:,}" for name, count in common[:12]] + (["..."] if len(common) > 12 else [])
    lines = [
        ("classes", printable(f"{len(common)}: {', '.join(names)}")),
        (noun, about),
        ("guessing", f"the most frequent class is wrong of {1 - common[0][1] / len(examples):.1%}"),
    ]
    rare = [name for name, count in common if count < 10]
    if rare:
        lines.append(("note", printable(f"fewer than 10 {noun} of {', '.join(rare[:8])}: expect little there")))
    return lines


def labels_of(examples: Sequence[Any], classes: list[str]) -> Tensor:
    """The place of each example's class, -1 for one that training did not see: int64 [B].

    Raises DataError where all are named and none was learned.
    """
    index = {name: i for i, name in enumerate(classes)}
    labels = torch.tensor([index.get(str(e.label), -1) for e in examples], dtype=torch.int64)
    if bool((labels < 0).all()) and any(e.label is not None for e in examples):
        theirs = ", ".join(sorted({printable(str(e.label)) for e in examples})[:5])
        raise DataError(
            f"none of its classes ({theirs}) is one that was learned ({printable(', '.join(classes[:5]))})",
            where=examples[0].origin,
            remedy="name folders or labels as in training",
        )
    return labels


def balanced(counts: list[int], kind: str, device: torch.device) -> Tensor | None:
    """The weight of each class in the loss [K] that makes all count alike, or None for `kind` none."""
    if kind == "none":
        return None
    return sum(counts) / (len(counts) * torch.tensor(counts, device=device))


def measured(log_probs: Tensor, labels: Tensor) -> dict[str, Mean]:
    """Each of `REPORTED`: log_probs [B, K], labels int64 [B], of which -1 can only be missed."""
    known = labels.clamp(min=0)
    true = functional.one_hot(known, log_probs.shape[1]).float() * (labels >= 0)[:, None]
    wrong = (log_probs.argmax(-1) != labels).float()
    return {
        "error": Mean.of(wrong),
        "balanced error": Mean(true * wrong[:, None], true),
        "loss": Mean.of(-log_probs.gather(1, known[:, None])[:, 0]),
    }


def ranked(classes: list[str], probs: list[float]) -> dict[str, Any]:
    """The likeliest class, and the probability of each, the likeliest first."""
    pairs = sorted(zip(classes, probs, strict=True), key=lambda pair: -pair[1])
    return {"label": pairs[0][0], "probs": dict(pairs)}


def said(answer: dict[str, Any]) -> str:
    """An answer in one line."""
    first = [f"{name} {p:.1%}" for name, p in list(answer["probs"].items())[:3]]
    return printable(f"{answer['input']}: {answer['label']}  ({', '.join(first)})")
