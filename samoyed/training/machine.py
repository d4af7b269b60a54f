"""The machine: which device is used, and what a figure depends on besides the command."""

import platform
from pathlib import Path
from typing import Any

import torch

import samoyed
from samoyed.errors import UsageError
from samoyed.sources._paths import plural


def device_of(name: str) -> torch.device:
    """The device a setting names; auto takes a GPU if there is one. Raises UsageError where it is absent."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, usable in there.items() if usable))
    if not there[name]:
        usable = "|".join(kind for kind, found in there.items() if found)
        raise UsageError(f"there is no device {name} here", remedy=f"use device={usable}, or auto")
    return torch.device(name)


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, system, processor, threads and device, as JSON."""
    return {
        "samoyed": samoyed.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.platform(),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "device": name_of(device),
    }


def name_of(device: torch.device) -> str:
    """The device for people."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_processor()}, {plural(torch.get_num_threads(), 'thread')}" if device.type == "cpu" else str(device)


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
