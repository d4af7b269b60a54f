"""RNN, LSTM and GRU of layers/recurrence as the operators of the same names that ONNX has.

ONNX (opset 22, LSTM, GRU and RNN) orders the rows of the matrices i, o, f, c and z, r, h, where torch.nn has i, f, g, o and r, z, n;
its biases are both biases side by side; peepholes are ordered i, o, f. Layer normalisation, and an LSTM without a forget gate, it lacks.

Legend: T time, B batch, I input, H hidden, L layers, D directions.
"""

from typing import Any

import torch
from torch import Tensor, nn

from samoyed.errors import UsageError
from samoyed.layers.recurrence.cells import GRUCell, LSTMCell, RNNCell
from samoyed.layers.recurrence.stack import Recurrent

_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}
_OPSET = 22


class AsOnnx(nn.Module):
    """One of our recurrent layers for the exporter: called with input [B, T, I] or [T, B, I] and a state, as the layer itself.

    Raises UsageError for a cell that ONNX has no operator for.
    """

    def __init__(self, layer: Recurrent) -> None:
        super().__init__()
        self.name = _operator(layer)
        self.layer, self.batch_first, self.hidden = layer, layer.batch_first, layer.hidden_size
        cell = layer.cell
        self.attributes: dict[str, Any] = {"hidden_size": layer.hidden_size, "direction": "forward"}
        if isinstance(cell, GRUCell):
            self.attributes["linear_before_reset"] = int(cell.reset == "after")
        if isinstance(cell, RNNCell):
            self.attributes["activations"] = ["Tanh" if cell.nonlinearity == "tanh" else "Relu"]
        if isinstance(cell, LSTMCell) and cell.forget == "coupled":
            self.attributes["input_forget"] = 1
        self.suffixes = layer._suffixes
        for number, suffix in enumerate(self.suffixes):
            w = layer._weights(suffix)
            coupled = isinstance(cell, LSTMCell) and cell.forget == "coupled"
            for name, weight in {"w": w.weight_ih, "r": w.weight_hh}.items():
                self.register_buffer(f"{name}{number}", self._ordered(weight.detach(), coupled)[None])
            biases = [torch.zeros_like(w.weight_ih[:, 0]) if b is None else b.detach() for b in (w.bias_ih, w.bias_hh)]
            self.register_buffer(f"b{number}", torch.cat([self._ordered(b, coupled) for b in biases])[None])
            if w.weight_peephole is not None:
                self.register_buffer(f"p{number}", _peepholes(w.weight_peephole.detach(), coupled))

    def _ordered(self, weight: Tensor, coupled: bool) -> Tensor:
        """The rows of torch.nn's gates in ONNX's order; of coupled gates f is not used, and i stands in its place."""
        if coupled:
            i, g, o = weight.chunk(3)
            return torch.cat([i, o, i, g])
        gates = weight.chunk(len(_GATES[self.name]))
        return torch.cat([gates[place] for place in _GATES[self.name]])

    def forward(self, input: Tensor, hx: Any = None, lengths: Tensor | None = None) -> tuple[Tensor, Any]:
        """As Recurrent.forward, for padded input."""
        counts = None if lengths is None else lengths.to(torch.int32)
        x = input.transpose(0, 1) if self.batch_first else input
        steps, batch = x.shape[0], x.shape[1]
        parts = 2 if self.name == "LSTM" else 1
        directions = 2 if self.layer.bidirectional else 1
        given: Any = None if hx is None else (hx,) if isinstance(hx, Tensor) else tuple(hx)
        ends: list[list[Tensor]] = [[] for _ in range(parts)]
        for level in range(self.layer.num_layers):
            answers = []
            for direction in range(directions):
                number = level * directions + direction
                fresh = (x.new_zeros(1, batch, self.hidden),) * parts
                states = fresh if given is None else tuple(part[number : number + 1] for part in given)
                inputs: list[Any] = [
                    x,
                    getattr(self, f"w{number}"),
                    getattr(self, f"r{number}"),
                    getattr(self, f"b{number}"),
                ]
                inputs += [counts, *states]
                if hasattr(self, f"p{number}"):
                    inputs.append(getattr(self, f"p{number}"))
                state = (1, batch, self.hidden)
                y, *last = torch.onnx.ops.symbolic_multi_out(
                    self.name, inputs, {**self.attributes, "direction": "reverse" if direction else "forward"},
                    dtypes=[x.dtype] * (1 + parts), shapes=[(steps, 1, batch, self.hidden), *[state] * parts], version=_OPSET,
                )  # fmt: skip
                answers.append(y.squeeze(1))
                for kept, end in zip(ends, last, strict=True):
                    kept.append(end)
            x = answers[0] if directions == 1 else torch.cat(answers, -1)
        state_out = tuple(torch.cat(part) for part in ends)
        return x.transpose(0, 1) if self.batch_first else x, state_out if parts == 2 else state_out[0]


def replaced(model: nn.Module) -> nn.Module:
    """The model with every recurrent layer of ours in ONNX's form, in place."""
    for name, child in model.named_children():
        if isinstance(child, Recurrent):
            setattr(model, name, AsOnnx(child))
        else:
            replaced(child)
    return model


def _operator(layer: Recurrent) -> str:
    cell = layer.cell
    if isinstance(cell, LSTMCell) and (cell.layer_norm or cell.projected or cell.forget == "none"):
        what = "layer normalisation" if cell.layer_norm else "a projection" if cell.projected else "no forget gate"
        raise UsageError(
            f"an LSTM with {what} cannot be exported: ONNX has no such operator", remedy="train model=lstm without it"
        )
    return "LSTM" if isinstance(cell, LSTMCell) else "GRU" if isinstance(cell, GRUCell) else "RNN"


def _peepholes(weight: Tensor, coupled: bool) -> Tensor:
    """[P, H] of i, (f,) o -> [1, 3 H] of i, o, f."""
    i, *f, o = weight.unbind()
    return torch.cat([i, o, i if coupled else f[0]])[None]
