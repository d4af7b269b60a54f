"""Show, attend and tell: a ConvNet looks, an LSTM tells and attends to a part of the picture at each word (Xu et al. 2015).

a_1 ... a_S = the ConvNet's last maps at S places, and the place itself; h_0, c_0 = tanh(B mean_i a_i); y_0 the boundary symbol.
    attention=general or dot   h_t = f(h_{t-1}, E y_{t-1}); alpha_t = softmax_i(h_t . W a_i)
    attention=additive         alpha_t = softmax_i(v . tanh(U h_{t-1} + W a_i)); h_t = f(h_{t-1}, [E y_{t-1}; z_t])
    soft   z_t = sum_i alpha_ti a_i
    hard   z_t = a_s, s drawn from alpha_t; the likeliest s where nothing is learned
    r_t = tanh(R [z_t; h_t]); p(y_t | y_<t, a) = softmax(O r_t + b)
Hard attention learns by REINFORCE (Williams 1992; Xu, equations 11 and 12): along with log p(y_t | s) it raises
    (log p(y_t | s) - b_t) log alpha_ts + entropy H[alpha_t],   the first factor held constant,
b_t being log p(y_t) from the mean context sum_i alpha_ti a_i; half of the pictures are looked at softly (section 4.1). `coverage` adds coverage sum_i (1 - sum_t alpha_ti)^2 (equation 14).

Departures: the default attends after the recurrence (Luong 2015), so that all words of all captions are one call of the kernels
and one product over all places; additive is the paper's own, a step at a time. The ConvNet is small and learns with the rest, in
place of a pretrained VGG. A place knows where it is by two coordinates. The baseline is the mean context's in place of a moving
average, and a word's reward is its own, since without attention in the recurrence a look changes no other word. No gate on z_t.
"""

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from samoyed.layers.attended_decoder import AttendedDecoder, Memory
from samoyed.layers.convolution import conv_norm, halve
from samoyed.settings import Count, NonNegative, Share

_FINEST = (
    24  # maps are halved while their shorter side is at least this: 48 -> 12, 64 -> 16, and 224 -> 14 as in the paper
)


class Told(NamedTuple):
    """logits [B, K, T, V] of each word given those before, or [N, V] where a mask was given; and what else is minimised, a sum over
    the words [], 0 where there is nothing else."""

    logits: Tensor
    besides: Tensor


