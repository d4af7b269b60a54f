"""A network computed with int8 matrices: which of its layers are, and which stay in float32.

Full layers (torch.nn.Linear) and recurrent layers multiply whole numbers, rows being rounded as they come (recurrence/whole.py); states,
gates, biases, normalisations, convolutions and embeddings are float32. A full layer of fewer than `FEWEST` weights, or a recurrent one
with fewer than `FEWEST_RECURRENT` from state to state, stays in float32 too: there, rounding takes longer than it saves
(`python -m benchmarks.whole_numbers`). The rule knows only sizes, so that a run answers alike on every machine.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from samoyed.layers.recurrence.stack import Recurrent
from samoyed.layers.recurrence.whole import DEEPEST, Whole, computes

FEWEST, FEWEST_RECURRENT = 2**17, 2**15


class Int8Linear(nn.Linear):
    """x [..., K] -> [..., O] as torch.nn.Linear, through `whole` where nothing is learned."""

    whole: Whole | None = None

    def forward(self, input: Tensor) -> Tensor:
        """input [..., K] -> [..., O]."""
        if self.whole is None or self.training or not computes(input):
            return super().forward(input)
        return self.whole.product(input, self.bias)


def engage(model: nn.Module, scales: dict[str, Tensor]) -> list[str]:
    """Has layers compute in int8 whose parameters are whole numbers times `scales`, by name, each [O] or [1]; the names of these layers."""
    found = []
    for name, module in model.named_modules():
        prefix = f"{name}." if name else ""
        if isinstance(module, Recurrent):
            if module.get_parameter("weight_hh_l0").numel() < FEWEST_RECURRENT:
                continue
            wanted = [key for key in dict(module.named_parameters()) if key.startswith(("weight_ih", "weight_hh"))]
        elif type(module) in (nn.Linear, Int8Linear) and module.weight.numel() >= FEWEST:
            wanted = ["weight"]
        else:
            continue
        parameters: dict[str, Any] = {key: module.get_parameter(key) for key in wanted}
        if any(prefix + key not in scales or p.shape[1] > DEEPEST for key, p in parameters.items()):
            continue
        whole = {key: Whole.of(p.cpu(), scales[prefix + key]) for key, p in parameters.items()}
        if isinstance(module, Recurrent):
            module.whole = whole
        else:
            module.__class__ = Int8Linear
            module.whole = whole["weight"]
        found.append(name)
    return found


@contextlib.contextmanager
def released(model: nn.Module) -> Iterator[None]:
    """Within it all layers compute in float32, as for what is exported."""
    before = [(m, m.whole) for m in model.modules() if isinstance(m, Recurrent | Int8Linear)]
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
        elif isinstance(module, Int8Linear):
            module.whole = None
