"""Convolutional recurrent network for lines of text, trained by connectionist temporal classification (Shi, Bai & Yao 2017).

Graves & Schmidhuber 2009 first read handwriting so, without cutting it.

h = pooled(ReLU(conv3x3(x))), three times: height and width halved twice, and then the height alone; the columns that remain, one
for each 4 of the picture, are read by a bidirectional LSTM; p(symbol or blank at a column) = softmax(W h_t + b).
Departures: each column is normalised over its maps and rows in place of batch normalisation, so that neither company nor padding changes an answer; three
convolutions in place of seven, and the rows that they leave are read side by side.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from samoyed.layers import recurrence
from samoyed.settings import Count, Share


class CRNN(nn.Module):
    """lines [B, H, W] -> logits [B, ceil(W / 4), V] of a symbol, or the blank (index 0), at each column.

    Args:
        line_height: Rows of the picture.
        num_symbols: Symbols, the blank among them.
        width: Maps of the first convolution; the others have twice and four times as many.
        hidden_size: Units of the LSTM in each direction.
        num_layers: Layers of the LSTM.
        dropout: Probability with which a number before or after the LSTM is left out of a training step.
    """

    def __init__(
        self,
        *,
        line_height: int,
        num_symbols: int,
        width: Count = 16,
        hidden_size: Count = 96,
        num_layers: Count = 1,
        dropout: Share = 0.2,
    ) -> None:
        super().__init__()
        if line_height < 8:
            raise ValueError(f"a line of {line_height} rows is too low: it is halved three times")
        maps = (1, width, 2 * width, 4 * width)
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in zip(maps, maps[1:], strict=False))  # noqa: RUF007
        self.recurrent = recurrence.LSTM(
            4 * width * -(-line_height // 8),
            hidden_size,
            num_layers,
            batch_first=True,
            bidirectional=True,
            forget_bias=1.0,
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(2 * hidden_size, num_symbols)

    def forward(self, lines: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """lines [B, H, W], 0 where there is no ink, widths int64 [B] -> (logits [B, ceil(W / 4), V], lengths int64 [B])."""
        hidden, lengths = lines[:, None], widths
        for number, convolution in enumerate(self.convolutions):
            pool = (2, 2) if number < 2 else (2, 1)
            hidden = functional.relu(convolution(hidden))
            hidden = functional.max_pool2d(_masked(hidden, lengths), pool, ceil_mode=True)
            lengths = lengths if pool[1] == 1 else -(-lengths // 2)
            hidden = _masked(_normalised(hidden), lengths)
        columns = hidden.flatten(1, 2).transpose(1, 2)
        read, _ = self.recurrent(self.dropout(columns), lengths=lengths.cpu())
        logits: Tensor = self.output(self.dropout(read))
        return logits, lengths


def _masked(hidden: Tensor, lengths: Tensor) -> Tensor:
    """[B, C, H, W] with columns beyond the lengths [B] at 0."""
    return hidden * (torch.arange(hidden.shape[3], device=hidden.device) < lengths[:, None])[:, None, None]


def _normalised(hidden: Tensor) -> Tensor:
    """Each column over its maps and rows: mean 0 and deviation 1."""
    mean = hidden.mean((1, 2), keepdim=True)
    return (hidden - mean) / (hidden.var((1, 2), unbiased=False, keepdim=True) + 1e-2).sqrt()
