"""A model cut into shards, one per process, for models that outgrow one device: torch's fully_shard (FSDP2; Zhao et al. 2023).

Each process holds its rows of every parameter, gradient and optimiser state; a part of the model is made whole just before it is
computed and dropped after. Gradients are summed, not averaged, and divided by the count of all rows, as without shards.
"""

import math
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from samoyed.training.world import World

LARGE = 1_000_000  # numbers from which a part of the model is gathered by itself


def shard(model: nn.Module, world: World, device: torch.device, large: int = LARGE) -> None:
    """Cuts the model over the world's processes, in place; it then is on `device`. Its attributes and methods stay."""
    # loaded here, since they take as long to load as the rest of a small training, and few need them
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh(device.type, (world.size,))
    for part in [*parts(model, large), model]:
        sharded = fully_shard(part, mesh=mesh)
        sharded.set_gradient_divide_factor(1.0)
        sharded.set_force_sum_reduction_for_comms(True)  # gloo has no other
    if hasattr(model, "loss"):
        register_fsdp_forward_method(model, "loss")
    for name, buffer in list(model.named_buffers()):
        owner, _, last = name.rpartition(".")
        setattr(model.get_submodule(owner), last, buffer.to(device))


def parts(model: nn.Module, large: int = LARGE) -> list[nn.Module]:
    """The children of at least `large` numbers that can be gathered by themselves, those of lists among them.

    A list is never called, so that nothing would gather it; a parameter that two parts share belongs to the whole.
    """
    found: list[nn.Module] = []
    for child in model.children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict):
            found += parts(child, large)
        elif sum(p.numel() for p in child.parameters()) >= large:
            found.append(child)
    holders: dict[nn.Parameter, int] = {}
    for module in model.modules():
        for p in module.parameters(recurse=False):
            holders[p] = holders.get(p, 0) + 1
    return [part for part in found if all(holders.get(p, 1) == 1 for p in part.parameters())]


def is_sharded(model: nn.Module) -> bool:
    """Whether `shard` was called on it."""
    return hasattr(model, "set_gradient_divide_factor")


def is_cut(tensor: Tensor) -> bool:
    """Whether it is a shard."""
    return hasattr(tensor, "full_tensor")


def whole(tensor: Tensor) -> Tensor:
    """A shard's whole tensor, apart from it; every process must ask."""
    return (tensor.full_tensor() if is_cut(tensor) else tensor).detach().clone()  # type: ignore[attr-defined]


def local(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor."""
    return tensor.to_local() if is_cut(tensor) else tensor  # type: ignore[attr-defined]


def like(tensor: Tensor, target: Tensor) -> Tensor:
    """A tensor cut as `target` is; one that is cut, or is of another shape, as it is."""
    if not is_cut(target) or is_cut(tensor) or tensor.shape != target.shape:
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(target, DTensor)
    return distribute_tensor(tensor.to(target.device), target.device_mesh, target.placements, src_data_rank=None)


def put(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Loads whole tensors, or shards, into a model that may be sharded."""
    for part in model.modules():
        if is_sharded(part):
            part.reshard()  # type: ignore[operator]  # an evaluation leaves the outermost part whole
    held = model.state_dict()
    model.load_state_dict({name: like(tensor, held[name]) for name, tensor in tensors.items()})


class Shards:
    """`Gradients` for a sharded model, whose gradients are summed by fully_shard itself while the backward pass goes on."""

    def __init__(self, parameters: list[nn.Parameter], world: World) -> None:
        self.world, self.parameters = world, parameters
        self._sums: Tensor | None = None
        self._work: Any = None

    def begin(self, loss: float, count: float) -> None:
        """Sends the loss and the count of this process's rows."""
        self._sums = torch.tensor([loss, count], dtype=torch.float64, device=self.world.device)
        with self.world.noticing():
            self._work = dist.all_reduce(self._sums, async_op=True)

    def end(self) -> tuple[float, float]:
        """The loss and the count of all rows; every gradient is then divided by the count."""
        assert self._sums is not None
        with self.world.noticing():
            self._work.wait()
        loss, count = self._sums.tolist()
        gradients = [local(p.grad) for p in self.parameters if p.grad is not None]
        torch._foreach_div_(gradients, count)
        self._sums = None
        return loss, count

    @property
    def begun(self) -> bool:
        """Whether `end` is awaited."""
        return self._sums is not None

    def forget(self) -> None:
        """Nothing is awaited any more."""
        self._sums = None

    def norm(self, gradients: list[Tensor]) -> float:
        """The norm of the whole gradient, of which `gradients` are this process's shards."""
        mine = float(torch.nn.utils.get_total_norm(gradients, foreach=True))
        return math.sqrt(self.world.sum(mine * mine)[0])

    def close(self) -> None:
        """Nothing to leave."""
