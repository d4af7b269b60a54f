"""Long-term recurrent ConvNet: a ConvNet looks at each picture, an LSTM reads what it saw in order (Donahue et al. 2015).

code_t = ConvNet(x_t) (layers/frame_encoder); h_t = LSTM(code_1..code_t); logits_t = W h_t + b; logits = the mean of logits_t over t, as in the
paper, or logits_t itself where each picture is to be answered. Computed by layers/recurrence.
Departures: the ConvNet is small, has batch normalisation and starts from random weights, where the paper takes an AlexNet trained on pictures;
a second LSTM may read from the end; where each frame is answered, its neighbours are further channels of it (early fusion, Karpathy et
al. 2014), in place of the paper's optical flow.
"""

from torch import Tensor, nn

from samoyed.layers import recurrence
from samoyed.layers.frame_encoder import FrameEncoder, neighbours
from samoyed.settings import Count, Share, Whole


class LRCNClassifier(nn.Module):
    """blocks [B, C, D, H, W] -> logits [B, K].

    Args:
        block_shape: Channels, frames or slices, height, width.
        num_classes: Number of classes.
        channels: Maps of each layer of the ConvNet.
        hidden_size: Numbers that stand for a picture, and units of the LSTM in each direction.
        bidirectional: Whether a second LSTM reads from the end.
        dropout: Probability with which a number of a picture's code, or of a state, is left out of a training step.
    """

    def __init__(
        self,
        *,
        block_shape: tuple[int, int, int, int],
        num_classes: int,
        channels: tuple[Count, ...] = (16, 32),
        hidden_size: Count = 96,
        bidirectional: bool = False,
        dropout: Share = 0.3,
    ) -> None:
        super().__init__()
        self.encoder = FrameEncoder(block_shape, channels, hidden_size)
        self.recurrent = recurrence.LSTM(
            hidden_size, hidden_size, 1, batch_first=True, bidirectional=bidirectional, forget_bias=1.0
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size * (2 if bidirectional else 1), num_classes)

    def forward(self, blocks: Tensor) -> Tensor:
        """blocks [B, C, D, H, W] -> logits [B, K]."""
        return self.by_frame(blocks).mean(1)

    def by_frame(self, blocks: Tensor) -> Tensor:
        """What is answered after each picture: blocks [B, C, D, H, W] -> logits [B, D, K]."""
        hidden, _ = self.recurrent(self.dropout(self.encoder(blocks)))
        logits: Tensor = self.output(self.dropout(hidden))
        return logits


class LRCNTagger(nn.Module):
    """frames [B, T, C, H, W] -> logits [B, T, K] of each tag at each frame.

    Args:
        frame_shape: Channels, height, width.
        num_tags: Number of tags.
        channels: Maps of each layer of the ConvNet.
        hidden_size: Numbers that stand for a frame, and units of the LSTM in each direction.
        reach: Frames to each side, or before it where nothing reads from the end, that the ConvNet sees beside each frame.
        bidirectional: Whether a second LSTM reads from the end. Without it an answer rests on nothing that comes later.
        dropout: Probability with which a number of a frame's code, or of a state, is left out of a training step.
    """

    def __init__(
        self,
        *,
        frame_shape: tuple[int, int, int],
        num_tags: int,
        channels: tuple[Count, ...] = (16, 32),
        hidden_size: Count = 96,
        reach: Whole = 1,
        bidirectional: bool = True,
        dropout: Share = 0.3,
    ) -> None:
        super().__init__()
        colours, high, wide = frame_shape
        self.before, self.after = reach, reach if bidirectional else 0
        together = colours * (self.before + 1 + self.after)
        self.encoder = FrameEncoder((together, 1, high, wide), channels, hidden_size)
        self.recurrent = recurrence.LSTM(
            hidden_size, hidden_size, 1, batch_first=True, bidirectional=bidirectional, forget_bias=1.0
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size * (2 if bidirectional else 1), num_tags)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """frames [B, T, C, H, W], lengths int64 [B] -> logits [B, T, K]."""
        around = neighbours(frames, lengths, self.before, self.after)
        hidden, _ = self.recurrent(self.dropout(self.encoder.of_frames(around, lengths)), lengths=lengths)
        logits: Tensor = self.output(self.dropout(hidden))
        return logits
