"""Gated recurrent unit (Cho et al. 2014).

r, z = logistic(W x_t + U h_{t-1} + b), one W, U, b each; n = tanh(W x_t + b + r (U h_{t-1} + c)); h_t = (1 - z) n + z h_{t-1}.
Computed by layers/recurrence. The language model and the forecaster are two forms of one architecture; a task takes the one whose
sizes it supplies. Departure: the reset gate multiplies U h after the product, as in cuDNN, where the paper resets h before it.
"""

from samoyed.layers import recurrence
from samoyed.layers.recurrent import RecurrentForecaster, RecurrentLanguageModel


class GRULanguageModel(RecurrentLanguageModel):
    """tokens [B, T] -> logits [B, T, V] of the token after each, through a gated recurrent unit."""

    core = recurrence.GRU


class GRUForecaster(RecurrentForecaster):
    """past [B, T, F] -> future [B, horizon], through a gated recurrent unit."""

    core = recurrence.GRU
