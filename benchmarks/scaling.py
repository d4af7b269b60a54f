"""What several processes cost and gain on this machine, beside what the cost model of docs/scaling.md says.

python -m benchmarks.scaling [--rounds N] [--processes N]

Rounds alternate between one process on the whole batch; as many as asked for, each for itself, on the share of a batch that one
of several gets; and as many together on the whole batch. So the model's computing holds what processes of one machine take from
each other in cores and memory, and only the exchange is predicted. Times are medians over steps, then over rounds.
"""

import argparse
import json
import math
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SIZES = (8, 2**20, 25 * 2**20)  # bytes that are summed over the processes
STEPS, WARM = 30, 5


class Net(NamedTuple):
    """A fully connected network on 28 x 28 pictures of 10 classes, and the batch that it is trained on."""

    hidden_sizes: tuple[int, ...]
    batch: int


NETS = {"small": Net((512, 256), 256), "large": Net((2048, 2048), 256), "large, batch 1024": Net((2048, 2048), 1024)}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--predict", action="store_true", help="print what the model says of GPUs, and measure nothing")
    given = parser.parse_args()
    if given.predict:
        _predict()
        return
    found: dict[str, list[dict[str, Any]]] = {"whole": [], "share": [], "several": []}
    print(f"load before: {os.getloadavg()[0]:.2f}", file=sys.stderr)
    for _ in range(given.rounds):
        found["whole"].append(_measured(1, 1, 1))
        found["share"].append(_measured(1, given.processes, given.processes))
        found["several"].append(_measured(given.processes, 1, 1))
    print(f"load after: {os.getloadavg()[0]:.2f}", file=sys.stderr)
    _print(found, given.processes, given.rounds)


