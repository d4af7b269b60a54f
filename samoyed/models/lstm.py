"""Long short-term memory (Hochreiter & Schmidhuber 1997), with the forget gate of Gers, Schmidhuber & Cummins 2000.

i, f, o = logistic(W x_t + U h_{t-1} + b), one W, U, b each; g = tanh(W x_t + U h_{t-1} + b);
c_t = f c_{t-1} + i g; h_t = o tanh(c_t). Computed by layers/recurrence. The language model and the forecaster are two forms of one
architecture; a task takes the one whose sizes it supplies. Departure: no peephole connections.
"""

from samoyed.layers import recurrence
from samoyed.layers.recurrent import RecurrentForecaster, RecurrentLanguageModel


class LSTMLanguageModel(RecurrentLanguageModel):
    """tokens [B, T] -> logits [B, T, V] of the token after each, through long short-term memory."""

    core = recurrence.LSTM


class LSTMForecaster(RecurrentForecaster):
    """past [B, T, F] -> future [B, horizon], through long short-term memory."""

    core = recurrence.LSTM
