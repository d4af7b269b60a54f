"""Pictures read as sequences: what every recurrent model that scans pictures shares around its core.

The core is the RNN, LSTM or GRU of layers/recurrence. Legend: B batch, C channels, Y, X sides in pixels, T steps, K classes.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class RecurrentImageClassifier(nn.Module):
    """images [B, C, Y, X] -> logits [B, K]: the picture is read from its top left corner, and judged after its last step.

    Equations: x_t = row t of all channels, or x_t = pixel t of all channels, row after row; (h_t, state_t) =
    core(x_t, state_{t-1}); logits = W h_T + b. Pixel by pixel it is sequential MNIST (Le, Jaitly & Hinton 2015).
    """

    def __init__(
        self,
        core: Callable[..., nn.Module],
        image_shape: tuple[int, int, int],
        num_classes: int,
        scan: str,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        **cell: Any,
    ) -> None:
        super().__init__()
        channels, _, width = image_shape
        self.by_pixel = scan == "pixels"
        between = dropout if num_layers > 1 else 0.0
        inputs = channels if self.by_pixel else channels * width
        self.recurrent = core(inputs, hidden_size, num_layers, batch_first=True, dropout=between, **cell)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """images [B, C, Y, X] -> logits [B, K]."""
        steps = images.permute(0, 2, 3, 1).flatten(1, 2) if self.by_pixel else images.transpose(1, 2).flatten(2)
        hidden, _ = self.recurrent(steps)
        logits: Tensor = self.output(self.dropout(hidden[:, -1]))
        return logits
