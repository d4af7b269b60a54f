"""A network computed with int8 matrices: which of its layers are, and which stay in float32.

Full layers (torch.nn.Linear) and recurrent layers multiply whole numbers, rows being rounded as they come (recurrence/whole.py);
convolutions of pictures do by oneDNN, each picture being rounded with a scale of its own. States, gates, biases, normalisations and embeddings are
float32. So is a full layer of fewer than `FEWEST` weights, a recurrent one with fewer than `FEWEST_RECURRENT` from state to state, and a
convolution from or to fewer than `FEWEST_MAPS` maps, or in groups: there, rounding takes longer than it saves
(`python -m benchmarks.whole_numbers`). The rule knows only sizes, so that a run answers alike on every machine.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from samoyed.layers.recurrence.stack import Recurrent
from samoyed.layers.recurrence.whole import DEEPEST, NOTHING, Whole, computes

FEWEST, FEWEST_RECURRENT, FEWEST_MAPS = 2**17, 2**15, 32


class Int8Linear(nn.Linear):
    """x [..., K] -> [..., O] as torch.nn.Linear, through `whole` where nothing is learned."""

    whole: Whole | None = None

    def forward(self, input: Tensor) -> Tensor:
        """input [..., K] -> [..., O]."""
        if self.whole is None or self.training or not computes(input):
            return super().forward(input)
        return self.whole.product(input, self.bias)


class Int8Conv2d(nn.Conv2d):
    """images [B, C, H, W] -> [B, O, H', W'] as torch.nn.Conv2d, through `whole` where nothing is learned.

    With m_b = max |x| of a picture:  q = round(127 x / m_b);  y = (m_b / 127) s_o sum q w + b. The sums are whole numbers; without
    VNNI's instructions, whose forerunners overflow, they are computed in float32, which holds them exactly below 2^24.
    """

    whole: Whole | None = None

    def forward(self, input: Tensor) -> Tensor:
        """input [B, C, H, W] -> [B, O, H', W']."""
        if self.whole is None or self.training or not computes(input) or input.dim() != 4:
            return super().forward(input)
        largest = input.abs().amax((1, 2, 3), keepdim=True)
        nothing = largest < NOTHING
        q = (input * (127 / largest).masked_fill(nothing, 0.0)).round_()
        sums = self._sums(q, self.whole)
        y = sums.mul_(largest / 127 * ~nothing).mul_(self.whole.scales.view(1, -1, 1, 1))
        return y if self.bias is None else y.add_(self.bias.view(1, -1, 1, 1))

    def _sums(self, q: Tensor, whole: Whole) -> Tensor:
        padding: Any = self.padding
        where = (self.stride, padding, self.dilation, self.groups)
        if not _vnni():
            return functional.conv2d(q, whole.numbers.view_as(self.weight).float(), None, *where)
        stride, padded, dilation = list(self.stride), list(padding), list(self.dilation)
        ones = torch.ones(self.out_channels)
        form = (stride, padded, dilation, self.groups)
        if whole.kernel is None:
            numbers = whole.numbers.view_as(self.weight)
            whole.kernel = torch.ops.onednn.qconv_prepack(numbers, ones, 1.0, 128, *form, None)
        bytes_ = q.add_(128).to(torch.uint8)
        zeros = torch.zeros(self.out_channels, dtype=torch.int32)
        sums: Tensor = torch.ops.onednn.qconv_pointwise(
            bytes_, 1.0, 128, whole.kernel, ones, zeros, None, *form, 1.0, 0, torch.float32, "none", [], None
        )
        return sums


@functools.cache
def _vnni() -> bool:
    """Whether oneDNN multiplies unsigned by signed bytes here without overflow."""
    supported: Any = getattr(torch.cpu, "_is_vnni_supported", None) or getattr(
        torch.cpu, "_is_avx512_vnni_supported", None
    )
    return bool(supported and supported()) and hasattr(torch.ops.onednn, "qconv_pointwise")


def engage(model: nn.Module, scales: dict[str, Tensor]) -> list[str]:
    """Has layers compute in int8 whose parameters are whole numbers times `scales`, by name, each [O] or [1]; the names of these layers."""
    found = []
    for name, module in model.named_modules():
        prefix = f"{name}." if name else ""
        if isinstance(module, Recurrent):
            if module.get_parameter("weight_hh_l0").numel() < FEWEST_RECURRENT:
                continue
            wanted = [key for key in dict(module.named_parameters()) if key.startswith(("weight_ih", "weight_hh"))]
        elif (type(module) in (nn.Linear, Int8Linear) and module.weight.numel() >= FEWEST) or (
            type(module) in (nn.Conv2d, Int8Conv2d) and _pays(module)
        ):
            wanted = ["weight"]
        else:
            continue
        parameters: dict[str, Any] = {key: module.get_parameter(key) for key in wanted}
        if any(prefix + key not in scales or p[0].numel() > DEEPEST for key, p in parameters.items()):
            continue
        whole = {key: Whole.of(p.cpu().flatten(1), scales[prefix + key]) for key, p in parameters.items()}
        if isinstance(module, Recurrent):
            module.whole = whole
        else:
            module.__class__ = Int8Conv2d if isinstance(module, nn.Conv2d) else Int8Linear
            module.whole = whole["weight"]
        found.append(name)
    return found


def _pays(module: nn.Conv2d) -> bool:
    plain = module.groups == 1 and module.padding_mode == "zeros" and not isinstance(module.padding, str)
    return plain and min(module.in_channels, module.out_channels) >= FEWEST_MAPS


@contextlib.contextmanager
def released(model: nn.Module) -> Iterator[None]:
    """Within it all layers compute in float32, as for what is exported."""
    before = [(m, m.whole) for m in model.modules() if isinstance(m, Recurrent | Int8Linear | Int8Conv2d)]
    release(model)
    try:
        yield
    finally:
        for module, whole in before:
            module.whole = whole


def release(model: nn.Module) -> None:
    """Has all layers compute in float32 again, as they must before their parameters change."""
    for module in model.modules():
        if isinstance(module, Recurrent):
            module.whole = {}
        elif isinstance(module, Int8Linear | Int8Conv2d):
            module.whole = None
