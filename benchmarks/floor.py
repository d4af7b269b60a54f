"""What this machine can do at best: matrix multiplication in fp32, and copying."""

import time
from collections.abc import Callable
from typing import Any

import torch

_SIDE = 2048
_COPIED = 2**26  # numbers, 256 MiB, far above any cache
_TRIES = 7


class Machine:
    """Measures in a process of its own, as a contestant would."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.versions = {"torch": torch.__version__}

    def measure(self) -> dict[str, Any]:
        """{"threads", "gemm_one", "gemm_all" in FLOP/s, "copy" in bytes/s read and written, "torch"}; the best of 7 tries."""
        threads = torch.get_num_threads()
        a, b = torch.rand(_SIDE, _SIDE), torch.rand(_SIDE, _SIDE)
        out = torch.empty(_SIDE, _SIDE)
        operations = 2.0 * _SIDE**3
        rates = []
        for used in (1, threads):
            torch.set_num_threads(used)
            rates.append(operations / best(lambda: torch.mm(a, b, out=out)))
        source, target = torch.ones(_COPIED), torch.ones(_COPIED)
        copied = 2 * source.numel() * source.element_size()
        copy = copied / best(lambda: target.copy_(source))
        return {
            "threads": threads,
            "gemm_one": rates[0],
            "gemm_all": rates[1],
            "copy": copy,
            "torch": torch.__version__,
        }


def best(work: Callable[[], object]) -> float:
    """The least seconds of several tries, the first of which is not counted."""
    work()
    least = float("inf")
    for _ in range(_TRIES):
        began = time.perf_counter()
        work()
        least = min(least, time.perf_counter() - began)
    return least
