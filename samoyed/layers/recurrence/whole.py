"""Matrices of whole numbers: int8 with a scale for each row, multiplied with rows that are rounded to int8 as they come.

For a row x, with m = max |x|:  q = round(127 x / m), half to even;  y_o = (m / 127) s_o sum_k q_k w_ok + b_o, w_ok from -127 to 127. The
sums are whole numbers, so that a row's answer does not depend on what else is in the batch. A row all below 1e-30 counts as zeros.

The C of products.h computes it on the CPU; where it could not be built, PyTorch computes the same numbers. Nothing is differentiated
here: under autograd, while training, on other devices and in exported graphs the float32 parameters stand, which are s_o w_ok.

Legend: N rows, K depth, O outputs.
"""

from typing import Any

import torch
from torch import Tensor

from samoyed.layers.recurrence.calls import loaded
from samoyed.layers.recurrence.library import Product, library

NOTHING = 1e-30
DEEPEST = 60_000  # numbers in a row whose sum int32 surely holds
_SMALL = 2**18  # multiplications that are not worth a second thread


class Whole:
    """A matrix [O, K]: `numbers` int8, `scales` float32 [O]."""

    def __init__(self, numbers: Tensor, scales: Tensor) -> None:
        """numbers int8 [O, K] from -127 to 127, scales float32 [O]."""
        self.numbers, self.scales = numbers.contiguous(), scales.float().contiguous()
        self._packed: dict[tuple[bytes, int], Tensor] = {}
        self.kernel: Tensor | None = None  # the numbers as oneDNN lays a convolution's out

    @classmethod
    def of(cls, weight: Tensor, scales: Tensor) -> "Whole":
        """From float32 [O, K] that is whole numbers times its row's scale, or the one scale of all rows."""
        scales = scales.float().flatten().expand(len(weight))
        return cls((weight.detach() / scales[:, None]).round().clamp(-127, 127).to(torch.int8), scales)

    def __getitem__(self, rows: slice) -> "Whole":
        return Whole(self.numbers[rows], self.scales[rows])

    def __deepcopy__(self, memo: Any) -> "Whole":
        return Whole(self.numbers, self.scales)  # which never change; what oneDNN has made cannot be copied

    def __len__(self) -> int:
        return len(self.numbers)

    def product(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """x [..., K] float32 on the CPU -> [..., O]."""
        kernels = library()
        if kernels is None:
            return self.in_pytorch(x, bias)
        outputs, depth = self.numbers.shape
        rows = x if x.is_contiguous() else x.contiguous()
        count = rows.numel() // depth
        y = x.new_empty(*x.shape[:-1], outputs)
        room = torch.empty(count * room_of(depth), dtype=torch.uint8)
        threads = 1 if count * outputs * depth < _SMALL else torch.get_num_threads()
        begins = None if bias is None else bias.data_ptr()
        call = Product(
            count, outputs, depth, depth, outputs, 0, threads,
            rows.data_ptr(), y.data_ptr(), self.packed().data_ptr(), self.scales.data_ptr(), begins, room.data_ptr(),
        )  # fmt: skip
        kernels.samoyed_whole_multiply(call)
        return y

    def in_pytorch(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """The same by PyTorch; float64 holds the sums exactly."""
        largest = x.abs().amax(-1, keepdim=True)
        nothing = largest < NOTHING
        factor, scale = (part.masked_fill(nothing, 0.0) for part in (127 / largest, largest / 127))
        sums = (x * factor).round().double() @ self.numbers.double().t()
        y = sums.float() * (scale * self.scales)
        return y if bias is None else y + bias

    def packed(self, cut: int = 0) -> Tensor:
        """As the C reads it, uint8; rows from `cut` on, if there is a cut, as a matrix of their own behind the others."""
        kernels = loaded()
        key = (kernels.samoyed_whole_choice(), cut)
        found = self._packed.get(key)
        if found is None:
            parts = [self.numbers[:cut], self.numbers[cut:]] if cut else [self.numbers]
            made = []
            for part in parts:
                packed = torch.empty(kernels.samoyed_whole_size(*part.shape), dtype=torch.uint8)
                kernels.samoyed_whole_pack(*part.shape, part.data_ptr(), packed.data_ptr())
                made.append(packed)
            found = self._packed[key] = torch.cat(made)
        return found


def linear(x: Tensor, weight: "Tensor | Whole", bias: Tensor | None = None) -> Tensor:
    """x [..., K] -> x weight^T + bias [..., O]."""
    if isinstance(weight, Whole):
        return weight.product(x, bias)
    return torch.nn.functional.linear(x, weight, bias)


def computes(x: Tensor) -> bool:
    """Whether x is multiplied as whole numbers."""
    if torch.is_grad_enabled() or x.dtype != torch.float32 or x.device.type != "cpu":
        return False
    return not (torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu"))


def room_of(depth: int) -> int:
    """Bytes of a rounded row: ROOM of products.h."""
    return 8 + (depth + 3) // 4 * 8
