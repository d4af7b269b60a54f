"""One linear layer: y = W x + b.

With softmax and cross-entropy it is multinomial logistic regression, whose classes are divided by half-spaces (the perceptron's
family, Rosenblatt 1958); with squared error on a series' past it is an autoregression. No departure.
"""

import math

from torch import Tensor, nn


class Linear(nn.Module):
    """x [B, *input_shape] -> [B, output_size], computed on all of x laid in one row.

    Args:
        input_shape: Shape of one example.
        output_size: Numbers per answer.
    """

    def __init__(self, *, input_shape: tuple[int, ...], output_size: int) -> None:
        super().__init__()
        self.output = nn.Linear(math.prod(input_shape), output_size)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, *input_shape] -> logits or values [B, output_size]."""
        y: Tensor = self.output(x.flatten(1))
        return y
