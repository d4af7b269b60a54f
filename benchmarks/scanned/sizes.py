"""A recurrent classifier's weights as numbers, and its work. Legend: I inputs of a step, H units, K classes, T steps, G gates."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.lenet.data import Floats
from benchmarks.rows import Work

_GATES = {"gru": 3, "lstm": 4}
_FORMULA = (
    "FLOP: 2 per multiply-add, three products per weight and step (output, weight gradient, input gradient; none for the "
    "pictures). Bytes: the gates and states of every step written and read once each way, and 7 per parameter for Adam"
)


@dataclass(frozen=True)
class Sizes:
    """cell is gru or lstm; scan is rows or pixels; image_shape is channels, height, width."""

    cell: str
    scan: str
    image_shape: tuple[int, int, int]
    hidden_size: int
    num_classes: int

    @classmethod
    def of(cls, settings: dict[str, Any]) -> "Sizes":
        names = ("cell", "scan", "image_shape", "hidden_size", "num_classes")
        return cls(*(tuple(v) if isinstance(v := settings[name], list) else v for name in names))

    @property
    def steps(self) -> int:
        """T."""
        _, height, width = self.image_shape
        return height * width if self.scan == "pixels" else height

    @property
    def inputs(self) -> int:
        """I."""
        channels, _, width = self.image_shape
        return channels if self.scan == "pixels" else channels * width

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of the parameters in PyTorch's order: [G H, I], [G H, H], [G H], [G H], [K, H], [K]."""
        gates, units = _GATES[self.cell] * self.hidden_size, self.hidden_size
        return [
            (gates, self.inputs),
            (gates, units),
            (gates,),
            (gates,),
            (self.num_classes, units),
            (self.num_classes,),
        ]

    def weights(self, seed: int) -> list[Floats]:
        """Uniform within 1 / sqrt(H), as PyTorch's recurrent layers begin."""
        draw, bound = np.random.default_rng(seed + 1), self.hidden_size**-0.5
        return [draw.uniform(-bound, bound, shape).astype(np.float32) for shape in self.shapes]

    def work(self, batch: int) -> Work:
        """Of one training step on `batch` pictures."""
        gates, units = _GATES[self.cell] * self.hidden_size, self.hidden_size
        each = 2 * gates * (2 * self.inputs + 3 * units)
        operations = batch * (self.steps * each + 6 * units * self.num_classes)
        numbers = batch * self.steps * 4 * (gates + 2 * units)
        parameters = sum(int(np.prod(shape)) for shape in self.shapes)
        return Work(float(operations), 4.0 * (numbers + 7 * parameters), _FORMULA)
