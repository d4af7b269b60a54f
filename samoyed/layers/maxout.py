"""Pooling over several maps: the largest of a group, at each place (Goodfellow, Warde-Farley, Mirza, Courville & Bengio 2013).

Equation: y[o, p] = max_{j < pieces} x[o pieces + j, p]. Where max over a patch forgives a shift, max over maps forgives
whatever the maps of a group differ in. Legend: B batch, C channels.
"""

from torch import Tensor, nn


class MaxOverMaps(nn.Module):
    """x [B, C pieces, ...] -> [B, C, ...].

    Args:
        pieces: Maps of which the largest is kept.
    """

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C pieces, ...] -> [B, C, ...]."""
        return x.reshape(len(x), -1, self.pieces, *x.shape[2:]).amax(2)

    def extra_repr(self) -> str:
        """The group's size, as printing shows it."""
        return f"pieces={self.pieces}"
