"""How steps are computed: the fastest way that can be verified on this machine for this model and data.

Candidates differ in precision, memory layout, threads, compilation and, on a GPU, the capture of kernels in graphs. Each is
tried on a copy of the model beside the plain one, interleaved, within a share of the time that training is expected to take;
one whose losses are not the plain one's, within its precision's tolerance, is not taken, and one that fails is passed over.
What was found is remembered by model, shapes, hardware and versions, unless the machine was busy with other work then.
"""

import contextlib
import copy
import hashlib
import json
import math
import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn

from samoyed.errors import RunError
from samoyed.files import cache_folder, write_json
from samoyed.training.luck import Memory
from samoyed.training.machine import name_of

_WORTH = 60.0  # seconds of training below which nothing is tried
_SHARE, _MOST = 0.05, 20.0  # of the expected time, and seconds at the most
_COMPILE_WORTH = 600.0  # seconds of training below which compiling, half a minute of it, cannot pay
_STEPS = 4  # per round
_GAIN = 1.05  # a smaller gain is not worth being other than plain
_TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}  # relative, on the mean loss of the first steps


class Execution(NamedTuple):
    """A way to compute steps; the plain one by default. `threads` 0 leaves torch's number."""

    precision: str = "float32"
    channels_last: bool = False
    threads: int = 0
    compiled: bool = False
    graphs: bool = False  # compiled, and launched as CUDA graphs

    def __str__(self) -> str:
        words = [] if self.precision == "float32" else [self.precision]
        words += ["channels_last"] * self.channels_last + ["compiled"] * self.compiled
        words += ["CUDA graphs"] * self.graphs
        words += [f"{self.threads} thread{'s' * (self.threads > 1)}"] * bool(self.threads)
        return " + ".join(words) or "plain"

    @contextmanager
    def prepared(self, model: nn.Module) -> Iterator[None]:
        """The model in this layout and number of threads, and as it was afterwards."""
        threads = torch.get_num_threads()
        if self.threads:
            torch.set_num_threads(self.threads)
        if self.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.compiled:
            model.compile(mode="reduce-overhead" if self.graphs else None)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            if self.channels_last:
                model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
            model._compiled_call_impl = None

    def precise(self, device: torch.device) -> contextlib.AbstractContextManager[Any]:
        """Inside, operations that bear it are computed in this precision."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bfloat16")


PLAIN = Execution()


def choose(session: Any, say: Callable[[str], None]) -> Execution:
    """The fastest execution for a session that has not begun, and a line that says what and why. Its state is untouched."""
    path = cache_folder() / "execution.json"
    known, key = _remembered(path), _key(session)
    if key in known:
        chosen = Execution(*known[key])
        say(f"{chosen}, as found before for this model and machine")
        return chosen
    began, busy = time.monotonic(), _busy()
    rounds = Rounds(session)
    try:
        expected = rounds.step_seconds() * min(session.budget, 1e12)
        expected = min(expected, session.trainer.max_time or math.inf)
        if expected < _WORTH:
            return PLAIN
        carries = session.task.carried is not None
        found = candidates(session.model, session.task.device, expected, carries)
        shapes = {tuple(part.shape[1:] for part in batch) for batch in rounds.batches}
        if busy or len(shapes) > 1:  # the compiler would wait for others' work, or compile anew for shape after shape
            found = [one for one in found if not one.compiled]
        tried = rounds.run(found, min(_SHARE * expected, _MOST))
    finally:
        rounds.restore()
    chosen, gain = max(tried.items(), key=lambda pair: pair[1], default=(PLAIN, 1.0))
    if gain < _GAIN:
        chosen = PLAIN
    spent = time.monotonic() - began
    how = f"{gain:.2f} times as fast as plain, with the same losses" if chosen != PLAIN else "nothing tried was faster"
    say(f"{chosen}: {how} ({len(tried)} tried in {spent:.0f} s; execution=plain turns this off)")
    if not busy:  # what is fastest beside other work need not be so the next time
        with contextlib.suppress(RunError):  # a cache that cannot be written is no harm
            write_json(path, known | {key: list(chosen)})
    return chosen


def candidates(model: nn.Module, device: torch.device, expected: float, carries: bool = False) -> list[Execution]:
    """What may be faster than plain here, the likeliest first. A state that is carried from step to step would be written over
    by the next launch of a graph, so that a model that `carries` one is not captured."""
    spatial = any(isinstance(module, nn.Conv2d) for module in model.modules())
    low = _has_bfloat16(device)
    found = [Execution("bfloat16", True)] * (spatial and low) + [Execution(channels_last=True)] * spatial
    found += [Execution("bfloat16")] * low
    if device.type == "cpu" and torch.get_num_threads() > 1:
        found.append(Execution(threads=1))
    compiler = shutil.which("g++") or shutil.which("clang++") if device.type == "cpu" else True
    if compiler and expected >= _COMPILE_WORTH:
        whole = Execution("bfloat16" if low else "float32", spatial, compiled=True)
        found += [whole] + [whole._replace(graphs=True)] * (device.type == "cuda" and not carries)
    return found


class Rounds:
    """Runs steps of several executions in turn, each on its own copy of the model, over the same batches."""

    def __init__(self, session: Any) -> None:
        self.session, self.memory = session, Memory(session.task)
        trainer = session.trainer
        drawn = session.task.batches(session.data, trainer.batch_size, seed=trainer.seed, epoch=1)
        self.batches = [batch for _, batch in zip(range(_STEPS), drawn, strict=False)]
        self.plain = self.of(PLAIN)
        self.plain_losses = self.plain()[1]

    def step_seconds(self) -> float:
        """Seconds per plain step."""
        return self.plain()[0] / len(self.batches)

    def run(self, tried: list[Execution], seconds: float) -> dict[Execution, float]:
        """The gain over plain, the median of paired ratios, of each candidate that is as right as plain."""
        began, gains = time.monotonic(), {}
        for execution in tried:
            if time.monotonic() - began > seconds:
                break
            try:
                steps = self.of(execution)
                losses = steps()[1]
                off = max(abs(a - b) / max(abs(b), 1e-3) for a, b in zip(losses, self.plain_losses, strict=True))
                if not off <= _TOLERANCE[execution.precision]:
                    continue
                ratios: list[float] = []
                until = time.monotonic() + seconds / len(tried)
                while len(ratios) < 3 or (time.monotonic() < until and len(ratios) < 15):
                    ratios.append(self.plain()[0] / steps()[0])
                gains[execution] = statistics.median(ratios)
            except Exception as error:  # whatever a backend says: plain is always there
                self.session.watcher.warn(
                    f"the execution {execution} fails here ({type(error).__name__}), and is not used"
                )
        return gains

    def restore(self) -> None:
        """Random generators and carried state as they were."""
        self.memory.again()

    def of(self, execution: Execution) -> Callable[[], tuple[float, list[float]]]:
        """A function that takes these steps in that way, from the same weights each time it is made: (seconds, losses)."""
        session = self.session
        model = copy.deepcopy(session.model)
        optimizer = session.trainer.optimizer_of(model)

        def steps() -> tuple[float, list[float]]:
            self.memory.again()
            losses = []
            with execution.prepared(model):
                _finish(session.task.device)
                began = time.perf_counter()
                for batch in self.batches:
                    with execution.precise(session.task.device):
                        mean = session.task.objective(model, batch)
                    (mean.total / mean.count).backward()
                    optimizer.step()
                    optimizer.zero_grad()
                    losses.append(float(mean.total.detach()) / float(mean.count))
                _finish(session.task.device)
                return time.perf_counter() - began, losses

        return steps


def _busy() -> bool:
    """Whether others take much of this machine's processors."""
    try:
        return os.getloadavg()[0] > 0.75 * (os.cpu_count() or 1)
    except (AttributeError, OSError):
        return False


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _remembered(path: Any) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
        return {key: value for key, value in found.items() if len(Execution(*value)) == len(Execution._fields)}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _key(session: Any) -> str:
    shapes = [(name, tuple(p.shape)) for name, p in session.model.named_parameters()]
    rows = [tuple(tensor.shape[1:]) for tensor in session.data]
    trainer = session.trainer
    facts = (
        str(session.model), shapes, rows, trainer.batch_size, trainer.accumulate, trainer.optimizer, torch.__version__,
        name_of(session.task.device), torch.get_num_threads(),
    )  # fmt: skip
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]
