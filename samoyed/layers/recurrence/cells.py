"""One definition per recurrent cell, in PyTorch: what the kernels are held against, and what runs where they do not.

Each cell is a map (x_t, state before) -> state, whose first part h_t is also the answer. W x_t is computed for all steps at
once by `project`; `step` does the rest. W, U are the matrices that torch.nn calls weight_ih and weight_hh, with their rows
in torch.nn's order; b and d its bias_ih and bias_hh. s is the logistic function, * goes element by element.

Legend: B batch, I input, H hidden, G gates per unit, R what is carried as h (H, or proj_size).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from samoyed.layers.recurrence.whole import linear

State = tuple[Tensor, ...]


class Weights(NamedTuple):
    """The parameters of one layer in one direction; those that a cell does not have are None."""

    weight_ih: Tensor  # [G H, I]; in int8, both are Wholes
    weight_hh: Tensor  # [G H, R]
    bias_ih: Tensor | None = None  # [G H]
    bias_hh: Tensor | None = None  # [G H]
    weight_hr: Tensor | None = None  # [R, H]
    weight_peephole: Tensor | None = None  # [P, H]: of the input gate, the forget gate if there is one, the output gate
    weight_norm_ih: Tensor | None = None  # [G H]
    weight_norm_hh: Tensor | None = None  # [G H]
    weight_norm_c: Tensor | None = None  # [H]
    bias_norm_c: Tensor | None = None  # [H]
    weight_lags: Tensor | None = None  # [H, (K - 1) H]: of h_{t-2} to h_{t-K}


@dataclass(frozen=True)
class RNNCell:
    """h' = f(W x + b + U h + d), f tanh or ReLU (Elman 1990).

    lags: K > 1 also sees older states, a_t = W x_t + b + U h_{t-1} + d + U_2 h_{t-2} + ... + U_K h_{t-K}, so that a gradient comes
        back in a K-th of the steps (Lin, Horne, Tino & Giles 1996). The state then has K parts, h_t to h_{t-K+1}.
    """

    nonlinearity: Literal["tanh", "relu"] = "tanh"
    lags: int = 1
    gates: ClassVar[int] = 1

    @property
    def states(self) -> int:
        """K."""
        return self.lags

    @property
    def kernel(self) -> str | None:
        """The kernel that computes this cell, or None."""
        return f"rnn_{self.nonlinearity}" if self.lags == 1 else None

    @property
    def is_torchs(self) -> bool:
        """Whether torch.nn has this cell."""
        return self.lags == 1

    @property
    def on_gpus(self) -> bool:
        """Whether the kernels for GPUs, of cells that torch.nn lacks, have this one."""
        return False

    def extra(self, hidden: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the parameters that torch.nn's cell does not have, by their fields in Weights."""
        return {"weight_lags": (hidden, (self.lags - 1) * hidden)} if self.lags > 1 else {}

    def project(self, x: Tensor, w: Weights) -> Tensor:
        """x [N, I] -> W x + b [N, G H]."""
        return linear(x, w.weight_ih, w.bias_ih)

    def step(self, a: Tensor, state: State, w: Weights) -> State:
        """a = W x_t + b [B, G H] and the state before, each part [B, R or H] -> the state."""
        a = a + linear(state[0], w.weight_hh, w.bias_hh)
        if w.weight_lags is not None:
            a = a + linear(torch.cat(state[1:], 1), w.weight_lags)
        return (torch.tanh(a) if self.nonlinearity == "tanh" else torch.relu(a), *state[:-1])


