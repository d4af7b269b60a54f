"""Listen, attend and spell: a listener hears a recording, a speller writes it letter by letter (Chan, Jaitly, Le & Vinyals 2016).

The speller looks back at what was heard for each letter.

Listener: h^0_t = [forward LSTM(x)_t; backward LSTM(x)_t]; h^j_t = [forward LSTM(p^j)_t; backward LSTM(p^j)_t] with
p^j_t = [h^{j-1}_{2t}; h^{j-1}_{2t+1}], j = 1 ... `pyramid`: each layer halves the time, so that of T steps m = h^J keeps T / 2^J.
Speller, y_0 the boundary symbol, s_0 = 0, r_0 = 0, E the letters' embedding:
    s_t = LSTM(s_{t-1}, [E y_{t-1}; r_{t-1}]); alpha_t = softmax_u(s_t . W m_u); c_t = sum_u alpha_tu m_u
    r_t = tanh(R [c_t; s_t]); p(y_t | y_<t, x) = softmax(O r_t + b)
The boundary symbol ends the transcript; -sum_t log p(y_t | y_<t, x) is minimised, the right letters being given, but `sampling` of
them, which are the speller's own (Chan, section 3.3).

Departures: the speller is layers/attended_decoder.py, which also says translations and captions: what enters the next step is r
(Luong 2015), in which the paper's c is, in place of c alone; the paper's two networks around the attention are one matrix W, and
additive attention (Bahdanau 2014) or none of the feedback can be chosen; the letters that training samples are those said when
the right ones are given, in a second pass (Duckworth et al. 2019); one layer of the speller in place of two, and 2 halvings in
place of 3, since recordings already have `stack` frames joined to a step: 80 ms a place, as in the paper.
"""

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from samoyed.layers import recurrence
from samoyed.layers.attended_decoder import AttendedDecoder, Memory
from samoyed.layers.texts import mask_of
from samoyed.settings import Count, Few, Share


class LAS(AttendedDecoder):
    """frames [B, T, F] and targets [B, L] -> logits [B, L, V] of each letter, or the end (index V - 1), given those before it.

    Args:
        frame_size: Numbers per frame.
        num_symbols: Letters and the boundary.
        listener_size: Units of a listener's layer in each direction.
        pyramid: Layers above the listener's first, each of which halves the time.
        attention: How the speller looks back: general or dot (Luong), or additive (Bahdanau), which goes before the recurrence.
        input_feeding: Whether what was read out enters the next step, as in the paper; without it training takes all steps at once.
        embedding_size: Numbers that stand for a letter.
        hidden_size: Units of a speller's layer.
        num_layers: Layers of the speller.
        dropout: Probability with which a number of the listener's answers, of an embedding or of the read-out is left out of a
            training step.
        sampling: Probability with which, in training, the speller is given its own letter in place of the right one.
    """

    spells: ClassVar[bool] = True
    defaults: ClassVar[dict[str, Any]] = {"stack": 2, "learning_rate": 0.003}

    def __init__(
        self,
        *,
        frame_size: int,
        num_symbols: int,
        listener_size: Count = 128,
        pyramid: Few = 2,
        attention: Literal["general", "dot", "additive"] = "general",
        input_feeding: bool = True,
        embedding_size: Count = 32,
        hidden_size: Count = 256,
        num_layers: Count = 1,
        dropout: Share = 0.2,
        sampling: Share = 0.1,
    ) -> None:
        super().__init__()
        self.sampling, wide = sampling, 2 * listener_size
        self.listener = nn.ModuleList(
            recurrence.LSTM(size, listener_size, batch_first=True, bidirectional=True, forget_bias=1.0)
            for size in (frame_size, *[2 * wide] * pyramid)
        )
        feeding = input_feeding and attention != "additive"
        self.set_up(
            "lstm", num_symbols, attention, feeding, embedding_size, hidden_size, wide, num_layers, False, dropout
        )

    def forward(self, frames: Tensor, lengths: Tensor, targets: Tensor) -> Tensor:
        """frames [B, T, F], lengths int64 [B], targets int64 [B, L] -> logits [B, L, V] of each target."""
        memory, state = self.encode(frames, lengths)
        before = self.mixed(self.before(targets[:, None]), memory, state, self.sampling)
        return self.logits(self.read_all(before, memory, state)[0])[:, 0]

    def encode(self, frames: Tensor, lengths: Tensor) -> tuple[Memory, Any]:
        """frames [B, T, F], lengths int64 [B] -> what was heard, values [B, ceil(T / 2^pyramid), M], and the speller's first state."""
        hidden = frames
        for number, layer in enumerate(self.listener):
            if number:
                hidden, lengths = _pairs(hidden), -(-lengths // 2)
            hidden, _ = layer(hidden, lengths=lengths.cpu())
            hidden = self.dropout(hidden)
        assert self.attention is not None
        memory = Memory(hidden, self.attention.keys(hidden), mask_of(lengths, hidden.shape[1]))
        size, layers = self.decoder.hidden_size, self.decoder.num_layers
        nothing = hidden.new_zeros(len(hidden), 1, layers, size)
        return memory, ((nothing,) * self.decoder.cell.states, hidden.new_zeros(len(hidden), 1, self.fed))

    def align(self, frames: Tensor, lengths: Tensor, targets: Tensor) -> Tensor:
        """The weights [B, L, ceil(T / 2^pyramid)] with which each target was read out."""
        memory, state = self.encode(frames, lengths)
        weights = self.read_all(self.before(targets[:, None]), memory, state)[1]
        assert weights is not None
        return weights[:, 0]


def _pairs(hidden: Tensor) -> Tensor:
    """Neighbours side by side: [B, T, H] -> [B, ceil(T / 2), 2 H], zeros beside a last one that is alone."""
    even = torch.nn.functional.pad(hidden, (0, 0, 0, hidden.shape[1] % 2))
    return even.reshape(len(even), even.shape[1] // 2, -1)