class ShowAttendTell(AttendedDecoder):
    """images [B, C, H, W] and captions [B, K, T] -> logits [B, K, T, V] of each word given those before it.

    Args:
        image_shape: Channels, height and width of a picture.
        caption_vocab_size: Number of words, the boundary among them.
        cell: The recurrent cell.
        attention: How a word looks at the picture: general or dot (in one product over all words), or additive (the paper's).
        hard: Whether one place is looked at, drawn and learned by REINFORCE, in place of the weighted mean of all.
        expected: Hard attention: share of pictures that training looks at as soft attention does.
        entropy: Hard attention: weight of the entropy, which keeps looks from settling too early.
        coverage: Weight of the penalty for parts of the picture that the words together look at too little or too much.
        width: Maps of the first convolutions; each halving doubles them.
        embedding_size: Numbers that stand for a word.
        hidden_size: Units of a layer.
        num_layers: Layers of the recurrent network.
        tied: Whether words share one matrix at the decoder's entry and exit.
        dropout: Probability with which a number of an embedding, of a layer's answer or of the read-out is left out of a
            training step.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        caption_vocab_size: int,
        cell: Literal["lstm", "gru"] = "lstm",
        attention: Literal["general", "dot", "additive"] = "general",
        hard: bool = False,
        expected: Share = 0.5,
        entropy: NonNegative = 0.01,
        coverage: NonNegative = 0.0,
        width: Count = 16,
        embedding_size: Count = 64,
        hidden_size: Count = 128,
        num_layers: Count = 1,
        tied: bool = True,
        dropout: Share = 0.1,
    ) -> None:
        super().__init__()
        if hard and attention == "additive":
            raise ValueError("hard attention needs attention=general or dot")
        channels, *sides = image_shape
        self.hard, self.expected, self.entropy, self.coverage = hard, expected, entropy, coverage
        layers, maps, size = [conv_norm(channels, width, 3)], width, (sides[0], sides[1])
        while min(size) >= _FINEST:
            _, size = halve(size)
            layers += [conv_norm(maps, 2 * maps, 3, 2), conv_norm(2 * maps, 2 * maps, 3)]
            maps *= 2
        self.convolutions = nn.Sequential(*layers)
        self.grid = size
        memory = hidden_size if attention == "dot" else maps
        self.place = nn.Linear(maps + 2, memory)
        self.set_up(
            cell, caption_vocab_size, attention, False, embedding_size, hidden_size, memory, num_layers, tied, dropout
        )
        self.bridge = nn.ModuleList(
            nn.Linear(memory, hidden_size) for _ in range(num_layers * self.decoder.cell.states)
        )

    def forward(self, images: Tensor, captions: Tensor, mask: Tensor | None = None) -> Told:
        """images [B, C, H, W], captions int64 [B, K, T] -> the logits [B, K, T, V] of each word, and what else is minimised.

        With `mask` bool [B, K, T] only the N places where it is True: logits [N, V].
        """
        memory, state = self.encode(images)
        before = self.before(captions)
        real = torch.ones_like(captions, dtype=torch.bool) if mask is None else mask
        if self.hard and self.training:
            logits, besides, weights = self._looks(before, captions, real, memory, state)
        else:
            read, found = self.read_all(before, memory, state)
            assert found is not None
            logits, besides, weights = self.logits(read), read.new_zeros(()), found
        if self.coverage and self.training:
            summed = (weights * real[..., None]).sum(2)
            missed = (1 - summed).square().sum(-1) * real.any(-1)
            besides = besides + self.coverage * missed.sum()
        return Told(logits if mask is None else logits[mask], besides)

    def encode(self, images: Tensor) -> tuple[Memory, Any]:
        """images [B, C, H, W] -> what is seen, values [B, S, M] of S places row by row, and the decoder's first state."""
        maps = self.convolutions(images)
        batch, _, high, wide = maps.shape
        at = torch.meshgrid(
            *(torch.linspace(-1, 1, n, device=maps.device, dtype=maps.dtype) for n in (high, wide)), indexing="ij"
        )
        maps = torch.cat([maps, torch.stack(at).expand(batch, -1, -1, -1)], 1)
        values = torch.tanh(self.place(maps.flatten(2).transpose(1, 2)))
        seen = values.mean(1)
        states = [torch.tanh(f(seen)) for f in self.bridge]
        layers = self.decoder.num_layers
        parts = tuple(
            torch.stack(states[n * layers : (n + 1) * layers], 1)[:, None] for n in range(len(states) // layers)
        )
        assert self.attention is not None
        mask = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device)
        return Memory(values, self.attention.keys(values), mask), (parts, values.new_zeros(batch, 1, self.fed))

    def align(self, images: Tensor, captions: Tensor) -> Tensor:
        """The weights [B, K, T, S] with which each word of the captions [B, K, T] is said."""
        memory, state = self.encode(images)
        weights = self.read_all(self.before(captions), memory, state)[1]
        assert weights is not None
        return weights

    def attend(self, queries: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """queries [B, Q, H] -> contexts [B, Q, M], weights [B, Q, S]; hard, the context is that of the likeliest place."""
        context, weights = super().attend(queries, memory)
        return (_at(memory.values, weights.argmax(-1)), weights) if self.hard else (context, weights)

    def draw(self, weights: Tensor) -> Tensor:
        """Places int64 [B, Q], drawn from weights [B, Q, S]."""
        return torch.multinomial(weights.detach().flatten(0, 1), 1).view(weights.shape[:2])

    def _looks(
        self, before: Tensor, captions: Tensor, real: Tensor, memory: Memory, state: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Hard attention while it learns: logits, the objective's further part, and the weights."""
        hidden = self.hidden_all(self.dropout(self.target_embedding(before)), state)
        mean, weights = super().attend(hidden.flatten(1, 2), memory)
        places, shape = self.draw(weights), hidden.shape[:3]
        soft = torch.rand(len(before), 1, 1, device=before.device) < self.expected
        context = torch.where(soft, mean, _at(memory.values, places))
        logits = self.logits(self.read(hidden, context.view(*shape, -1)))
        with torch.no_grad():
            baseline = _of_words(self.logits(self.read(hidden, mean.view(*shape, -1))), captions)
            reward = (_of_words(logits, captions) - baseline) * ~soft
        log_weights = weights.clamp(min=1e-30).log()
        chosen = log_weights.gather(2, places[..., None])[..., 0].view(shape)
        entropy = -(weights * log_weights).sum(-1).view(shape)
        besides = -((reward * chosen + self.entropy * entropy) * real).sum()
        return logits, besides, weights.view(*shape, -1)


def _at(values: Tensor, places: Tensor) -> Tensor:
    """values [B, S, M] at places [B, Q] -> [B, Q, M]."""
    return values.gather(1, places[..., None].expand(-1, -1, values.shape[2]))


def _of_words(logits: Tensor, words: Tensor) -> Tensor:
    """The log-probability of each word: logits [..., V], words [...] -> [...]."""
    return -functional.cross_entropy(logits.flatten(0, -2).float(), words.flatten(), reduction="none").view(words.shape)
