"""Handwriting by a mixture-density LSTM: where the pen goes next, given where it went (Graves 2013), and a text if there is one.

x_t = (dx, dy, lifted); h^1_t = LSTM_1(x_t, v_{t-1}); h^n_t = LSTM_n(x_t, v_t, h^{n-1}_t) for n > 1;
y_t = sum_n W_n h^n_t + b, the 6 M + 2 numbers of layers/mixtures. All layers see the pen, and all are read out.

Of a text c_1 .. c_U in one-hot letters, a window of K soft places slides over it (equations 46 to 51):
(a^, b^, k^) = W h^1_t + b; a = exp(a^), b = exp(b^), k_t = k_{t-1} + exp(k^);
phi(t, u) = sum_k a_k exp(-b_k (k_k - u)^2); v_t = sum_u phi(t, u) c_u. Without a text there is no v.

The first layer reads what its own window showed, so that with a text it goes step by step; all else is one call of the recurrent
kernels. Departures: no peepholes unless asked; k^ begins at -3, so that the window begins at 20 points to a letter, and b^ at
-0.5; dropout on what is read out.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from samoyed.layers import recurrence
from samoyed.layers.recurrence.cells import Weights
from samoyed.layers.texts import mask_of
from samoyed.settings import Count, Share

_LETTER = -3.0  # log of how far the window goes in a step, at the beginning


class MixtureLSTM(nn.Module):
    """points [B, T, 3] and, if there is one, their text [B, U] -> [B, T, 6 M + 2]: the distribution of each next point.

    Args:
        alphabet_size: Number of letters that texts are made of; 0 for strokes without texts.
        point_size: Numbers of a point, 3: two offsets and whether the pen lifts after it.
        hidden_size: Units per layer.
        num_layers: Layers, each reading the pen and the layer below.
        components: Normals in the mixture.
        windows: Places at which the window looks at the text.
        peephole: Whether the cells' memory enters their gates (Gers & Schmidhuber 2000), as in the paper.
        dropout: Probability with which a number that is read out is left out of a training step.
    """

    def __init__(
        self,
        *,
        alphabet_size: int,
        point_size: int,
        hidden_size: Count = 200,
        num_layers: Count = 2,
        components: Count = 20,
        windows: Count = 10,
        peephole: bool = False,
        dropout: Share = 0.0,
    ) -> None:
        super().__init__()
        self.alphabet_size, self.hidden_size = alphabet_size, hidden_size
        seen = point_size + alphabet_size
        sizes = [seen] + [seen + hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(
            recurrence.LSTM(size, hidden_size, batch_first=True, peephole=peephole) for size in sizes
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(num_layers * hidden_size, 6 * components + 2)
        if alphabet_size:
            self.window = nn.Linear(hidden_size, 3 * windows)
            with torch.no_grad():
                self.window.weight.mul_(0.1)
                self.window.bias[windows : 2 * windows] = -0.5
                self.window.bias[2 * windows :] = _LETTER

    def forward(
        self,
        points: Tensor,
        text: Tensor | None = None,
        text_lengths: Tensor | None = None,
        lengths: Tensor | None = None,
        state: Any = None,
    ) -> tuple[Tensor, Any]:
        """points [B, T, 3], text int64 [B, U], text_lengths and lengths int64 [B] or None for U and T, the state as returned
        before or None -> ([B, T, 6 M + 2], state). Beyond its length a row is not to be read."""
        numbers, state, _ = self.traced(points, text, text_lengths, lengths, state)
        return numbers, state

    def letters_left(self, state: Any, text_lengths: Tensor) -> Tensor:
        """How many letters of the text come after the one that the window looks at, int64 [B]: -1 beyond the text (Graves 2013,
        section 5.1); always 0 without a text."""
        return torch.zeros_like(text_lengths) if not self.alphabet_size else text_lengths - state[1][2]

    def traced(
        self,
        points: Tensor,
        text: Tensor | None,
        text_lengths: Tensor | None,
        lengths: Tensor | None,
        state: Any = None,
    ) -> tuple[Tensor, Any, Tensor | None]:
        """As `forward`, and phi, where the window looked [B, T, U], or None without a text."""
        before = [None] * len(self.layers) if state is None else [_by_layer(part) for part in state[0]]
        seen, phi, place = points, None, None
        if self.alphabet_size:
            if text is None:
                raise ValueError("this model writes texts, and was given none")
            place = None if state is None else state[1]
            hidden, first, shown, phi, place = self._window(points, text, text_lengths, before[0], place)
            seen = torch.cat([points, shown], 2)
        else:
            hidden, first = self.layers[0](points, before[0], lengths)
        answers, ends = [hidden], [first]
        for layer, start in zip(list(self.layers)[1:], before[1:], strict=True):
            hidden, end = layer(torch.cat([seen, hidden], 2), start, lengths)
            answers.append(hidden)
            ends.append(end)
        numbers: Tensor = self.output(self.dropout(torch.cat(answers, 2)))
        after = tuple(tuple(part[0] for part in end) for end in ends)
        return numbers, (after, place), phi

    def _window(
        self, points: Tensor, text: Tensor, text_lengths: Tensor | None, start: Any, place: Any
    ) -> tuple[Tensor, Any, Tensor, Tensor, Any]:
        """The first layer: (h^1 [B, T, H], its state, v [B, T, A], phi [B, T, U], (k [B, K], v [B, A], the u of the largest phi [B],
        one beyond the text included) after the last step)."""
        layer: Any = self.layers[0]
        size, cell = points.shape[2], layer.cell
        weights = Weights(
            layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0,
            weight_peephole=getattr(layer, "weight_peephole_l0", None),
        )  # fmt: skip
        projected = functional.linear(points, weights.weight_ih[:, :size], weights.bias_ih).unbind(1)
        of_window = weights.weight_ih[:, size:]
        letters = functional.one_hot(text, self.alphabet_size).to(points)
        if text_lengths is not None:
            letters = letters * mask_of(text_lengths, text.shape[1])[..., None]
        letters = functional.pad(letters, (0, 0, 0, 1))  # nothing stands beyond the text
        index = torch.arange(1.0, text.shape[1] + 2, device=points.device, dtype=points.dtype)
        rows, count = len(points), self.window.out_features // 3
        k, v, _ = place or (points.new_zeros(rows, count), points.new_zeros(rows, self.alphabet_size), None)
        zeros = points.new_zeros(rows, self.hidden_size)
        current = (zeros, zeros) if start is None else (start[0][0], start[1][0])
        made: tuple[list[Tensor], list[Tensor], list[Tensor]] = ([], [], [])
        for step in projected:
            current = cell.step(step + functional.linear(v, of_window), current, weights)
            a, b, ahead = self.window(current[0]).exp().split(count, 1)
            k = k + ahead
            phi = (a[:, :, None] * (-b[:, :, None] * (k[:, :, None] - index).square()).exp()).sum(1)
            v = (phi[:, None] @ letters)[:, 0]
            for parts, part in zip(made, (current[0], v, phi), strict=True):
                parts.append(part)
        hidden, shown, looked = (torch.stack(parts, 1) for parts in made)
        return hidden, tuple(part[None] for part in current), shown, looked[..., :-1], (k, v, phi.argmax(1) + 1)


def _by_layer(state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """(h, c), each [B, H], as torch's layers have them, [1, B, H]."""
    return state[0][None], state[1][None]
