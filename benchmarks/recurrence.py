"""Recurrent layers against torch.nn and against a loop of PyTorch steps: forward, and backward with input gradients.

    python -m benchmarks.recurrence --rows lstm,gru --sizes A,B --threads 2 --rounds 9

Contenders take turns in one process. A round's ratio is the peer's time over ours; the median over the rounds is reported.
With one thread, the clock is the thread's processor time, which other work on the machine hardly touches; with more it is the
wall's, and rounds are marked where the load was above the processors. Before anything is timed, answers and gradients are held
against float64: ours may not be further off than the peers' are. Floating-point operations counted are the useful ones: 6 N G H (I + R) of the products, N valid steps.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from samoyed.layers.recurrence import GRU, LSTM, RNN

SIZES = {
    "A": (35, 20, 200, 200),
    "B": (100, 32, 128, 256),
    "C": (200, 64, 40, 128),
    "D": (784, 32, 1, 100),
}  # T, B, I, H
ROWS: dict[str, tuple[Callable[..., Any], Callable[..., Any] | None]] = {
    "lstm": (LSTM, nn.LSTM),
    "gru": (GRU, nn.GRU),
    "rnn": (RNN, nn.RNN),
    "relu": (lambda *a, **k: RNN(*a, nonlinearity="relu", **k), lambda *a: nn.RNN(*a, nonlinearity="relu")),
    "peephole": (lambda *a, **k: LSTM(*a, peephole=True, **k), None),
    "coupled": (lambda *a, **k: LSTM(*a, forget="coupled", **k), None),
    "layer_norm": (lambda *a, **k: LSTM(*a, layer_norm=True, **k), None),
    "no_forget": (lambda *a, **k: LSTM(*a, forget="none", **k), None),
    "gru_before": (lambda *a, **k: GRU(*a, reset="before", **k), None),
    "lengths": (LSTM, nn.LSTM),
}
Step = Callable[[], list[Tensor]]


def contenders(row: str, size: str) -> tuple[dict[str, Step], Step, float]:
    """A step of each contender, ours first; the step in float64; and the useful operations of a step."""
    steps, batch, inputs, hidden = SIZES[size]
    ours, theirs = ROWS[row]
    torch.manual_seed(0)
    layer = ours(inputs, hidden)
    x, above = torch.randn(steps, batch, inputs, requires_grad=True), torch.randn(steps, batch, hidden)
    lengths = torch.randint(steps // 10, steps + 1, (batch,)) if row == "lengths" else None
    rows = int(lengths.sum()) if lengths is not None else steps * batch
    found = {"samoyed": _step(lambda: layer(x, lengths=lengths)[0], layer, x, above)}
    if theirs is not None:
        peer = theirs(inputs, hidden)
        peer.load_state_dict(layer.state_dict())
        if lengths is None:
            found["torch.nn"] = _step(lambda: peer(x)[0], peer, x, above)
        else:
            found["torch.nn packed"] = _step(lambda: _packed(peer, x, lengths), peer, x, above)
            found["padded"] = _step(lambda: layer(x)[0], layer, x, above)
    if lengths is None:
        loop = ours(inputs, hidden, engine="reference")
        loop.load_state_dict(layer.state_dict())
        found["loop"] = _step(lambda: loop(x)[0], loop, x, above)
    exact = ours(inputs, hidden, engine="reference", dtype=torch.float64)
    exact.load_state_dict(layer.state_dict())
    wide = x.detach().double().requires_grad_()
    truth = _step(lambda: exact(wide, lengths=lengths)[0], exact, wide, above.double())
    return found, truth, 6.0 * rows * layer.cell.gates * hidden * (inputs + hidden)


def _step(run: Callable[[], Tensor], layer: nn.Module, x: Tensor, above: Tensor) -> Step:
    def step() -> list[Tensor]:
        y = run()
        return [y, *torch.autograd.grad(y, [x, *layer.parameters()], above)]

    return step


def _packed(layer: nn.Module, x: Tensor, lengths: Tensor) -> Tensor:
    y, _ = layer(pack_padded_sequence(x, lengths, enforce_sorted=False))
    return pad_packed_sequence(y, total_length=len(x))[0]


def differ(a: list[Tensor], b: list[Tensor]) -> float:
    """The largest difference of two lists of tensors, each relative to its largest entry."""
    pairs = [(p.detach().double(), q.detach()) for p, q in zip(a, b, strict=True)]
    return max(float((p - q).abs().max() / q.abs().max()) for p, q in pairs)


def measure(steps: dict[str, Step], rounds: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """Seconds of each contender in each round, after one round that is thrown away."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 1):
        for name, step in steps.items():
            begin = clock()
            step()
            if number:
                seconds[name].append(clock() - begin)
    return seconds


def peak(clock: Callable[[], float]) -> float:
    """Operations a second of a large matrix product, the best of 5."""
    a, b = torch.randn(1536, 1536), torch.randn(1536, 1536)

    def once() -> float:
        begin = clock()
        torch.mm(a, b)
        return clock() - begin

    return 2 * 1536**3 / min(once() for _ in range(5))


def lines(rows: list[str], sizes: list[str], rounds: int, threads: int) -> Iterator[str]:
    """The table, row by row."""
    torch.set_num_threads(threads)
    clock = time.thread_time if threads == 1 else time.perf_counter
    best = peak(clock)
    kind = "processor" if threads == 1 else "wall"
    yield f"torch {torch.__version__}, {threads} thread(s), {kind} time, {rounds} rounds, product {best / 1e9:.0f} GF/s"
    yield f"{'row':<12}{'size':<6}{'ms':>8}{'GF/s':>7}{'peak':>6}  {'ratios (median, lowest to highest)':<64}load"
    for row in rows:
        for size in sizes:
            steps, exact, work = contenders(row, size)
            truth = exact()
            errors = {name: differ(step(), truth) for name, step in steps.items() if name != "padded"}
            if errors["samoyed"] > 1e-5 + 4 * max(error for name, error in errors.items() if name != "samoyed"):
                raise SystemExit(f"{row} {size}: other numbers than float64 gives: {errors}")
            seconds = measure(steps, rounds, clock)
            own = seconds.pop("samoyed")
            said = []
            for name, some in seconds.items():
                ratios = [a / b for a, b in zip(some, own, strict=True)]
                said.append(f"{name} {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
            middle = statistics.median(own)
            load = os.getloadavg()[0]
            busy = f"{load:.1f}" + (" busy" if threads > 1 and load > (os.cpu_count() or 1) + 0.5 else "")
            share = f"{work / middle / best:.0%}"
            yield f"{row:<12}{size:<6}{middle * 1e3:>8.2f}{work / middle / 1e9:>7.0f}{share:>6}  {', '.join(said):<64}{busy}"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", default=",".join(ROWS), help=f"of {', '.join(ROWS)}")
    parser.add_argument("--sizes", default=",".join(SIZES), help=f"of {', '.join(SIZES)}")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = parser.parse_args()
    for line in lines(asked.rows.split(","), asked.sizes.split(","), asked.rounds, asked.threads):
        print(line, flush=True)


if __name__ == "__main__":
    main()
