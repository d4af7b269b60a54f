"""Layers in int8 against the same layers in float32, and against PyTorch's own dynamic quantisation: forward, no gradients.

    python -m benchmarks.whole_numbers --rows linear,lstm,gru --threads 2 --rounds 15

Contenders take turns in one process; a ratio is the median over the rounds of float32's time over another's. With one thread the clock
is the thread's processor time, which other work on the machine hardly touches; with more it is the wall's. Weights are int8 with a scale
for each row; ours rounds each row of the activations by itself, PyTorch's (torch.ao.quantization.quantize_dynamic) a batch as a whole.
Off is the largest difference from float32 over the largest answer.
"""

import argparse
import copy
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from samoyed.layers import int8
from samoyed.layers.recurrence import GRU, LSTM, RNN
from samoyed.layers.recurrence.library import library

LINEAR = ((128, 128), (256, 256), (400, 120), (512, 512), (1024, 1024), (2048, 1000))
# maps in and out, side of the picture; kernels of 3 x 3
CONVOLUTIONS = ((6, 14), (32, 32), (64, 32), (128, 16), (256, 8))
RECURRENT = ((1, 128), (35, 128), (1, 256), (35, 256), (1, 512), (35, 512))  # T, H
CELLS: dict[str, Any] = {
    "rnn": (RNN, nn.RNN),
    "lstm": (LSTM, nn.LSTM),
    "gru": (GRU, nn.GRU),
    "lstm_peephole": (lambda *a: LSTM(*a, peephole=True), None),
    "gru_before": (lambda *a: GRU(*a, reset="before"), None),
}
Run = Callable[[], Tensor]


class _Named(nn.Module):
    """quantize_dynamic replaces children, not the module itself."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer


def contenders(row: str, size: tuple[int, int], batch: int) -> dict[str, Run]:
    """float32 first, then ours in int8, then PyTorch's."""
    torch.manual_seed(0)
    if row == "linear":
        layer: Any = nn.Linear(*size)
        x, peer, takes = torch.randn(batch, size[0]), nn.Linear(*size), nn.Linear
    elif row == "conv":
        layer, takes, peer = nn.Conv2d(size[0], size[0], 3, padding=1), nn.Conv2d, None  # none rounds them as they come
        x = torch.randn(batch, size[0], size[1], size[1])
    else:
        ours, peer_of = CELLS[row]
        layer, takes = ours(size[1], size[1]), peer_of
        x, peer = torch.randn(size[0], batch, size[1]), peer_of(size[1], size[1]) if peer_of else None
    if peer is not None:
        peer.load_state_dict(layer.state_dict())
    small = copy.deepcopy(layer)
    scales = {name: p.detach().abs().flatten(1).amax(1) / 127 for name, p in small.named_parameters() if p.dim() > 1}
    int8.FEWEST = int8.FEWEST_RECURRENT = int8.FEWEST_MAPS = 1
    if int8.engage(small, scales) != [""]:
        raise RuntimeError(f"{row} is not computed in int8")
    found: dict[str, Run] = {"float32": lambda: _first(layer.eval()(x)), "int8": lambda: _first(small.eval()(x))}
    if peer is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = torch.ao.quantization.quantize_dynamic(_Named(peer.eval()), {takes}, torch.qint8).layer
        if not isinstance(theirs, takes):
            found["torch.ao int8"] = lambda: _first(theirs(x))
    return found


def _first(answer: Any) -> Tensor:
    y: Tensor = answer if isinstance(answer, Tensor) else answer[0]
    return y


def measured(runs: dict[str, Run], rounds: int) -> dict[str, list[float]]:
    """Microseconds of each contender in each round."""
    repeats = max(1, round(0.004 / _seconds(runs["float32"], 3)))
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 2):
        for name, run in runs.items():
            taken = 1e6 * _seconds(run, repeats)
            if number > 1:  # caches and threads are awake
                spent[name].append(taken)
    return spent


def _seconds(run: Run, repeats: int) -> float:
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    began = clock()
    for _ in range(repeats):
        run()
    return (clock() - began) / repeats


def main() -> None:
    parser = argparse.ArgumentParser(description="Layers in int8 beside float32.")
    parser.add_argument("--rows", default=",".join(["linear", "conv", *CELLS]))
    parser.add_argument("--batches", default="1,32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    kernels = library()
    print(f"torch {torch.__version__}, {given.threads} threads, {kernels and kernels.samoyed_whole_choice().decode()}")
    print(f"{'row':<14} {'size':<12} {'batch':>5} {'float32 us':>10}  times faster, and off")
    for row in given.rows.split(","):
        for size in {"linear": LINEAR, "conv": CONVOLUTIONS}.get(row, RECURRENT):
            for batch in map(int, given.batches.split(",")):
                with torch.inference_mode():
                    runs = contenders(row, size, batch)
                    exact = runs["float32"]()
                    spent = measured(runs, given.rounds)
                    said = []
                    for name, run in list(runs.items())[1:]:
                        off = float((run() - exact).abs().max() / exact.abs().max())
                        gain = statistics.median(a / b for a, b in zip(spent["float32"], spent[name], strict=True))
                        said.append(f"{name} {gain:.2f} x ({off:.4f})")
                form = {"linear": "{} x {}", "conv": "{} of {} px"}.get(row, "T {} H {}")
                print(
                    f"{row:<14} {form.format(*size):<12} {batch:>5} {statistics.median(spent['float32']):>10.1f}  {', '.join(said)}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
