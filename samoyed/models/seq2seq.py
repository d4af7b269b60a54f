"""Encoder-decoder: one sequence is read, another is said, with attention to the first (Bahdanau, Cho & Bengio 2014).

Without attention it is that of Sutskever, Vinyals & Le 2014 and Cho et al. 2014; Luong, Pham & Manning 2015 have the other scores.

Encoder: m_s = [forward h_s; backward h_s] of a bidirectional LSTM or GRU; the decoder's first state in each layer is
tanh(B [last forward state; last backward state]).
Decoder, y_0 the boundary symbol, E its embedding:
    attention=none              h_t = f(h_{t-1}, E y_{t-1}); r_t = tanh(R h_t): all that is known of the source is the first state
    attention=general or dot    h_t = f(h_{t-1}, E y_{t-1}); c_t = attend(h_t, m); r_t = tanh(R [c_t; h_t])
    the same, input_feeding     h_t = f(h_{t-1}, [E y_{t-1}; r_{t-1}]); c_t and r_t as above
    attention=additive          c_t = attend(h_{t-1}, m); h_t = f(h_{t-1}, [E y_{t-1}; c_t]); r_t = tanh(R [c_t; h_t])
    p(y_t | y_<t, x) = softmax(O r_t + b), where O = E if `tied` (Press & Wolf 2017).

Without input feeding, Luong's attention does not enter the recurrence: with the right words given, all steps are one call of
the recurrent kernels, and attention one product over all of them. Input feeding and Bahdanau's attention go step by step.

Departures: scheduled sampling (Bengio et al. 2015) mixes in the words that the model says when the right ones are given, in a
second pass over all steps at once (Duckworth et al. 2019); Bahdanau's r_t is a tanh layer in place of maxout without E y_{t-1};
Sutskever reads the source backwards, here both directions are read; the encoder's halves have hidden_size / 2 units each.
"""

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from samoyed.layers import recurrence
from samoyed.layers.attended_decoder import AttendedDecoder, Memory
from samoyed.settings import Count, Share


class Seq2Seq(AttendedDecoder):
    """sources [B, S] and targets [B, T] -> logits [B, T, V] of each target given those before it.

    The last index of either vocabulary is the boundary symbol: it ends every sequence, and begins what the decoder says.

    Args:
        source_vocab_size: Number of source tokens, the boundary among them.
        target_vocab_size: Number of target tokens, the boundary among them.
        cell: The recurrent cell of both sides.
        attention: How the decoder looks back: general or dot (Luong), additive (Bahdanau), or none (the thought vector).
        input_feeding: Whether what was read out enters the next step (Luong 2015, section 3.3); slower, since it goes step by step.
        bidirectional: Whether the encoder reads in both directions.
        embedding_size: Numbers that stand for a token.
        hidden_size: Units of a layer; the encoder's two directions share them.
        num_layers: Layers of each side.
        tied: Whether target words share one matrix at the decoder's entry and exit.
        dropout: Probability with which a number of an embedding, of a layer's answer or of the read-out is left out of a
            training step.
        sampling: Probability with which, in training, the decoder is given its own word in place of the right one.
    """

    defaults: ClassVar[dict[str, Any]] = {"learning_rate": 0.002}  # several times as much, and wide ones stop learning

    def __init__(
        self,
        *,
        source_vocab_size: int,
        target_vocab_size: int,
        cell: Literal["lstm", "gru"] = "lstm",
        attention: Literal["general", "dot", "additive", "none"] = "general",
        input_feeding: bool = False,
        bidirectional: bool = True,
        embedding_size: Count = 256,
        hidden_size: Count = 512,
        num_layers: Count = 1,
        tied: bool = True,
        dropout: Share = 0.2,
        sampling: Share = 0.0,
    ) -> None:
        super().__init__()
        directions = 2 if bidirectional else 1
        if hidden_size % directions:
            raise ValueError(f"hidden_size is {hidden_size}: two directions need an even number")
        core: Any = {"lstm": recurrence.LSTM, "gru": recurrence.GRU}[cell]
        self.sampling = sampling
        self.source_embedding = nn.Embedding(source_vocab_size, embedding_size)
        nn.init.normal_(self.source_embedding.weight, std=embedding_size**-0.5)
        options = {"batch_first": True, "dropout": dropout if num_layers > 1 else 0.0}
        options |= {"forget_bias": 1.0} if cell == "lstm" else {}
        self.encoder = core(
            embedding_size, hidden_size // directions, num_layers, bidirectional=bidirectional, **options
        )
        self.bridge = nn.ModuleList(
            nn.Linear(hidden_size, hidden_size) for _ in range(num_layers * self.encoder.cell.states)
        )
        self.set_up(
            cell,
            target_vocab_size,
            attention,
            input_feeding,
            embedding_size,
            hidden_size,
            hidden_size,
            num_layers,
            tied,
            dropout,
        )

    def forward(self, sources: Tensor, source_lengths: Tensor, targets: Tensor, mask: Tensor | None = None) -> Tensor:
        """sources int64 [B, S], source_lengths int64 [B], targets int64 [B, T] -> logits [B, T, V] of each target.

        With `mask` [B, T] only the N places where it is True: logits [N, V].
        """
        memory, state = self.encode(sources, source_lengths)
        before = self.mixed(self.before(targets[:, None]), memory, state, self.sampling)
        read = self.read_all(before, memory, state)[0][:, 0]
        return self.logits(read if mask is None else read[mask])

    def align(self, sources: Tensor, source_lengths: Tensor, targets: Tensor) -> Tensor | None:
        """The weights [B, T, S] with which each target was read out, None without attention."""
        memory, state = self.encode(sources, source_lengths)
        weights = self.read_all(self.before(targets[:, None]), memory, state)[1]
        return None if weights is None else weights[:, 0]

    def encode(self, sources: Tensor, lengths: Tensor) -> tuple[Memory, Any]:
        """sources int64 [B, S], lengths int64 [B] -> what was read, and the decoder's first state, tensors [B, 1, L, H] and
        what is fed [B, 1, F]."""
        values, last = self.encoder(self.dropout(self.source_embedding(sources)), lengths=lengths.cpu())
        parts = last if isinstance(last, tuple) else (last,)
        bridges = list(self.bridge)
        layers, each = self.encoder.num_layers, []
        for number, part in enumerate(parts):  # [L D, B, H / D] -> [B, L, H]
            wide = part.view(layers, -1, *part.shape[1:]).permute(2, 0, 1, 3).flatten(2)
            mine = bridges[number * layers : (number + 1) * layers]
            each.append(torch.tanh(torch.stack([f(wide[:, i]) for i, f in enumerate(mine)], 1))[:, None])
        mask = torch.arange(sources.shape[1], device=sources.device) < lengths[:, None]
        keys = values if self.attention is None else self.attention.keys(values)
        return Memory(values, keys, mask), (tuple(each), values.new_zeros(len(sources), 1, self.fed))
