"""Any cell over whole sequences: layers, directions, lengths, and the choice of what computes; drop-in for torch.nn's.

Legend: B batch, T time, I input_size, H hidden_size, D directions (1 or 2), L num_layers, R what is carried as h (H, or
proj_size), N rows (valid steps of all sequences).
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from samoyed.layers.recurrence import whole_steps
from samoyed.layers.recurrence.cells import Cell, LSTMCell, State, Weights
from samoyed.layers.recurrence.library import available, narrowed
from samoyed.layers.recurrence.reference import scan
from samoyed.layers.recurrence.whole import Whole, computes

Engine = Literal["auto", "kernel", "reference"]
_TAKEN = (torch.float32, torch.bfloat16)  # by the kernels, which compute in float32
_STEPS = 4  # fewer are not worth packing the recurrent matrix for


class Recurrent(nn.Module):
    """What the three share: parameters, layers and directions, lengths, and the choice of what computes.

    `engine` is "auto" (on the CPU the kernels for float32; there in bfloat16, and on GPUs, torch.nn's code, and the kernels for
    cells that it lacks; elsewhere the reference), "kernel", or "reference" (the cell under autograd: derivatives of every order).

    With `variational`, dropout between layers leaves out the same numbers at every step of a sequence (Gal & Ghahramani 2016);
    `weight_dropout` leaves out entries of U, the same for all steps of a pass (Merity, Keskar & Socher 2018).
    """

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int,
        engine: Engine,
        device: Any,
        dtype: Any,
        variational: bool = False,
        weight_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if min(input_size, hidden_size, num_layers) < 1:
            raise ValueError("input_size, hidden_size and num_layers must be at least 1")
        for name, share in (("dropout", dropout), ("weight_dropout", weight_dropout)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must be a number from 0 to 1, not {share}")
        if not 0 <= proj_size < hidden_size:
            raise ValueError("proj_size must be at least 0 and smaller than hidden_size")
        if engine not in ("auto", "kernel", "reference"):
            raise ValueError(f"engine must be 'auto', 'kernel' or 'reference', not {engine!r}")
        if engine == "kernel" and cell.kernel is None:
            raise ValueError("there is no kernel for projections or lags; use engine='auto'")
        self.cell, self.engine = cell, engine
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.proj_size = proj_size
        self.bias, self.batch_first, self.dropout, self.bidirectional = bias, batch_first, dropout, bidirectional
        self.variational, self.weight_dropout = variational, weight_dropout
        self.whole: dict[
            str, Whole
        ] = {}  # by the parameter's name: int8 matrices that are computed with outside of training
        self._carried = proj_size or hidden_size
        wide = cell.gates * hidden_size
        for number, suffix in enumerate(self._suffixes):
            below = input_size if number < self._directions else self._carried * self._directions
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (wide, below), "weight_hh": (wide, self._carried)}
            if bias:
                shapes |= {"bias_ih": (wide,), "bias_hh": (wide,)}
            if proj_size:
                shapes["weight_hr"] = (proj_size, hidden_size)
            for name, shape in (shapes | cell.extra(hidden_size)).items():
                self.register_parameter(name + suffix, nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _suffixes(self) -> list[str]:
        directions = ("", "_reverse")[: self._directions]
        return [f"_l{layer}{direction}" for layer in range(self.num_layers) for direction in directions]

    def reset_parameters(self) -> None:
        """Draws parameters as torch.nn does, uniformly within 1/sqrt(H); gains of normalisations are 1, their shifts 0."""
        bound = 1 / math.sqrt(self.hidden_size)
        for name, parameter in self.named_parameters():
            if "_norm_" in name:
                nn.init.constant_(parameter, 0.0 if name.startswith("bias") else 1.0)
            else:
                nn.init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Does nothing; torch.nn's layers have it."""

    @property
    def all_weights(self) -> list[list[nn.Parameter]]:
        """The parameters of each layer and direction, as torch.nn lists them."""
        return [[p for p in self._weights(suffix) if isinstance(p, nn.Parameter)] for suffix in self._suffixes]

    def extra_repr(self) -> str:
        """What differs from the defaults."""
        facts = [str(self.input_size), str(self.hidden_size)]
        given = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0, "bidirectional": False}
        given |= {"proj_size": 0, "variational": False, "weight_dropout": 0}
        facts += [f"{name}={getattr(self, name)}" for name, usual in given.items() if getattr(self, name) != usual]
        return ", ".join([*facts, repr(self.cell)])

    def _weights(self, suffix: str) -> Weights:
        found: list[Any] = [getattr(self, name + suffix, None) for name in Weights._fields]
        return Weights(*found)

    def _used(self, suffix: str) -> Weights:
        """The parameters of a layer and direction as a pass uses them."""
        weights = self._weights(suffix)
        if not (self.weight_dropout and self.training):
            return weights
        return weights._replace(weight_hh=F.dropout(weights.weight_hh, self.weight_dropout))

    def forward(self, input: Tensor | PackedSequence, hx: Any = None, lengths: Tensor | None = None) -> tuple[Any, Any]:
        """input [T, B, I], [B, T, I] if batch_first, [T, I], or packed; hx h, (h, c) or the states of all lags, each [L D, B, R or H], or None;
        lengths int64 [B], from 1 to T, or None for sequences that all have T steps -> (output, state), the output with
        D R features and shaped or packed as the input, the state as hx and at each sequence's own end.

        Steps beyond a sequence's length cost nothing, change nothing, and are 0 in the output. Raises ValueError for shapes
        or lengths that do not fit, and where a type is not that of the parameters.
        """
        if isinstance(input, PackedSequence):
            if lengths is not None:
                raise ValueError("a PackedSequence knows its lengths; leave out `lengths`")
            return self._packed(input, hx)
        if input.dim() == 2 and lengths is None:
            axis = 0 if self.batch_first else 1
            output, state = self.forward(input.unsqueeze(axis), _each(hx, lambda part: part.unsqueeze(1)))
            return output.squeeze(axis), _each(state, lambda part: part.squeeze(1))
        if input.dim() != 3:
            raise ValueError(f"the input must have 3 axes, or 2 without a batch, not {input.dim()}")
        time, batch = (1, 0) if self.batch_first else (0, 1)
        if lengths is not None:
            packed = self._pack(input, lengths, input.shape[time], input.shape[batch])
            if packed is not None:
                output, state = self._packed(packed, hx)
                return pad_packed_sequence(output, self.batch_first, total_length=input.shape[time])[0], state
        if not input.shape[time]:
            raise ValueError("a sequence must have at least one step")
        ordered = input.transpose(0, 1) if self.batch_first else input
        sizes = [ordered.shape[1]] * ordered.shape[0]
        rows, state = self._rows(ordered.reshape(-1, input.shape[2]), sizes, None, hx)
        output = rows.view(*ordered.shape[:2], rows.shape[1])
        return output.transpose(0, 1) if self.batch_first else output, state

    def _pack(self, input: Tensor, lengths: Tensor, steps: int, batch: int) -> PackedSequence | None:
        """The input without its padding, or None if there is none."""
        lengths = torch.as_tensor(lengths).detach().cpu()
        if lengths.shape != (batch,) or lengths.dtype.is_floating_point or lengths.dtype == torch.bool:
            raise ValueError(f"lengths must be {batch} whole numbers, one for each sequence of the batch")
        if batch and not (int(lengths.min()) >= 1 and int(lengths.max()) <= steps):
            raise ValueError(f"lengths must be from 1 to {steps}, the steps of the input")
        if bool((lengths == steps).all()):
            return None
        return pack_padded_sequence(input, lengths.long(), self.batch_first, enforce_sorted=False)

    def _packed(self, input: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        order, back = input.sorted_indices, input.unsorted_indices
        if hx is not None and order is not None:
            hx = _each(hx, lambda part: part.index_select(1, order))
        rows, state = self._rows(input.data, input.batch_sizes.tolist(), input.batch_sizes, hx)
        if back is not None:
            state = _each(state, lambda part: part.index_select(1, back))
        return PackedSequence(rows, input.batch_sizes, order, back), state

    def _rows(self, x: Tensor, sizes: Sequence[int], batch_sizes: Tensor | None, hx: Any) -> tuple[Tensor, Any]:
        """All layers over x [N, I], whose rows are ordered by time -> ([N, D R], state)."""
        weight: Tensor = self._weights("_l0").weight_ih
        if narrowed(x):
            x = x.to(weight.dtype)
        if x.shape[-1] != self.input_size or x.dtype != weight.dtype:
            raise ValueError(
                f"the input must have {self.input_size} features of {weight.dtype}, not {x.shape[-1]} of {x.dtype}"
            )
        states = self._states(x, hx, sizes[0])
        known = x.device.type == "cpu" or (x.device.type == "cuda" and self.cell.on_gpus)
        applies = self.cell.kernel is not None and known and x.dtype in _TAKEN
        if self.engine == "kernel" and not applies:
            raise ValueError(
                "the kernels take float32 and bfloat16 on the CPU or, if cuDNN has none, a GPU; use engine='auto'"
            )
        same = self.engine == "auto" and self.cell.is_torchs
        same = same and not (self.proj_size and x.device.type == "cpu")  # a plain loop there, and a warning
        narrow = same and (narrowed(x) or x.dtype != torch.float32)  # torch.nn's run in bfloat16
        kernel = self.engine != "reference" and applies and not narrow
        kernel = kernel and (self.engine == "kernel" or (len(sizes) >= _STEPS and available(x.device.type)))
        whole = bool(self.whole) and not self.training and computes(x)
        locked = self.variational and self.training and self.dropout > 0
        if same and not kernel and not locked and not whole:
            return self._by_torch(x, sizes, batch_sizes, states, [self._used(suffix) for suffix in self._suffixes])
        run: Any = partial(scan, self.cell, sizes=sizes)
        if same and not kernel and not self.bidirectional:
            run = partial(self._layer_by_torch, sizes, batch_sizes)
        if kernel:
            from samoyed.layers.recurrence.layer import by_kernel

            run = partial(by_kernel, self.cell, _starts(sizes, batch_sizes))
        if whole:
            run = whole_steps.runner(self.cell, self.engine, sizes, _starts(sizes, batch_sizes))
        ends: list[State] = []
        answers: list[Tensor] = []
        for number, suffix in enumerate(self._suffixes):
            direction = number % self._directions
            if number and direction == 0:
                x, answers = self._dropped(_side_by_side(answers), sizes), []
            state = tuple(part[number] for part in states)
            weights = self._used(suffix)
            weights = whole_steps.in_int8(weights, self.whole, suffix) if whole else weights
            answer, end = run(x=x, weights=weights, state=state, reverse=direction == 1)
            answers.append(answer)
            ends.append(end)
        last = tuple(torch.stack(parts) for parts in zip(*ends, strict=True))
        return _side_by_side(answers), last[0] if len(last) == 1 else last

    def _dropped(self, x: Tensor, sizes: Sequence[int]) -> Tensor:
        """What goes from layer to layer, x [N, R], some of it left out in training: the same numbers at every step of a
        sequence if `variational`."""
        if not (self.variational and self.training and self.dropout):
            return F.dropout(x, self.dropout, self.training)
        mask = F.dropout(x.new_ones(sizes[0], x.shape[1]), self.dropout)
        if sizes[-1] == sizes[0]:
            return (x.view(len(sizes), *mask.shape) * mask).view_as(x)
        return x * torch.cat([mask[:size] for size in sizes])

    def _states(self, x: Tensor, hx: Any, batch: int) -> State:
        """The state at the start, each part [L D, B, R or H]."""
        layers = len(self._suffixes)
        shapes = [(layers, batch, self._carried)] + [(layers, batch, self.hidden_size)] * (self.cell.states - 1)
        if hx is None:
            return tuple(x.new_zeros(shape) for shape in shapes)
        parts = (hx,) if isinstance(hx, Tensor) else tuple(hx)
        if [tuple(part.shape) for part in parts] != shapes:
            found = ", ".join(str(list(part.shape)) for part in parts)
            raise ValueError(f"the state must have shape {' and '.join(map(str, map(list, shapes)))}, not {found}")
        if any(part.dtype != x.dtype for part in parts) and not narrowed(x):
            raise ValueError(f"the state must be {x.dtype}, as the input")
        return tuple(part.to(x.dtype) for part in parts)

    def _by_torch(
        self, x: Tensor, sizes: Sequence[int], batch_sizes: Tensor | None, states: State, layers: list[Weights]
    ) -> tuple[Tensor, Any]:
        """Layers by torch.nn's own code, for cells that torch.nn has."""
        flat = [weight for weights in layers for weight in weights if weight is not None]
        code = {"gru_after": torch.gru, "rnn_tanh": torch.rnn_tanh, "rnn_relu": torch.rnn_relu}
        run: Any = torch.lstm if isinstance(self.cell, LSTMCell) else code[str(self.cell.kernel)]
        state = states if len(states) > 1 else states[0]
        settings = (self.bias, len(layers) // self._directions, self.dropout, self.training, self.bidirectional)
        if batch_sizes is None:
            y, *ends = run(x.view(len(sizes), sizes[0], x.shape[1]), state, flat, *settings, False)
            y = y.flatten(0, 1)
        else:
            y, *ends = run(x, batch_sizes, state, flat, *settings)
        return y, ends[0] if len(ends) == 1 else tuple(ends)

    def _layer_by_torch(
        self, sizes: Sequence[int], batch_sizes: Tensor | None, x: Tensor, weights: Weights, state: State, reverse: bool
    ) -> tuple[Tensor, State]:
        y, ends = self._by_torch(x, sizes, batch_sizes, tuple(part[None] for part in state), [weights])
        return y, tuple(end[0] for end in (ends if isinstance(ends, tuple) else (ends,)))


def _each(state: Any, change: Any) -> Any:
    """`change` of each part of a state; None stays None."""
    if state is None or isinstance(state, Tensor):
        return state if state is None else change(state)
    return tuple(change(part) for part in state)


def _side_by_side(answers: list[Tensor]) -> Tensor:
    return answers[0] if len(answers) == 1 else torch.cat(answers, 1)


def _starts(sizes: Sequence[int], batch_sizes: Tensor | None) -> Tensor:
    """The first row of each step, and the end of the last."""
    if batch_sizes is None:
        return torch.arange(len(sizes) + 1) * sizes[0]
    return F.pad(batch_sizes.cumsum(0), (1, 0))
