"""Checkpoints: everything that the rest of a training depends on, on the disk, whole or not at all.

    RUN/checkpoint/<step>/{model,best,optimizer,other}.safetensors, state.json, manifest.json

A checkpoint is written under a temporary name, sealed by a manifest with a SHA-256 per file, and renamed; the last two are
kept. Reading takes the newest that is whole, and says which were not.
"""

import contextlib
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from samoyed.errors import RunError
from samoyed.files import check_manifest, sync_folder, write_bytes, write_json, write_manifest

FOLDER = "checkpoint"
_KEPT = 2
_GROUPS = ("model", "best", "optimizer", "other")
_TEMPORARY = ".tmp-"

Tensors = dict[str, Tensor]


@dataclass
class Snapshot:
    """A training between two steps: tensors by group and name, and facts as JSON."""

    facts: dict[str, Any]
    model: Tensors = field(default_factory=dict)
    best: Tensors = field(default_factory=dict)
    optimizer: Tensors = field(default_factory=dict)
    other: Tensors = field(default_factory=dict)


def write(run: Path, snapshot: Snapshot) -> Path:
    """Adds a checkpoint to `run`; older ones than the last two are removed. Raises RunError; those of before are kept then."""
    parent = run / FOLDER
    step = int(snapshot.facts["steps"])
    parent.mkdir(parents=True, exist_ok=True)
    clean(run)
    made = parent / f"{_TEMPORARY}{step}-{os.getpid()}"
    final = parent / f"{step:012d}"
    try:
        made.mkdir()
        for group in _GROUPS:
            tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in getattr(snapshot, group).items()}
            write_bytes(made / f"{group}.safetensors", save(tensors))
        write_json(made / "state.json", snapshot.facts)
        write_manifest(made, {"step": step})
        if final.exists():
            shutil.rmtree(final)
        made.rename(final)
        sync_folder(parent)
    except OSError as error:
        raise RunError(f"the checkpoint cannot be written: {error.strerror or error}", where=final) from error
    finally:
        if made.exists():
            shutil.rmtree(made, ignore_errors=True)
    for old in _found(run)[_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def read(run: Path) -> tuple[Snapshot | None, list[str]]:
    """The newest whole checkpoint of `run`, if there is one, and a sentence about each newer one that is damaged."""
    problems: list[str] = []
    for folder in _found(run):
        names = (*(f"{group}.safetensors" for group in _GROUPS), "state.json")
        try:
            check_manifest(folder, names)
            tensors = {group: load((folder / f"{group}.safetensors").read_bytes()) for group in _GROUPS}
            return Snapshot(json.loads((folder / "state.json").read_text("utf-8")), **tensors), problems
        except (RunError, OSError, ValueError, SafetensorError) as error:
            problems.append(str(error))
    return None, problems


def clean(run: Path) -> None:
    """Removes what a kill during a save left: folders and files under temporary names."""
    for litter in (run / FOLDER).glob(f"{_TEMPORARY}*"):
        shutil.rmtree(litter, ignore_errors=True)
    for litter in run.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            litter.unlink()


def remove(run: Path) -> None:
    """Removes every checkpoint: the run is done."""
    shutil.rmtree(run / FOLDER, ignore_errors=True)


def flatten(value: Any, into: Tensors, name: str) -> Any:
    """Nested tuples of tensors -> their shape as JSON, the tensors being put `into` by name.

    >>> tensors = {}
    >>> flatten((torch.ones(1), None), tensors, "h"), sorted(tensors)
    ([{'tensor': 'h.0'}, None], ['h.0'])
    """
    if isinstance(value, Tensor):
        into[name] = value
        return {"tensor": name}
    if isinstance(value, tuple | list):
        return [flatten(part, into, f"{name}.{i}") for i, part in enumerate(value)]
    return value


def unflatten(shape: Any, tensors: Tensors, device: torch.device) -> Any:
    """The inverse of `flatten`; lists come back as tuples."""
    if isinstance(shape, dict):
        return tensors[shape["tensor"]].to(device)
    if isinstance(shape, list):
        return tuple(unflatten(part, tensors, device) for part in shape)
    return shape


def _found(run: Path) -> list[Path]:
    """Checkpoints, the newest first."""
    return sorted((p for p in (run / FOLDER).glob("*") if p.is_dir() and p.name.isdecimal()), reverse=True)
