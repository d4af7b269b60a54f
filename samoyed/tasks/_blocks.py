"""What tasks on clips and volumes share: both are blocks of pictures, one after another in time or in depth.

Legend: B batch, C channels, D frames or slices, H height, W width, K classes.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from samoyed.errors import printable
from samoyed.features.pixels import Pixels
from samoyed.objectives import Mean, cross_entropy, full
from samoyed.reporting import blocks as drawing
from samoyed.reporting import classification
from samoyed.tasks import Metric, Picture, Split, Task, _seeing_blocks
from samoyed.tasks._classes import REPORTED, balanced, labels_of, measured, ranked, said

E = TypeVar("E")


class Blocks(NamedTuple):
    """blocks uint8 [B, D, C, H, W]; labels int64 [B], -1 where it is a class that training did not see."""

    blocks: Tensor
    labels: Tensor


class BlockClassification(Task[E, Blocks]):
    """A task whose examples become blocks of one size, and whose models take them as float [B, C, D, H, W]."""

    noun: ClassVar[str]
    step: ClassVar[str]  # what one picture of a block is called
    classes: list[str]
    counts: list[int]
    pixels: Pixels
    depth: int
    augment: bool
    class_weights: str
    label_smoothing: float

    @abstractmethod
    def blocks_of(self, examples: Sequence[E]) -> Tensor:
        """uint8 [B, D, C, H, W]."""

    def sizes(self) -> dict[str, Any]:
        shape = (self.pixels.channels, self.depth, self.pixels.height, self.pixels.width)
        return {"block_shape": shape, "num_classes": len(self.classes)}

    def collate(self, examples: Sequence[E]) -> Blocks:
        return Blocks(self.blocks_of(examples), labels_of(examples, self.classes))

    def normalise(self, blocks: Tensor) -> Tensor:
        """uint8 [B, D, C, H, W] -> float32 [B, C, D, H, W], mean 0 and deviation 1 per channel over the training split."""
        return self.pixels.normalise(blocks).transpose(1, 2)

    def objective(self, model: nn.Module, batch: Blocks) -> Mean:
        weights = balanced(self.counts, self.class_weights, batch.labels.device)
        blocks = shifted(batch.blocks) if model.training and self.augment else batch.blocks
        return cross_entropy(full(model(self.normalise(blocks))), batch.labels, self.label_smoothing, weights)

    @property
    def reported(self) -> dict[str, Metric]:
        return REPORTED

    def metrics(self, model: nn.Module, batch: Blocks) -> dict[str, Mean]:
        return measured(self.log_probs(model, batch.blocks), batch.labels)

    def log_probs(self, model: nn.Module, blocks: Tensor) -> Tensor:
        """uint8 [B, D, C, H, W] -> [B, K]."""
        return full(model(self.normalise(blocks))).log_softmax(-1)

    def answer(self, model: nn.Module, example: E) -> dict[str, Any]:
        return self.answers(model, [example])[0]

    def answers(self, model: nn.Module, examples: Sequence[E], **options: Any) -> list[dict[str, Any]]:
        probs = self.log_probs(model, self.blocks_of(examples).to(self.device)).exp().tolist()
        origins: list[str] = [e.origin for e in examples]  # type: ignore[attr-defined]
        return [{"input": o} | ranked(self.classes, row) for o, row in zip(origins, probs, strict=True)]

    def say(self, answer: dict[str, Any]) -> str:
        return said(answer)

    def pictures(self, model: nn.Module, split: Split, data: dict[str, Blocks]) -> list[Picture]:
        held_out = data["test"]
        log_probs = torch.cat([self.log_probs(model, part.blocks).cpu() for part in self.batches(held_out, 64)])
        labels, blocks = held_out.labels.cpu(), held_out.blocks.cpu()
        names = [printable(name) for name in self.classes]
        return [
            drawing.seen(log_probs, labels, names, blocks, self.noun, self.step),
            classification.confusion(log_probs, labels, names, self.noun),
            drawing.mistakes(log_probs, labels, names, blocks, self.noun, self.step),
            classification.calibration(log_probs, labels, noun=self.noun),
        ]

    def explain(self, model: nn.Module, example: E) -> dict[str, Any]:
        """How far hiding parts of each frame or slice lowers the answer, as `heat` [D][H][W] and `parts`, with a sentence: JSON."""
        return _seeing_blocks.heat(self, model, example)

    def explained(self, model: nn.Module, example: E) -> list[Picture]:
        """Maps of the layers, the first filters, and which places the answer rests on."""
        return _seeing_blocks.explained(self, model, example)


def shifted(blocks: Tensor) -> Tensor:
    """Each block of uint8 [B, D, C, H, W] moved as a whole by up to an eighth of its sides, the same way in all of its pictures; what
    comes in repeats the edge. Draws from the global generator."""
    high, wide = blocks.shape[3:]
    rows, columns = (
        (torch.arange(side) + torch.randint(-(side // 8), side // 8 + 1, (len(blocks), 1)))
        .clamp(0, side - 1)
        .to(blocks.device)
        for side in (high, wide)
    )
    at = torch.arange(len(blocks), device=blocks.device)[:, None, None]
    return blocks.permute(0, 3, 4, 1, 2)[at, rows[:, :, None], columns[:, None, :]].permute(0, 3, 4, 1, 2)