def _print(found: dict[str, list[dict[str, Any]]], n: int, rounds: int) -> None:
    def median(kind: str, key: str) -> float:
        return statistics.median(run[key] for run in found[kind])

    latency = median("several", "8 bytes")
    largest = SIZES[-1]
    bandwidth = 2 * (n - 1) / n * largest / (median("several", f"{largest} bytes") - latency)
    print(f"{n} processes, 1 thread each, {rounds} rounds; medians")
    print(f"all_reduce over gloo: {1e6 * latency:.0f} us for 8 bytes, {bandwidth / 1e9:.2f} GB/s")
    print("| network | parameters | 1 process | its share | exchange | predicted | measured | faster by |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in NETS:
        whole, share, several = (1000 * median(kind, name) for kind in ("whole", "share", "several"))
        parameters = found["whole"][0][f"{name} parameters"]
        exchange = 1000 * (2 * latency + 2 * (n - 1) / n * 4 * parameters / bandwidth)
        print(
            f"| {name} | {parameters:,} | {whole:.1f} ms | {share:.1f} ms | {exchange:.1f} ms | {share + exchange:.1f} ms "
            f"| {several:.1f} ms | {whole / several:.2f} |"
        )


# What is assumed of GPUs: none of it is measured here
_OPERATIONS = 30e12  # float32 per second, half of what an H100 can do
_LINK, _HOP = 300e9, 5e-6  # bytes per second between the GPUs of a machine, seconds per message
_WIRE, _FAR = 45e9, 10e-6  # bytes per second and GPU between machines, seconds per message
_TOGETHER = 8  # GPUs in a machine


def _predict() -> None:
    print("| GPUs | parameters | rows per GPU | computing | exchange | agreeing | step | efficiency |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for n in (8, 1000):
        for parameters, rows in ((10e6, 1024), (100e6, 256), (100e6, 1024), (100e6, 8192), (1000e6, 8192)):
            computing = 6 * parameters * rows / _OPERATIONS
            exchange, agreeing = gpus(parameters, n)
            step = step_seconds(computing, exchange, agreeing, parameters)
            times = " | ".join(f"{1000 * t:.2f} ms" for t in (computing, exchange, agreeing, step))
            print(f"| {n:,} | {parameters / 1e6:,.0f} M | {rows:,} | {times} | {computing / step:.0%} |")


def gpus(parameters: float, n: int) -> tuple[float, float]:
    """Seconds that the gradients of a float32 network, and what is agreed on, take between `n` GPUs.

    Within a machine a ring; between machines every GPU exchanges its eighth with its fellows, in trees.
    """
    size, k = 4 * parameters, buckets(parameters)
    machines, near = max(1, n // _TOGETHER), min(n, _TOGETHER)
    latency = 2 * (near - 1) * _HOP + 2 * math.ceil(math.log2(machines)) * _FAR
    within = 2 * (near - 1) / near * size / _LINK
    between = 2 * (machines - 1) / machines * size / near / _WIRE
    return within + between + k * latency, 2 * latency


def buckets(parameters: float) -> int:
    """How many buckets the gradients travel in."""
    return math.ceil(4 * parameters / (25 * 2**20))


def step_seconds(computing: float, exchange: float, agreeing: float, parameters: float) -> float:
    """A step in which buckets travel beside the backward pass, two thirds of the computing; the last one has nothing beside it."""
    last = exchange / buckets(parameters)
    return computing + last + max(0.0, exchange - last - 2 / 3 * computing) + agreeing


def _measured(size: int, divided: int, groups: int) -> dict[str, Any]:
    """What the first process of all measured: so many groups of `size` at once, on batches that are `divided`."""
    workers = [worker for _ in range(groups) for worker in _started(size, divided)]
    said = [worker.communicate()[0] for worker in workers]
    if any(worker.returncode for worker in workers):
        raise SystemExit("a process failed")
    measured: dict[str, Any] = json.loads(said[0])
    return measured


def _started(size: int, divided: int) -> list[subprocess.Popen[bytes]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1"}
    environment |= {"MASTER_PORT": free_port(), "PYTHONPATH": str(ROOT), "DIVIDED": str(divided)}
    command = [sys.executable, "-c", "from benchmarks.scaling import work; work()"]
    return [
        subprocess.Popen(command, env={**environment, "RANK": str(r), "LOCAL_RANK": str(r)}, stdout=subprocess.PIPE)
        for r in range(size)
    ]


def free_port() -> str:
    """A port that nobody listens to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def work() -> None:
    """One process of a round."""
    import torch
    import torch.distributed as dist

    from samoyed.training.world import joined

    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    with joined("cpu") as world:
        for name, net in NETS.items():
            seconds, parameters = _step_seconds(net, int(os.environ["DIVIDED"]), world)
            found |= {name: seconds, f"{name} parameters": parameters}
        for size in SIZES if world.size > 1 else ():
            row = torch.zeros(size // 4)
            found[f"{size} bytes"] = _median(lambda row=row: dist.all_reduce(row))
    if world.first:
        print(json.dumps(found))


def _step_seconds(net: Net, divided: int, world: Any) -> tuple[float, int]:
    """The median time of a step, and the network's parameters."""
    import torch
    from torch import nn

    from samoyed.models.mlp import MLP
    from samoyed.objectives import cross_entropy
    from samoyed.tasks.image_classification import Images
    from samoyed.training.descent import Descent
    from samoyed.training.trainer import Trainer

    torch.manual_seed(0)
    model: nn.Module = MLP(input_shape=(784,), output_size=10, hidden_sizes=net.hidden_sizes, dropout=0.0)
    descent = Descent(model, Trainer().optimizer_of(model), world=world)
    mine = net.batch // divided // world.size
    batch = Images(torch.randn(mine, 784), torch.randint(10, (mine,)))

    def step() -> None:
        descent(cross_entropy(model(batch.images), batch.labels))
        world.sum(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)  # what the loop agrees on once per step

    return _median(step), sum(p.numel() for p in model.parameters())


def _median(act: Callable[[], Any]) -> float:
    times = []
    for _ in range(WARM + STEPS):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return statistics.median(times[WARM:])


if __name__ == "__main__":
    main()
