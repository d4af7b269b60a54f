"""What a picture's label is: one of several classes, or any number of labels at once. Legend: B batch, N pictures, K classes."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from samoyed.errors import UsageError, printable
from samoyed.examples import Image
from samoyed.objectives import Mean, binary_cross_entropy, classifier_loss
from samoyed.reporting import classification
from samoyed.reporting import labels as drawing
from samoyed.tasks import Metric, Picture
from samoyed.tasks._ranked import mean_average_precision

_SIGNS = {"comma": ",", "semicolon": ";", "bar": "|", "space": " "}
Targets = Sequence[Sequence[str]]


class OneLabel:
    """Each picture is of one class: a softmax over the classes."""

    least: ClassVar[int] = 2
    watch: ClassVar[str] = "error"
    reported: ClassVar[dict[str, Metric]] = {"error": Metric("%", percent=True), "loss": Metric("nats")}

    def of(self, example: Image) -> list[str]:
        """The picture's classes, by name."""
        return [str(example.label)]

    def stratum(self, examples: Sequence[Image]) -> Callable[[Image], str]:
        """What a picture counts as where the splits are drawn."""
        return lambda example: example.label or ""

    def noted(self, examples: Sequence[Image]) -> list[tuple[str, str]]:
        """What else was found, as (heading, sentence): labels that look like several in one."""
        labels = Counter(self.of(example)[0] for example in examples)
        for word in ("semicolon", "bar", "comma"):
            holding = [label for label in labels if _SIGNS[word] in label]
            parts = {part.strip() for label in labels for part in label.split(_SIGNS[word])}
            if holding and len(parts) < len(labels):
                count = sum(labels[label] for label in holding)
                return [
                    ("note", f"{count:,} labels hold {_SIGNS[word]!r}: label_separator={word} makes several of them")
                ]
        return []

    def balanced(self, counts: Sequence[int], total: int) -> list[float]:
        """Factors on the classes' losses that make each weigh alike."""
        return [total / len(counts) / count for count in counts]

    def encode(self, named: Targets, classes: Sequence[str]) -> Tensor:
        """int64 [B], -1 for a class that training did not see."""
        index = {name: i for i, name in enumerate(classes)}
        return torch.tensor([index.get(name, -1) for (name,) in named], dtype=torch.int64)

    def loss(self, model: nn.Module, shown: Tensor, labels: Tensor, smoothing: float, weights: Tensor | None) -> Mean:
        """Cross-entropy, or the model's own loss."""
        return classifier_loss(model, shown, labels, smoothing, weights)

    def metrics(self, logits: Tensor, labels: Tensor) -> dict[str, Mean]:
        """Each of `reported`, an entry per picture: logits [B, K], labels int64 [B]."""
        log_probs = logits.log_softmax(-1)
        known = labels.clamp(min=0)  # a class that training did not see can only be missed
        surprise = -log_probs.gather(1, known[:, None])[:, 0]
        return {"error": Mean.of((log_probs.argmax(-1) != labels).float()), "loss": Mean.of(surprise)}

    def probs(self, logits: Tensor) -> Tensor:
        """[B, K] -> the probability of each class [B, K]."""
        return logits.softmax(-1)

    def answer(self, ranked: dict[str, float]) -> dict[str, Any]:
        """What is said of the probabilities, the highest first."""
        return {"label": next(iter(ranked)), "probs": ranked}

    def say(self, answer: dict[str, Any]) -> str:
        """The answer as a line."""
        first = [f"{name} {p:.1%}" for name, p in list(answer["probs"].items())[:3]]
        return f"{answer['label']}  ({', '.join(first)})"

    def pictures(self, logits: Tensor, labels: Tensor, names: list[str], images: Tensor) -> list[Picture]:
        """The test split, drawn: logits [N, K], labels int64 [N], images uint8 [N, C, H, W]."""
        log_probs = logits.log_softmax(-1)
        return [
            classification.confusion(log_probs, labels, names),
            classification.mistakes(log_probs, labels, names, images),
            classification.calibration(log_probs, labels),
        ]