@dataclass(frozen=True)
class LSTMCell:
    """Long short-term memory (Hochreiter & Schmidhuber 1997).

    i, f, o = s(W x + b + U h + d), one W, b, U, d each; g = tanh(W x + b + U h + d); c' = f * c + i * g; h' = o * tanh(c').

    forget: "gate" as above (Gers, Schmidhuber & Cummins 2000); "none" has f = 1, as in 1997; "coupled" has f = 1 - i
        (variants NFG and CIFG of Greff et al. 2015). Both leave the rows of f out of every parameter.
    peephole: p_i * c and p_f * c enter i and f, and p_o * c' enters o, before s (Gers & Schmidhuber 2000).
    layer_norm: W x, U h and c' are normalised over their elements before use, with gains v and, for c', a shift
        (Ba, Kiros & Hinton 2016, equations 20 to 22; b + d is the shift of the others).
    projected: h' = P (o * tanh(c')) (Sak, Senior & Beaufays 2014).
    """

    forget: Literal["gate", "none", "coupled"] = "gate"
    peephole: bool = False
    layer_norm: bool = False
    projected: bool = False
    states: ClassVar[int] = 2

    @property
    def gates(self) -> int:
        """G."""
        return 4 if self.forget == "gate" else 3

    @property
    def kernel(self) -> str | None:
        """The kernel that computes this cell, or None."""
        names = {"gate": "lstm", "none": "lstm_no_forget", "coupled": "lstm_coupled"}
        return None if self.projected else names[self.forget]

    @property
    def is_torchs(self) -> bool:
        """Whether torch.nn has this cell."""
        return self.forget == "gate" and not self.peephole and not self.layer_norm

    @property
    def on_gpus(self) -> bool:
        """Whether the kernels for GPUs, of cells that torch.nn lacks, have this one."""
        return not self.is_torchs and not self.layer_norm

    def extra(self, hidden: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the parameters that torch.nn's cell does not have, by their fields in Weights."""
        shapes: dict[str, tuple[int, ...]] = {}
        if self.peephole:
            shapes["weight_peephole"] = (self.gates - 1, hidden)
        if self.layer_norm:
            wide = (self.gates * hidden,)
            shapes |= {"weight_norm_ih": wide, "weight_norm_hh": wide}
            shapes |= {"weight_norm_c": (hidden,), "bias_norm_c": (hidden,)}
        return shapes

    def project(self, x: Tensor, w: Weights) -> Tensor:
        """x [N, I] -> W x + b [N, G H], normalised if so chosen."""
        if not self.layer_norm:
            return linear(x, w.weight_ih, w.bias_ih)
        a = linear(x, w.weight_ih)
        return F.layer_norm(a, a.shape[1:], w.weight_norm_ih, w.bias_ih)

    def step(self, a: Tensor, state: State, w: Weights) -> State:
        """a = W x_t + b [B, G H] and the state before, each part [B, R or H] -> the state."""
        h, c = state
        if self.layer_norm:
            product = linear(h, w.weight_hh)
            a = a + F.layer_norm(product, product.shape[1:], w.weight_norm_hh, w.bias_hh)
        else:
            a = a + linear(h, w.weight_hh, w.bias_hh)
        i, *f, g, o = a.chunk(self.gates, 1)
        peepholes = () if w.weight_peephole is None else w.weight_peephole.unbind()
        i = torch.sigmoid(i + peepholes[0] * c if peepholes else i)
        new = i * torch.tanh(g)
        if self.forget == "gate":
            c = torch.sigmoid(f[0] + peepholes[1] * c if peepholes else f[0]) * c + new
        else:
            c = (c if self.forget == "none" else (1 - i) * c) + new
        o = torch.sigmoid(o + peepholes[-1] * c if peepholes else o)
        shown = F.layer_norm(c, c.shape[1:], w.weight_norm_c, w.bias_norm_c) if self.layer_norm else c
        h = o * torch.tanh(shown)
        return (h if w.weight_hr is None else linear(h, w.weight_hr)), c


@dataclass(frozen=True)
class GRUCell:
    """Gated recurrent unit (Cho et al. 2014).

    r, z = s(W x + b + U h + d), one W, b, U, d each; h' = (1 - z) * n + z * h, with
    reset "after" the product, as in torch.nn and cuDNN: n = tanh(W x + b + r * (U h + d));
    reset "before" it, as in the paper: n = tanh(W x + b + U (r * h) + d).
    """

    reset: Literal["after", "before"] = "after"
    gates: ClassVar[int] = 3
    states: ClassVar[int] = 1

    @property
    def kernel(self) -> str | None:
        """The kernel that computes this cell, or None."""
        return f"gru_{self.reset}"

    @property
    def is_torchs(self) -> bool:
        """Whether torch.nn has this cell."""
        return self.reset == "after"

    @property
    def on_gpus(self) -> bool:
        """Whether the kernels for GPUs, of cells that torch.nn lacks, have this one."""
        return not self.is_torchs

    def extra(self, hidden: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the parameters that torch.nn's cell does not have, by their fields in Weights."""
        return {}

    def project(self, x: Tensor, w: Weights) -> Tensor:
        """x [N, I] -> W x + b [N, G H]."""
        return linear(x, w.weight_ih, w.bias_ih)

    def step(self, a: Tensor, state: State, w: Weights) -> State:
        """a = W x_t + b [B, G H] and the state before, each part [B, R or H] -> the state."""
        (h,) = state
        a_r, a_z, a_n = a.chunk(3, 1)
        if self.reset == "after":
            u_r, u_z, u_n = linear(h, w.weight_hh, w.bias_hh).chunk(3, 1)
            r, z = torch.sigmoid(a_r + u_r), torch.sigmoid(a_z + u_z)
            n = torch.tanh(a_n + r * u_n)
        else:
            cut = 2 * h.shape[1]
            gate, candidate = w.weight_hh[:cut], w.weight_hh[cut:]
            d_gate, d_candidate = (None, None) if w.bias_hh is None else (w.bias_hh[:cut], w.bias_hh[cut:])
            u_r, u_z = linear(h, gate, d_gate).chunk(2, 1)
            r, z = torch.sigmoid(a_r + u_r), torch.sigmoid(a_z + u_z)
            n = torch.tanh(a_n + linear(r * h, candidate, d_candidate))
        return (n + z * (h - n),)


Cell = RNNCell | LSTMCell | GRUCell
