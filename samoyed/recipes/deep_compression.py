"""Deep compression: LeNet on MNIST with most weights left out, the rest shared, written in Huffman's code.

Source: Han, Mao & Dally 2015, table 1: LeNet-5 39 times smaller, error 0.80 % before and 0.74 % after. Departures: as many weights as
theirs (422,000 to 431,000), in 16 and 42 maps and 317 and 222 units for 20, 50 and 500; one rule says what every layer can bear, where
they chose by hand; all levels have 5 bits, theirs of convolutions 8; levels are written as float16; the sizes are those of files, header
and biases included.
"""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import samoyed
from samoyed.recipes import _runs, mnist
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import COLOURS, figure, style, to_png
from samoyed.samples.downloads import fetch

expected = "the file at least 35 times smaller, the mean test error over 3 seeds at most 0.1 percentage points higher"
seconds = 1800

_SEEDS = (0, 1, 2)
_NETWORK: dict[str, Any] = {"model": "lenet", "width": 2.64, "epochs": 10, "batch_size": 128}
_SMALLER: dict[str, Any] = {"prune": 0.91, "share": 5, "epochs": 5}


def run(out: Path, echo: Callable[[str], None], data: Path | None) -> Outcome:
    """Trains and compresses with each seed on `data`, a folder with MNIST's four files, or on what is fetched."""
    where = data or fetch("mnist", mnist.FILES, echo)
    rows: list[_runs.Row] = []
    ratios, gains, lines = [], [], []
    for seed in _SEEDS:
        before = _runs.train(out, f"lenet-{seed}", "image-classification", where, echo, seed=seed, **_NETWORK)
        echo(f"-- compressed-{seed} --")
        after = samoyed.compress(before.path, out=_runs.free(out, f"compressed-{seed}"), **_SMALLER)
        rows += [(f"as trained, seed {seed}", before), (f"compressed, seed {seed}", after)]
        ratios.append(before.weights.stat().st_size / after.weights.stat().st_size)
        found = _runs.compared(before, after)
        gains.append(found.value)
        lines.append(
            f"seed {seed}: {ratios[-1]:.1f} times smaller, error {gains[-1]:+.2f} points (McNemar, p {found.p:.2g})"
        )
    smaller, worse = min(ratios), statistics.mean(gains)
    said = f"at least {smaller:.1f} times smaller; the error changes by {worse:+.3f} percentage points on average"
    return Outcome(
        holds=smaller >= 35 and worse <= 0.1,
        measured={
            "smaller": round(smaller, 2),
            "error_added": round(worse, 4),
            "spread": round(statistics.stdev(gains), 4),
        },
        sentence="\n".join([_runs.table(rows, "error"), *lines, said]),
        pictures=(_drawn(rows, out / "deep_compression.png"),),
    )


@style()
def _drawn(rows: list[_runs.Row], path: Path) -> Path:
    """Error against bytes, before and after, of each seed."""
    drawn, axes = figure(6.4, 3.6)
    for number in range(0, len(rows), 2):
        pair = [run for _, run in rows[number : number + 2]]
        sizes = [r.weights.stat().st_size for r in pair]
        errors = [r.metrics["test"]["error"] for r in pair]
        values = [e["value"] for e in errors]
        colour = COLOURS[number // 2 % len(COLOURS)]
        axes.plot(sizes, values, color=colour, alpha=0.5, linewidth=1)
        spread = [[e["value"] - e["low"] for e in errors], [e["high"] - e["value"] for e in errors]]
        axes.errorbar(sizes, values, spread, fmt="o", color=colour, capsize=3, label=f"seed {number // 2}")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("bytes of weights on the disk")
    axes.set_ylabel("test error, %, with 95 % interval")
    axes.legend(fontsize=8)
    return to_png(drawn, path)
