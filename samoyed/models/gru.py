"""Gated recurrent unit (Cho et al. 2014).

r, z = logistic(W x_t + U h_{t-1} + b), one W, U, b each; n = tanh(W x_t + b + r (U h_{t-1} + c)), or with reset=before
n = tanh(W x_t + b + U (r h_{t-1}) + c); h_t = (1 - z) n + z h_{t-1}. Computed by layers/recurrence. The language model, the
forecaster, the classifiers and the tagger are forms of one architecture; a task takes the one whose sizes it
supplies. Departure: by default the reset gate multiplies U h after the product, as in cuDNN, where the paper resets h before it.
"""

from typing import Literal

from samoyed.layers import recurrence
from samoyed.layers.recurrent import RecurrentForecaster, RecurrentLanguageModel
from samoyed.layers.recurrent_frames import RecurrentFrameClassifier
from samoyed.layers.recurrent_texts import RecurrentTagger, RecurrentTextClassifier
from samoyed.layers.scanning import RecurrentImageClassifier
from samoyed.settings import Count, Share


class GRULanguageModel(RecurrentLanguageModel):
    """tokens [B, T] -> logits [B, T, V] of the token after each, through a gated recurrent unit.

    Args:
        vocab_size: Number of tokens.
        embedding_size: Numbers that stand for a token.
        hidden_size: Units per layer.
        num_layers: Layers, each reading the one below.
        dropout: Probability with which a number of the embedding, of a layer's answer, or of the last hidden state is left
            out of a training step.
        tied: Whether the output's weights are the embedding's (Inan 2017; Press & Wolf 2017).
        variational: Whether dropout leaves out the same numbers at every step of a chunk (Gal & Ghahramani 2016).
        weight_dropout: Probability with which a weight from state to state is left out of a training step (Merity 2018).
        reset: Whether r multiplies U h after the product, as in cuDNN, or h before it, as in the paper.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        embedding_size: Count = 64,
        hidden_size: Count = 256,
        num_layers: Count = 1,
        dropout: Share = 0.0,
        tied: bool = False,
        variational: bool = False,
        weight_dropout: Share = 0.0,
        reset: Literal["after", "before"] = "after",
    ) -> None:
        super().__init__(
            recurrence.GRU,
            vocab_size,
            embedding_size,
            hidden_size,
            num_layers,
            dropout,
            tied,
            variational,
            weight_dropout,
            reset=reset,
        )


class GRUForecaster(RecurrentForecaster):
    """past [B, T, F] -> future [B, horizon], through a gated recurrent unit.

    Args:
        input_size: Features per step.
        horizon: Steps ahead.
        hidden_size: Units per layer.
        num_layers: Layers, each reading the one below.
        dropout: Probability with which a number between layers, or of the last hidden state, is left out of a training step.
        reset: Whether r multiplies U h after the product, as in cuDNN, or h before it, as in the paper.
    """

    def __init__(
        self,
        *,
        input_size: int,
        horizon: int,
        hidden_size: Count = 64,
        num_layers: Count = 1,
        dropout: Share = 0.0,
        reset: Literal["after", "before"] = "after",
    ) -> None:
        super().__init__(
            recurrence.GRU,
            input_size,
            horizon,
            hidden_size,
            num_layers,
            dropout,
            reset=reset,
        )


class GRUImageClassifier(RecurrentImageClassifier):
    """images [B, C, Y, X] -> logits [B, K] of the picture's class, read by rows or pixels through gated recurrent units.

    Args:
        image_shape: Channels, height, width of a picture.
        num_classes: Number of classes.
        scan: What a step reads: a row of the picture, or one pixel, row after row.
        hidden_size: Units per layer.
        num_layers: Layers, each reading the one below.
        dropout: Probability with which a number between layers, or of the last hidden state, is left out of a training step.
        reset: Whether r multiplies U h after the product, as in cuDNN, or h before it, as in the paper.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        scan: Literal["rows", "pixels"] = "rows",
        hidden_size: Count = 128,
        num_layers: Count = 1,
        dropout: Share = 0.0,
        reset: Literal["after", "before"] = "after",
    ) -> None:
        super().__init__(
            recurrence.GRU,
            image_shape,
            num_classes,
            scan,
            hidden_size,
            num_layers,
            dropout,
            reset=reset,
        )


class GRUTextClassifier(RecurrentTextClassifier):
    """tokens [B, T] -> logits [B, K] of the whole text's class, through gated recurrent units."""

    core = recurrence.GRU


class GRUTagger(RecurrentTagger):
    """tokens [B, T] -> logits [B, T, K] of each token's tag, through gated recurrent units."""

    core = recurrence.GRU


class GRUSoundClassifier(RecurrentFrameClassifier):
    """frames [B, T, F] -> logits [B, K] of the whole recording's class, through gated recurrent units."""

    core = recurrence.GRU