class SeveralLabels(OneLabel):
    """Each picture has any number of labels, parted by a sign: a logistic function for each, p_k = 1 / (1 + exp(-z_k)).

    A label is said to be there from p_k = 0.5 up. Reported are the mean over the labels of their average precisions, and the share
    of all yes-or-no answers that are wrong.
    """

    least: ClassVar[int] = 1
    watch: ClassVar[str] = "mean_average_precision"
    reported: ClassVar[dict[str, Metric]] = {
        "mean_average_precision": Metric("%", "higher", percent=True, whole=mean_average_precision),
        "error": Metric("%", percent=True),
        "loss": Metric("nats"),
    }

    def __init__(self, sign: str) -> None:
        self.sign = _SIGNS.get(sign.lower(), sign)

    def of(self, example: Image) -> list[str]:
        parts = str(example.label or "").split(self.sign)
        return sorted({part.strip() for part in parts if part.strip()})

    def stratum(self, examples: Sequence[Image]) -> Callable[[Image], str]:
        """The rarest of its labels, so that rare ones are in every split (after Sechidis 2011)."""
        counts = Counter(name for example in examples for name in self.of(example))
        return lambda example: min(self.of(example), key=lambda name: (counts[name], name), default="")

    def noted(self, examples: Sequence[Image]) -> list[tuple[str, str]]:
        each = [len(self.of(example)) for example in examples]
        none = f", {each.count(0):,} without any" if 0 in each else ""
        return [("labels", f"{sum(each) / len(each):.2g} on a picture in the mean, at most {max(each)}{none}")]

    def balanced(self, counts: Sequence[int], total: int) -> list[float]:
        """Factors on the loss of pictures that have the label: as many to one as lack it."""
        return [max(1, total - count) / count for count in counts]

    def encode(self, named: Targets, classes: Sequence[str]) -> Tensor:
        """float32 [B, K], 1 where the picture has the label; labels that training did not see are left out."""
        index = {name: i for i, name in enumerate(classes)}
        targets = torch.zeros(len(named), len(classes))
        for row, names in enumerate(named):
            targets[row, [index[name] for name in names if name in index]] = 1
        return targets

    def loss(self, model: nn.Module, shown: Tensor, labels: Tensor, smoothing: float, weights: Tensor | None) -> Mean:
        if hasattr(model, "loss"):
            raise UsageError(
                f"{type(model).__name__} has a loss of its own, for one label a picture", remedy="choose another model"
            )
        return binary_cross_entropy(model(shown), labels, smoothing, weights)

    def metrics(self, logits: Tensor, labels: Tensor) -> dict[str, Mean]:
        rows = torch.cat([logits, labels.to(logits.dtype)], 1)
        surprise = nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction="none")
        wrong = ((logits >= 0) != (labels >= 0.5)).float()
        return {
            "mean_average_precision": Mean(rows, torch.ones_like(rows)),
            "error": Mean.of(wrong.mean(1)),
            "loss": Mean.of(surprise.mean(1)),
        }

    def probs(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()

    def answer(self, ranked: dict[str, float]) -> dict[str, Any]:
        return {"labels": [name for name, p in ranked.items() if p >= 0.5], "probs": ranked}

    def say(self, answer: dict[str, Any]) -> str:
        first = [f"{name} {p:.1%}" for name, p in list(answer["probs"].items())[: max(3, len(answer["labels"]))]]
        return f"{', '.join(answer['labels']) or 'no label'}  ({', '.join(first)})"

    def pictures(self, logits: Tensor, labels: Tensor, names: list[str], images: Tensor) -> list[Picture]:
        each = torch.stack([nn.functional.logsigmoid(-logits), nn.functional.logsigmoid(logits)], -1).flatten(0, 1)
        return [
            drawing.precisions(logits, labels, names),
            drawing.answers(logits, labels, names, images),
            classification.calibration(each, labels.long().flatten(), noun="answers"),
        ]


def labelling(sign: str | None) -> OneLabel:
    """One label a picture, or several that are parted by `sign`, one of the words comma, semicolon, bar and space or the sign itself.
    Raises UsageError for a sign that is none."""
    if sign is None:
        return OneLabel()
    if sign.isalnum() and sign.lower() not in _SIGNS:
        words = ", ".join(_SIGNS)
        raise UsageError(
            f"label_separator={printable(sign)} is no sign", remedy=f"write {words}, or the sign in quotes"
        )
    return SeveralLabels(sign)
