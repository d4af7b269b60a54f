"""LeNet's layers as numbers: for the peers that build it themselves, and for counting its work."""

from dataclasses import dataclass

from benchmarks.rows import Work

_MAPS, _UNITS, _KERNEL = (6, 16), (120, 84), 5
_FORMULA = (
    "FLOP: 2 per multiply-add, three products per weighted layer (output, weight gradient, input gradient; none for the "
    "pictures). Bytes: each product's tensors once, and 7 per parameter for Adam"
)


@dataclass(frozen=True)
class Sizes:
    """image_shape is channels, height, width; both sides must be at least 24, as nothing but the first layer is padded."""

    image_shape: tuple[int, int, int]
    num_classes: int

    def __post_init__(self) -> None:
        if min(self.image_shape[1:]) < 24:
            raise ValueError("below 24 x 24 LeNet pads its second convolution too")

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of the last maps."""
        return (self.image_shape[1] // 2 - 4) // 2, (self.image_shape[2] // 2 - 4) // 2

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of the parameters in PyTorch's order and layout: weight, bias, weight, bias ..."""
        flat = _MAPS[1] * self.sides[0] * self.sides[1]
        weights: list[tuple[int, ...]] = [
            (_MAPS[0], self.image_shape[0], _KERNEL, _KERNEL),
            (_MAPS[1], _MAPS[0], _KERNEL, _KERNEL),
            (_UNITS[0], flat),
            (_UNITS[1], _UNITS[0]),
            (self.num_classes, _UNITS[1]),
        ]
        return [shape for weight in weights for shape in (weight, weight[:1])]

    def work(self, batch: int) -> Work:
        """Of one training step on `batch` pictures."""
        channels, height, width = self.image_shape
        second = (height // 2 - 4) * (width // 2 - 4)
        positions = (height * width, second, 1, 1, 1)  # where each weight is used in one picture
        inputs = (channels * height * width, _MAPS[0] * (height // 2) * (width // 2), self.shapes[4][1], *_UNITS)
        outputs = (_MAPS[0] * height * width, _MAPS[1] * second, *_UNITS, self.num_classes)
        operations, numbers, parameters = 0, 0, 0
        for i, (weight, used) in enumerate(zip(self.shapes[::2], positions, strict=True)):
            size = 1
            for axis in weight:
                size *= axis
            operations += 2 * size * used * batch * (3 if i else 2)
            numbers += batch * (inputs[i] * (3 if i else 2) + 2 * outputs[i]) + 3 * size
            parameters += size + weight[0]
        return Work(float(operations), 4.0 * (numbers + 7 * parameters), _FORMULA)
