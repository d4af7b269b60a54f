"""Long short-term memory (Hochreiter & Schmidhuber 1997), with the forget gate of Gers, Schmidhuber & Cummins 2000.

i, f, o = logistic(W x_t + U h_{t-1} + b), one W, U, b each; g = tanh(W x_t + U h_{t-1} + b);
c_t = f c_{t-1} + i g; h_t = o tanh(c_t). With peepholes p, p c_{t-1} enters i and f, and p c_t enters o; the other variants stand
at their settings. Computed by layers/recurrence. The language model, the forecaster, the classifiers and the tagger are
forms of one architecture; a task takes the one whose sizes it supplies. No departure.
"""

from typing import Literal

from samoyed.layers import recurrence
from samoyed.layers.recurrent import RecurrentForecaster, RecurrentLanguageModel
from samoyed.layers.recurrent_frames import RecurrentFrameClassifier
from samoyed.layers.recurrent_texts import RecurrentTagger, RecurrentTextClassifier
from samoyed.layers.scanning import RecurrentImageClassifier
from samoyed.settings import Count, Share


class LSTMLanguageModel(RecurrentLanguageModel):
    """tokens [B, T] -> logits [B, T, V] of the token after each, through long short-term memory.

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
        forget: gate as above; none keeps all of c, as in 1997; coupled has f = 1 - i (Greff 2015).
        forget_bias: Where the forget gate's bias starts: 1 to 2 keeps memory from the first step on (Gers 2000; Jozefowicz 2015);
            None draws it as any other.
        peephole: Whether c enters the gates (Gers & Schmidhuber 2000).
        layer_norm: Whether W x, U h and c are normalised before use (Ba 2016).
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
        forget: Literal["gate", "none", "coupled"] = "gate",
        forget_bias: float | None = None,
        peephole: bool = False,
        layer_norm: bool = False,
    ) -> None:
        super().__init__(
            recurrence.LSTM,
            vocab_size,
            embedding_size,
            hidden_size,
            num_layers,
            dropout,
            tied,
            variational,
            weight_dropout,
            forget=forget,
            forget_bias=forget_bias,
            peephole=peephole,
            layer_norm=layer_norm,
        )


class LSTMForecaster(RecurrentForecaster):
    """past [B, T, F] -> future [B, horizon], through long short-term memory.

    Args:
        input_size: Features per step.
        horizon: Steps ahead.
        hidden_size: Units per layer.
        num_layers: Layers, each reading the one below.
        dropout: Probability with which a number between layers, or of the last hidden state, is left out of a training step.
        forget: gate as above; none keeps all of c, as in 1997; coupled has f = 1 - i (Greff 2015).
        forget_bias: Where the forget gate's bias starts: 1 to 2 keeps memory from the first step on (Gers 2000; Jozefowicz 2015);
            None draws it as any other.
        peephole: Whether c enters the gates (Gers & Schmidhuber 2000).
        layer_norm: Whether W x, U h and c are normalised before use (Ba 2016).
    """

    def __init__(
        self,
        *,
        input_size: int,
        horizon: int,
        hidden_size: Count = 64,
        num_layers: Count = 1,
        dropout: Share = 0.0,
        forget: Literal["gate", "none", "coupled"] = "gate",
        forget_bias: float | None = None,
        peephole: bool = False,
        layer_norm: bool = False,
    ) -> None:
        super().__init__(
            recurrence.LSTM,
            input_size,
            horizon,
            hidden_size,
            num_layers,
            dropout,
            forget=forget,
            forget_bias=forget_bias,
            peephole=peephole,
            layer_norm=layer_norm,
        )


class LSTMImageClassifier(RecurrentImageClassifier):
    """images [B, C, Y, X] -> logits [B, K] of the picture's class, read by rows or pixels through long short-term memory.

    Args:
        image_shape: Channels, height, width of a picture.
        num_classes: Number of classes.
        scan: What a step reads: a row of the picture, or one pixel, row after row.
        hidden_size: Units per layer.
        num_layers: Layers, each reading the one below.
        dropout: Probability with which a number between layers, or of the last hidden state, is left out of a training step.
        forget: gate as above; none keeps all of c, as in 1997; coupled has f = 1 - i (Greff 2015).
        forget_bias: Where the forget gate's bias starts: 1 to 2 keeps memory from the first step on (Gers 2000; Jozefowicz 2015);
            None draws it as any other.
        peephole: Whether c enters the gates (Gers & Schmidhuber 2000).
        layer_norm: Whether W x, U h and c are normalised before use (Ba 2016).
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
        forget: Literal["gate", "none", "coupled"] = "gate",
        forget_bias: float | None = None,
        peephole: bool = False,
        layer_norm: bool = False,
    ) -> None:
        super().__init__(
            recurrence.LSTM,
            image_shape,
            num_classes,
            scan,
            hidden_size,
            num_layers,
            dropout,
            forget=forget,
            forget_bias=forget_bias,
            peephole=peephole,
            layer_norm=layer_norm,
        )


class LSTMTextClassifier(RecurrentTextClassifier):
    """tokens [B, T] -> logits [B, K] of the whole text's class, through long short-term memory."""

    core = recurrence.LSTM


class LSTMTagger(RecurrentTagger):
    """tokens [B, T] -> logits [B, T, K] of each token's tag, through long short-term memory."""

    core = recurrence.LSTM


class LSTMSoundClassifier(RecurrentFrameClassifier):
    """frames [B, T, F] -> logits [B, K] of the whole recording's class, through long short-term memory."""

    core = recurrence.LSTM
