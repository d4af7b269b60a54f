"""Multilayer network, fully connected: h_k = f(W_k h_{k-1} + b_k), y = W h_n + b (Rumelhart, Hinton & Williams 1986).

f is a rectifier (Glorot 2011; weights drawn as He 2015), tanh or logistic (weights as Glorot 2010). Options between W and f:
batch normalisation (Ioffe & Szegedy 2015); after f: dropout (Srivastava 2014).
"""

import math
from typing import Literal

from torch import Tensor, nn

from samoyed.settings import Count, Share

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "logistic": nn.Sigmoid}


class MLP(nn.Module):
    """x [B, *input_shape] -> [B, output_size], through any number of hidden layers.

    Args:
        input_shape: Shape of one example; it is laid in one row.
        output_size: Numbers per answer.
        hidden_sizes: Units of each hidden layer, from the input on.
        activation: What follows each hidden layer.
        dropout: Probability with which a hidden unit is left out of a training step.
        batch_norm: Whether each hidden layer is normalised over the batch.
    """

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        output_size: int,
        hidden_sizes: tuple[Count, ...] = (512, 256),
        activation: Literal["relu", "tanh", "logistic"] = "relu",
        dropout: Share = 0.2,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        size = math.prod(input_shape)
        for hidden in hidden_sizes:
            linear = nn.Linear(size, hidden)
            if activation == "relu":
                nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
            else:
                nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
            normalise = [nn.BatchNorm1d(hidden)] if batch_norm else []
            layers += [linear, *normalise, ACTIVATIONS[activation](), nn.Dropout(dropout)]
            size = hidden
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(size, output_size)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, *input_shape] -> logits or values [B, output_size]."""
        y: Tensor = self.output(self.hidden(x.flatten(1)))
        return y
