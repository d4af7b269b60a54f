"""Batch normalisation over the rows of all processes, so that N of them normalise as one does on the whole batch.

mean = sum x / n, variance = sum (x - mean)^2 / n, both sums over every process's rows; gradients flow through them (Ioffe & Szegedy
2015; torch's SyncBatchNorm is the same on GPUs only). Costs four small exchanges per layer and step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from samoyed.training.world import World


class _Summed(torch.autograd.Function):
    """The sum over processes; its gradient is the sum of theirs, since each of them depends on this one's part."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Any) -> Tensor:
        ctx.group = group
        total = x.contiguous().clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total = gradient.contiguous().clone()
        dist.all_reduce(total, group=ctx.group)
        return total, None


def _summed(x: Tensor, group: Any) -> Tensor:
    total: Tensor = _Summed.apply(x, group)  # type: ignore[no-untyped-call]
    return total


@contextmanager
def over_all(model: nn.Module, world: World) -> Iterator[None]:
    """Inside, the model's batch normalisation is over all processes."""
    layers = [m for m in model.modules() if isinstance(m, _BatchNorm)] if world.size > 1 else []
    # a group of their own: what a layer says in the backward pass must not fall between buckets of gradients
    group = dist.new_group() if layers else None
    for layer in layers:
        layer.forward = partial(_normalise, layer, world, group)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _normalise(layer: Any, world: World, group: Any, x: Tensor) -> Tensor:
    """x [B, C, ...] -> the same shape, with mean 0 and variance 1 per channel over the B rows of every process."""
    if not layer.training:
        y: Tensor = type(layer).forward(layer, x)
        return y
    axes, shape = [0, *range(2, x.ndim)], (1, -1, *[1] * (x.ndim - 2))
    size = x.new_tensor([x.numel() / x.shape[1] * world.weight])
    sums = _summed(torch.cat([x.sum(axes) * world.weight, size]), group)
    count = sums[-1].detach()
    mean = sums[:-1] / count
    centred = x - mean.view(shape)
    variance = _summed(centred.square().sum(axes) * world.weight, group) / count
    if layer.track_running_stats:
        with torch.no_grad():
            layer.num_batches_tracked.add_(1)
            share = 1 / float(layer.num_batches_tracked) if layer.momentum is None else layer.momentum
            layer.running_mean.lerp_(mean, share)
            layer.running_var.lerp_(variance * count / (count - 1).clamp(min=1), share)
    y = centred * (variance + layer.eps).rsqrt().view(shape)
    return y * layer.weight.view(shape) + layer.bias.view(shape) if layer.affine else y
