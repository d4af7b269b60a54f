"""Single-frame ConvNet: each picture is answered alone, in whatever order they come, and the answers are averaged (Karpathy et al. 2014).

logits_t = W ConvNet(x_t) + b (layers/frame_encoder); logits = the mean of logits_t over t. What only the order of pictures tells, such as the
direction of a movement, it cannot learn: it is what a network for video has to beat. Departure: a small ConvNet with batch
normalisation.
"""

from torch import Tensor, nn

from samoyed.layers.frame_encoder import FrameEncoder
from samoyed.settings import Count, Share


class FrameConvClassifier(nn.Module):
    """blocks [B, C, D, H, W] -> logits [B, K].

    Args:
        block_shape: Channels, frames or slices, height, width.
        num_classes: Number of classes.
        channels: Maps of each layer of the ConvNet.
        hidden_size: Numbers that stand for a picture.
        dropout: Probability with which a number of a picture's code is left out of a training step.
    """

    def __init__(
        self,
        *,
        block_shape: tuple[int, int, int, int],
        num_classes: int,
        channels: tuple[Count, ...] = (16, 32),
        hidden_size: Count = 96,
        dropout: Share = 0.3,
    ) -> None:
        super().__init__()
        self.encoder = FrameEncoder(block_shape, channels, hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, num_classes)

    def forward(self, blocks: Tensor) -> Tensor:
        """blocks [B, C, D, H, W] -> logits [B, K]."""
        return self.by_frame(blocks).mean(1)

    def by_frame(self, blocks: Tensor) -> Tensor:
        """What is answered for each picture: blocks [B, C, D, H, W] -> logits [B, D, K]."""
        logits: Tensor = self.output(self.dropout(self.encoder(blocks)))
        return logits


class FrameConvTagger(nn.Module):
    """frames [B, T, C, H, W] -> logits [B, T, K] of each tag at each frame, which sees no other.

    Args:
        frame_shape: Channels, height, width.
        num_tags: Number of tags.
        channels: Maps of each layer of the ConvNet.
        hidden_size: Numbers that stand for a frame.
        dropout: Probability with which a number of a frame's code is left out of a training step.
    """

    def __init__(
        self,
        *,
        frame_shape: tuple[int, int, int],
        num_tags: int,
        channels: tuple[Count, ...] = (16, 32),
        hidden_size: Count = 96,
        dropout: Share = 0.3,
    ) -> None:
        super().__init__()
        colours, high, wide = frame_shape
        self.encoder = FrameEncoder((colours, 1, high, wide), channels, hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, num_tags)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """frames [B, T, C, H, W], lengths int64 [B] -> logits [B, T, K]."""
        logits: Tensor = self.output(self.dropout(self.encoder.of_frames(frames, lengths)))
        return logits
