"""One small net connected fully, locally, or with shared weights: what each constraint saves (LeCun 1989).

Equations: two hidden layers h = tanh(W h + b), of 3x3 and 5x5 patches that halve the map, then logits = W h + b. Every unit sees
all of the layer below (full), a patch of it (local), or a patch through weights that its whole map shares (shared): the paper's
Net-2, Net-3 and Net-5. Units are the same in number, so the three differ in their weights alone.

Departures: the output is softmax, not squared error; tanh is not scaled; weights have variance 1 / inputs (LeCun 1998).
"""

import math
from typing import Literal

from torch import Tensor, nn

from samoyed.layers.convolution import halve
from samoyed.layers.locally_connected import LocallyConnected2d
from samoyed.settings import Count


class LocalNet(nn.Module):
    """images [B, C, H, W] -> logits [B, num_classes].

    Args:
        image_shape: Channels, height, width of a picture.
        num_classes: Number of classes.
        connections: What a hidden unit sees, and whether units of a map share their weights.
        maps: Maps of the first hidden layer; the second has twice as many.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        connections: Literal["full", "local", "shared"] = "local",
        maps: Count = 4,
    ) -> None:
        super().__init__()
        shape = image_shape
        layers: list[nn.Module] = []
        for kernel, outputs in ((3, maps), (5, 2 * maps)):
            stride, sides = halve((shape[1], shape[2]))
            after = (outputs, *sides)
            inputs = shape[0] * kernel * kernel
            layer: nn.Module
            if connections == "shared":
                layer = nn.Conv2d(shape[0], outputs, kernel, stride, padding=kernel // 2)
            elif connections == "local":
                layer = LocallyConnected2d(
                    image_shape=shape, outputs=outputs, kernel=kernel, stride=stride, padding=kernel // 2
                )
            else:
                inputs = math.prod(shape)
                layer = nn.Sequential(nn.Flatten(), nn.Linear(inputs, math.prod(after)), nn.Unflatten(1, after))
            for parameter in layer.parameters():
                if parameter.ndim > 1 and connections != "local":
                    nn.init.uniform_(parameter, -math.sqrt(3 / inputs), math.sqrt(3 / inputs))
            layers += [layer, nn.Tanh()]
            shape = after
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.output = nn.Linear(math.prod(shape), num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """images [B, C, H, W] -> logits [B, num_classes]."""
        logits: Tensor = self.output(self.features(images))
        return logits
