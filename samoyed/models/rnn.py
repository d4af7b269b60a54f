"""Simple recurrent network: h_t = f(W x_t + b + U h_{t-1} + c) (Elman 1990; trained through time, Werbos 1990).

f is tanh, or ReLU; with lags > 1 states before h_{t-1} enter too (Lin et al. 1996). Computed by layers/recurrence. The language
model, the forecaster, the classifiers and the tagger are forms of one architecture; a task takes the one whose sizes it supplies.
Departure: with identity=true W is drawn as otherwise, where Le, Jaitly & Hinton (2015) draw it from a normal distribution of
deviation 0.001.
"""

from typing import Literal

from samoyed.layers import recurrence
from samoyed.layers.recurrent import RecurrentForecaster, RecurrentLanguageModel
from samoyed.layers.recurrent_frames import RecurrentFrameClassifier
from samoyed.layers.recurrent_texts import RecurrentTagger, RecurrentTextClassifier
from samoyed.layers.scanning import RecurrentImageClassifier
from samoyed.settings import Count, Share


class RNNLanguageModel(RecurrentLanguageModel):
    """tokens [B, T] -> logits [B, T, V] of the token after each, through a simple recurrent network.

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
        nonlinearity: The function f of a unit.
        identity: Whether U starts as the identity and b, c as 0: with relu the IRNN (Le, Jaitly & Hinton 2015).
        lags: States back that a unit sees: h_{t-1}, ..., h_{t-lags} (Lin 1996); more than 1 is slower.
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
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        identity: bool = False,
        lags: Count = 1,
    ) -> None:
        super().__init__(
            recurrence.RNN,
            vocab_size,
            embedding_size,
            hidden_size,
            num_layers,
            dropout,
            tied,
            variational,
            weight_dropout,
            nonlinearity=nonlinearity,
            identity=identity,
            lags=lags,
        )


class RNNForecaster(RecurrentForecaster):
    """past [B, T, F] -> future [B, horizon], through a simple recurrent network.

    Args:
        input_size: Features per step.
        horizon: Steps ahead.
        hidden_size: Units per layer.
        num_layers: Layers, each reading the one below.
        dropout: Probability with which a number between layers, or of the last hidden state, is left out of a training step.
        nonlinearity: The function f of a unit.
        identity: Whether U starts as the identity and b, c as 0: with relu the IRNN (Le, Jaitly & Hinton 2015).
        lags: States back that a unit sees: h_{t-1}, ..., h_{t-lags} (Lin 1996); more than 1 is slower.
    """

    def __init__(
        self,
        *,
        input_size: int,
        horizon: int,
        hidden_size: Count = 64,
        num_layers: Count = 1,
        dropout: Share = 0.0,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        identity: bool = False,
        lags: Count = 1,
    ) -> None:
        super().__init__(
            recurrence.RNN,
            input_size,
            horizon,
            hidden_size,
            num_layers,
            dropout,
            nonlinearity=nonlinearity,
            identity=identity,
            lags=lags,
        )


class RNNImageClassifier(RecurrentImageClassifier):
    """images [B, C, Y, X] -> logits [B, K] of the picture's class, read by rows or pixels through a simple recurrent network.

    Args:
        image_shape: Channels, height, width of a picture.
        num_classes: Number of classes.
        scan: What a step reads: a row of the picture, or one pixel, row after row.
        hidden_size: Units per layer.
        num_layers: Layers, each reading the one below.
        dropout: Probability with which a number between layers, or of the last hidden state, is left out of a training step.
        nonlinearity: The function f of a unit.
        identity: Whether U starts as the identity and b, c as 0: with relu the IRNN (Le, Jaitly & Hinton 2015).
        lags: States back that a unit sees: h_{t-1}, ..., h_{t-lags} (Lin 1996); more than 1 is slower.
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
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        identity: bool = False,
        lags: Count = 1,
    ) -> None:
        super().__init__(
            recurrence.RNN,
            image_shape,
            num_classes,
            scan,
            hidden_size,
            num_layers,
            dropout,
            nonlinearity=nonlinearity,
            identity=identity,
            lags=lags,
        )


class RNNTextClassifier(RecurrentTextClassifier):
    """tokens [B, T] -> logits [B, K] of the whole text's class, through a simple recurrent network."""

    core = recurrence.RNN


class RNNTagger(RecurrentTagger):
    """tokens [B, T] -> logits [B, T, K] of each token's tag, through a simple recurrent network."""

    core = recurrence.RNN


class RNNSoundClassifier(RecurrentFrameClassifier):
    """frames [B, T, F] -> logits [B, K] of the whole recording's class, through a simple recurrent network."""

    core = recurrence.RNN
