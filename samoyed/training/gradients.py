"""Gradients summed over processes, while the rest of the backward pass goes on.

Why not DistributedDataParallel: it is a wrapper whose own `forward` must be called, and tasks call models' other methods, read
their attributes and override `update`; and it averages over processes, where a sum and a count pool unequal shares exactly. What
it does well is done here the same way (Li et al. 2020): gradients travel in buckets of about 25 MB, filled in the reverse order
of the parameters, which is about the order in which the backward pass finds them; a bucket is sent as soon as it is full, always
after the one before it, so that every process sends the same things in the same order.
"""

import torch
import torch.distributed as dist
from torch import Tensor, nn

from samoyed.training.world import World

BUCKET = 25 * 2**20  # bytes


class Bucket:
    """Some parameters' gradients in one row of numbers, and behind them for each whether it has a gradient anywhere."""

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self.parameters = parameters
        sizes = [p.numel() for p in parameters]
        self.flat = parameters[0].new_zeros(sum(sizes) + len(sizes), requires_grad=False)
        starts = [sum(sizes[:i]) for i in range(len(sizes))]
        self.views = [self.flat.as_strided(p.shape, p.stride(), at) for p, at in zip(parameters, starts, strict=True)]
        self.numbers, self.flags = self.flat[: sum(sizes)], self.flat[sum(sizes) :]

    def fill(self) -> None:
        """Copies the gradients in; one that is not there counts as zeros."""
        found = [p.grad is not None for p in self.parameters]
        if not all(found):
            self.flat.zero_()
        there = [(v, p.grad) for v, p in zip(self.views, self.parameters, strict=True) if p.grad is not None]
        if there:
            torch._foreach_copy_([view for view, _ in there], [gradient for _, gradient in there])
        self.flags.copy_(torch.tensor(found, dtype=self.flat.dtype))

    def empty(self, count: float) -> None:
        """Makes the sum, divided by `count`, the gradient of every parameter that has one in some process."""
        self.numbers.div_(count)
        for p, view, flag in zip(self.parameters, self.views, self.flags.tolist(), strict=True):
            p.grad = view if flag else None


class Gradients:
    """What processes that each hold the whole model tell each other for a step. `begin` comes before the last backward pass of
    a step, `end` after it."""

    def __init__(self, parameters: list[nn.Parameter], world: World, bucket: int = BUCKET) -> None:
        self.world = world
        self.buckets = [Bucket(some) for some in in_buckets(parameters, bucket)]
        self._of = {p: i for i, some in enumerate(self.buckets) for p in some.parameters}
        self._hooks = [p.register_post_accumulate_grad_hook(self._arrived) for p in parameters]  # type: ignore[no-untyped-call]
        self._missing: list[int] = []
        self._sent: list[dist.Work] = []
        self._sums: Tensor | None = None

    def begin(self, loss: float, count: float) -> None:
        """Sends the loss and the count of this process's rows; from here on full buckets follow by themselves."""
        self._missing = [len(bucket.parameters) for bucket in self.buckets]
        self._sums = torch.tensor([loss, count], dtype=torch.float64, device=self.world.device)
        with self.world.noticing():
            self._sent = [_summed(self._sums)]

    def end(self) -> tuple[float, float]:
        """The loss and the count of all rows; every gradient is then the sum over them, divided by the count."""
        assert self._sums is not None
        while len(self._sent) <= len(self.buckets):
            self._send()
        with self.world.noticing():
            for work in self._sent:
                work.wait()
        loss, count = self._sums.tolist()
        for bucket in self.buckets:
            bucket.empty(count)
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
        """The norm of the whole gradient."""
        return float(torch.nn.utils.get_total_norm(gradients, foreach=True))

    def close(self) -> None:
        """Leaves the parameters as they were found."""
        for hook in self._hooks:
            hook.remove()

    def _arrived(self, parameter: Tensor) -> None:
        if self._sums is None:
            return
        self._missing[self._of[parameter]] -= 1  # type: ignore[index]
        while len(self._sent) <= len(self.buckets) and self._missing[len(self._sent) - 1] == 0:
            self._send()

    def _send(self) -> None:
        bucket = self.buckets[len(self._sent) - 1]
        bucket.fill()
        with self.world.noticing():
            self._sent.append(_summed(bucket.flat))


def in_buckets(parameters: list[nn.Parameter], most: int = BUCKET) -> list[list[nn.Parameter]]:
    """The parameters in reverse order, in groups of one type and at most `most` bytes, or of one parameter.

    >>> some = [nn.Parameter(torch.zeros(n)) for n in (3, 2, 9, 1)]
    >>> [[p.numel() for p in group] for group in in_buckets(some, 16)]
    [[1], [9], [2], [3]]
    """
    groups: list[list[nn.Parameter]] = []
    size = 0
    for p in reversed(parameters):
        alike = bool(groups) and (p.dtype, p.device) == (groups[-1][-1].dtype, groups[-1][-1].device)
        if not alike or size + p.nbytes > most:
            groups.append([])
            size = 0
        groups[-1].append(p)
        size += p.nbytes
    return groups


def _summed(tensor: Tensor) -> dist.Work:
    work: dist.Work = dist.all_reduce(tensor, async_op=True)
    return work
