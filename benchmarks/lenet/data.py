"""The same pictures, labels and weights in every process, from the seed alone. Legend: N examples, C channels, H, W sides."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.lenet.sizes import Sizes

Floats = NDArray[np.float32]
_WRONG = 0.1  # share of labels drawn at random, so that the loss, and with it the gradients, never fade to 0


class Data(NamedTuple):
    """images uint8 [N, C, H, W]; labels int64 [N]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def normalised(self) -> Floats:
        """float32 [N, C, H, W], mean 0 and deviation 1 per channel."""
        scaled = self.images / 255.0
        mean, deviation = scaled.mean((0, 2, 3), keepdims=True), scaled.std((0, 2, 3), keepdims=True)
        found: Floats = ((scaled - mean) / deviation).astype(np.float32)
        return found


def pictures(settings: dict[str, Any]) -> Data:
    """One blurred pattern per class, shifted by up to 3 pixels, half of it noise."""
    draw = np.random.default_rng(settings["seed"])
    count, classes, shape = settings["examples"], settings["num_classes"], tuple(settings["image_shape"])
    patterns = draw.random((classes, *shape))
    for axis in (2, 3):
        patterns = np.mean([np.roll(patterns, by, axis) for by in range(4)], axis=0)
    patterns = (patterns - patterns.min()) / (patterns.max() - patterns.min())
    labels = draw.integers(0, classes, count)
    down, right = draw.integers(0, 4, (2, count))
    rows = (np.arange(shape[1])[None] + down[:, None]) % shape[1]
    columns = (np.arange(shape[2])[None] + right[:, None]) % shape[2]
    clear = patterns[labels[:, None, None], :, rows[:, :, None], columns[:, None, :]].transpose(0, 3, 1, 2)
    images = (127.5 * (clear + draw.random(clear.shape))).astype(np.uint8)
    wrong = draw.random(count) < _WRONG
    return Data(images, np.where(wrong, draw.integers(0, classes, count), labels).astype(np.int64))


def weights(settings: dict[str, Any]) -> list[Floats]:
    """Uniform within 1 / sqrt(inputs), biases included, as PyTorch's layers begin; in the order and layout of `Sizes.shapes`."""
    draw = np.random.default_rng(settings["seed"] + 1)
    made: list[Floats] = []
    bound = 1.0
    for shape in Sizes(tuple(settings["image_shape"]), settings["num_classes"]).shapes:
        if len(shape) > 1:
            bound = float(np.prod(shape[1:])) ** -0.5
        made.append(draw.uniform(-bound, bound, shape).astype(np.float32))
    return made
