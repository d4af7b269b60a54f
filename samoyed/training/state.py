"""What a session's snapshots are made of: copies of weights, optimiser state, random generators, and what is carried.

A snapshot is whole, as a checkpoint that any number of processes can go on from, or one process's own, as what it goes back to
itself. Whole, sharded tensors are put together (the first process keeps them), and carried rows are those of all processes.
"""

from typing import Any

import torch
from torch import Tensor, nn

from samoyed import batching
from samoyed.training.checkpoint import Tensors
from samoyed.training.evaluation import Result
from samoyed.training.progress import Epoch, Weights
from samoyed.training.sharding import is_cut, like, whole
from samoyed.training.world import World


def copy_of(tensors: dict[str, Tensor], world: World, own: bool = False) -> Tensors:
    """The tensors, apart from the training that goes on: whole, or this process's `own` shards."""
    if own:
        return {name: tensor.detach().clone() for name, tensor in tensors.items()}
    found = {}
    for name, tensor in tensors.items():  # one whole tensor at a time, since all of them may outgrow the device
        made = whole(tensor)
        if not is_cut(tensor):
            found[name] = made
        elif world.first:
            found[name] = made.cpu()
    return found


def weights_of(model: nn.Module, world: World, own: bool = False) -> Weights:
    """The model's state, apart from it."""
    return copy_of(model.state_dict(), world, own)


def of_optimizer(optimizer: torch.optim.Optimizer, world: World, own: bool = False) -> Tensors:
    """The optimiser's tensors, by number of the parameter and name."""
    state = optimizer.state_dict()["state"]
    found = {f"{i}.{name}": value for i, values in state.items() for name, value in values.items()}
    return copy_of({name: value for name, value in found.items() if isinstance(value, Tensor)}, world, own)


def into_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """The inverse of `of_optimizer`."""
    held = optimizer.state_dict()
    held["state"] = {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        held["state"].setdefault(int(index), {})[name] = like(tensor.clone(), parameters[int(index)])
    optimizer.load_state_dict(held)


def generators(device: torch.device, world: World, own: bool = False) -> Tensors:
    """Torch's random generators; whole, those of every process by its number, the first's without one."""
    mine = {"rng.cpu": torch.get_rng_state()}
    if device.type == "cuda":
        mine["rng.cuda"] = torch.cuda.get_rng_state(device)
    if own or world.size == 1:
        return {name: state.clone() for name, state in mine.items()}
    return {
        name if rank == 0 else f"{name}.{rank}": state.clone()
        for name, state in mine.items()
        for rank, state in enumerate(world.rows(state[None]))
    }


def set_generators(tensors: Tensors, device: torch.device, world: World, own: bool, *counters: int) -> None:
    """The inverse of `generators`; a process that the snapshot knows nothing of draws from the counters and its number."""
    last = "" if own or world.first else f".{world.rank}"
    if f"rng.cpu{last}" not in tensors:
        torch.manual_seed(batching.generator(*counters, world.rank).initial_seed())
        return
    torch.set_rng_state(tensors[f"rng.cpu{last}"])
    if f"rng.cuda{last}" in tensors and device.type == "cuda":
        torch.cuda.set_rng_state(tensors[f"rng.cuda{last}"], device)


def gathered(carried: Any, axis: int, world: World) -> Any:
    """What is carried, nested tuples of tensors, with the rows of every process along `axis`."""
    if isinstance(carried, Tensor):
        return world.rows(carried.narrow(axis, 0, carried.shape[axis] if world.weight else 0), axis)
    return None if carried is None else tuple(gathered(part, axis, world) for part in carried)


def divided(carried: Any, axis: int, world: World) -> Any:
    """The inverse of `gathered`: this process's rows, or the first's where there are too few for all."""
    if isinstance(carried, Tensor) and world.size > 1:
        parts = carried.tensor_split(world.size, axis)
        return parts[world.rank] if parts[world.rank].shape[axis] else parts[0]
    return tuple(divided(part, axis, world) for part in carried) if isinstance(carried, tuple) else carried


def as_facts(epoch: Epoch) -> dict[str, Any]:
    """An epoch as JSON that gives it back."""
    return epoch._asdict() | {"valid": {name: result._asdict() for name, result in epoch.valid.items()}}


def from_facts(facts: dict[str, Any]) -> Epoch:
    """The inverse of `as_facts`."""
    return Epoch(**{**facts, "valid": {name: Result(**found) for name, found in facts["valid"].items()}})
