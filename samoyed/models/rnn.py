"""Simple recurrent network: h_t = tanh(W x_t + b + U h_{t-1} + c) (Elman 1990; trained through time, Werbos 1990).

Computed by layers/recurrence. The language model and the forecaster are two forms of one architecture; a task takes the one whose
sizes it supplies. No departure.
"""

from samoyed.layers import recurrence
from samoyed.layers.recurrent import RecurrentForecaster, RecurrentLanguageModel


class RNNLanguageModel(RecurrentLanguageModel):
    """tokens [B, T] -> logits [B, T, V] of the token after each, through a simple recurrent network."""

    core = recurrence.RNN


class RNNForecaster(RecurrentForecaster):
    """past [B, T, F] -> future [B, horizon], through a simple recurrent network."""

    core = recurrence.RNN
