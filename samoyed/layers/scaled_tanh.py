"""The squashing function of LeNet-5, f(a) = 1.7159 tanh(2 a / 3): f(1) = 1, f(-1) = -1 (LeCun, Bottou, Bengio & Haffner 1998).

There its slope changes fastest, so that targets of 1 and -1 are reached without saturation.
"""

from torch import Tensor, nn


class ScaledTanh(nn.Module):
    """a of any shape -> the same shape, between -1.7159 and 1.7159."""

    def forward(self, a: Tensor) -> Tensor:
        """a of any shape -> the same shape."""
        squashed: Tensor = 1.7159 * (a * (2 / 3)).tanh()
        return squashed
