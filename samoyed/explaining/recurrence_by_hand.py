"""The recurrent network of the review's Figure 5, and three ways to its gradient, written out by hand in NumPy.

U reads the input, W the hidden state before, V gives the output (LeCun, Bengio and Hinton 2015, Figure 5; Elman 1990):

    z_t = U x_t + W h_{t-1} + b        h_t = tanh(z_t)        o_t = V h_t + c
    p_t = softmax(o_t)                 L = -sum_t log p_t[y_t]

Backpropagation through time (Werbos 1990) goes from the last step to the first. With 1_y the one-hot code of y:

    dL/do_t = p_t - 1_{y_t}
    dL/dh_t = V' dL/do_t + W' dL/dz_{t+1}                  (no second term at the last step)
    dL/dz_t = (1 - h_t^2) dL/dh_t
    dL/dV = sum_t dL/do_t h_t'     dL/dW = sum_t dL/dz_t h_{t-1}'     dL/dU = sum_t dL/dz_t x_t'
    dL/dc = sum_t dL/do_t          dL/db = sum_t dL/dz_t              dL/dh_0 = W' dL/dz_1

Real-time recurrent learning (Williams & Zipser 1989) goes forward, and keeps how h_t depends on every parameter q instead of
the past itself:

    dh_t/dq = diag(1 - h_t^2) (W dh_{t-1}/dq + what q does to z_t directly)        dL/dq += (V' dL/do_t)' dh_t/dq

It needs memory for N^2 (N + I) numbers with N units and I inputs, and N times the work, however long the sequence; that is why
nobody trains large networks with it. How far back a gradient reaches is read from dL_T/dh_t, the derivative of the last
step's loss alone (Pascanu, Mikolov & Bengio 2013).

Nothing here uses autograd, which can therefore be checked against it. Axes: T time, I input, N units, O outputs; one sequence.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Parameters(NamedTuple):
    """U [N, I], W [N, N], V [O, N], b [N], c [O], all float64."""

    U: Array
    W: Array
    V: Array
    b: Array
    c: Array

    @classmethod
    def drawn(cls, inputs: int, units: int, outputs: int, seed: int, radius: float = 1.0) -> "Parameters":
        """Normal numbers of deviation 1/sqrt(columns); W is scaled so that its largest eigenvalue has the modulus `radius`."""
        draw = np.random.default_rng(seed)
        u, w, v = (
            draw.normal(size=(rows, n)) / np.sqrt(n) for rows, n in ((units, inputs), (units,) * 2, (outputs, units))
        )
        w *= radius / np.abs(np.linalg.eigvals(w)).max()
        return cls(u, w, v, draw.normal(size=units) / 10, draw.normal(size=outputs) / 10)


class Trace(NamedTuple):
    """What the forward pass computes: h [T + 1, N], the first being h_0; probs [T, O]; the loss of each step [T], in nats."""

    h: Array
    probs: Array
    losses: Array


def forward(x: Array, targets: NDArray[np.int64], p: Parameters, start: Array | None = None) -> Trace:
    """x [T, I], targets int64 [T], h_0 [N] or zeros."""
    h = np.zeros((len(x) + 1, len(p.b)))
    h[0] = 0.0 if start is None else start
    for t, x_t in enumerate(x):
        h[t + 1] = np.tanh(p.U @ x_t + p.W @ h[t] + p.b)
    o = h[1:] @ p.V.T + p.c
    log_probs = o - o.max(1, keepdims=True)
    log_probs -= np.log(np.exp(log_probs).sum(1, keepdims=True))
    return Trace(h, np.exp(log_probs), -log_probs[np.arange(len(x)), targets])


def through_time(x: Array, targets: NDArray[np.int64], p: Parameters, trace: Trace) -> tuple[Parameters, Array]:
    """Backpropagation through time: the gradient by every parameter, and dL/dh_0 [N]."""
    by_o = trace.probs - np.eye(len(p.c))[targets]  # [T, O]
    by_z = np.zeros((len(x), len(p.b)))
    later = np.zeros(len(p.b))
    for t in reversed(range(len(x))):
        by_z[t] = (1 - trace.h[t + 1] ** 2) * (p.V.T @ by_o[t] + later)
        later = p.W.T @ by_z[t]
    return Parameters(by_z.T @ x, by_z.T @ trace.h[:-1], by_o.T @ trace.h[1:], by_z.sum(0), by_o.sum(0)), later


def in_real_time(x: Array, targets: NDArray[np.int64], p: Parameters) -> Parameters:
    """Real-time recurrent learning: the same gradient by every parameter, without looking back."""
    units, inputs = p.U.shape
    h, each = np.zeros(units), np.arange(units)
    by_u, by_w, by_b = np.zeros((units, units, inputs)), np.zeros((units, units, units)), np.zeros((units, units))
    found = Parameters(*(np.zeros_like(part) for part in p))
    for x_t, y_t in zip(x, targets, strict=True):
        before, h = h, np.tanh(p.U @ x_t + p.W @ h + p.b)
        by_u, by_w, by_b = (np.tensordot(p.W, part, 1) for part in (by_u, by_w, by_b))
        by_u[each, each] += x_t
        by_w[each, each] += before
        by_b[each, each] += 1
        slope = 1 - h**2
        for part in (by_u, by_w, by_b):
            part *= slope.reshape(-1, *[1] * (part.ndim - 1))
        o = p.V @ h + p.c
        by_o = np.exp(o - o.max())
        by_o /= by_o.sum()
        by_o[y_t] -= 1
        by_h = p.V.T @ by_o
        for total, part in zip(
            found,
            (*(np.tensordot(by_h, q, 1) for q in (by_u, by_w)), np.outer(by_o, h), by_h @ by_b, by_o),
            strict=True,
        ):
            total += part
    return found


def reach(p: Parameters, trace: Trace, target: int) -> Array:
    """|dL_T/dh_t| [T + 1] for t from 0 to T: how strongly the last step's loss depends on the state at each step before."""
    by_h = p.V.T @ (trace.probs[-1] - np.eye(len(p.c))[target])
    norms = [np.linalg.norm(by_h)]
    for h in trace.h[:0:-1]:
        by_h = p.W.T @ ((1 - h**2) * by_h)
        norms.append(np.linalg.norm(by_h))
    return np.array(norms[::-1])
