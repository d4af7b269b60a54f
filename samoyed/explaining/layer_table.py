"""What each layer of a model makes, how many weights it has and how many multiplications it does.

For a convolution, also the weights its units would have if each saw the whole layer below, or a patch through weights of its
own: with n units, m numbers below, patches of k numbers and c maps these are n m, n k and c k. On a picture of 1000 x 1000, as
many units and patches of 10 x 10: 10^12, 10^8 and 10^2 per map (LeCun 1989; LeCun, Bengio & Hinton 2015).
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from samoyed.layers.locally_connected import LocallyConnected2d


class Connections(NamedTuple):
    """Weights, without biases, of units that see everything below, a patch each, or a patch through shared weights."""

    full: int
    local: int
    shared: int


class Layer(NamedTuple):
    """A row: the layer's name and kind, its output's shape without the batch, its own parameters, multiply-adds per example."""

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    multiply_adds: int
    connections: Connections | None


def connections(
    below: tuple[int, int, int], above: tuple[int, int, int], kernel: tuple[int, int], groups: int = 1
) -> Connections:
    """Weights between maps `below` and `above`, both (C, H, W), through patches of `kernel`.

    >>> connections((1, 1000, 1000), (1, 1000, 1000), (10, 10))
    Connections(full=1000000000000, local=100000000, shared=100)
    """
    patch = below[0] // groups * kernel[0] * kernel[1]
    return Connections(math.prod(below) * math.prod(above), math.prod(above) * patch, above[0] * patch)


def layer_table(model: nn.Module, shape: Sequence[int]) -> list[Layer]:
    """One row for each call of a layer that has parameters of its own or no layers inside, in the order they are called.

    model on any device, best on "meta", where nothing is computed; shape of one example. Multiply-adds are those of matrix
    products and convolutions; a sum, a norm or an activation counts none. The model stays as it was.
    """
    rows: list[Layer] = []
    begun: list[int] = []
    inside = [0]  # multiply-adds of the layers called within each one that is open
    counter = FlopCounterMode(display=False)

    def enter(module: nn.Module, given: Any) -> None:
        begun.append(counter.get_total_flops())
        inside.append(0)

    def leave(name: str, module: nn.Module, given: Any, made: Any) -> None:
        total = (counter.get_total_flops() - begun.pop()) // 2
        own = total - inside.pop()
        inside[-1] += total
        first = made[0] if isinstance(made, tuple) else made
        parameters = sum(p.numel() for p in module.parameters(recurse=False))
        if not parameters and not own and next(module.children(), None) is not None:
            return
        compared = None
        if isinstance(module, nn.Conv2d | LocallyConnected2d):
            high, wide = module.kernel_size
            compared = connections(tuple(given[0].shape[1:]), tuple(first.shape[1:]), (high, wide), module.groups)
        rows.append(Layer(name or "itself", type(module).__name__, tuple(first.shape[1:]), parameters, own, compared))

    hooks: list[Any] = []
    for name, module in model.named_modules():
        hooks.append(module.register_forward_pre_hook(enter))
        hooks.append(module.register_forward_hook(lambda m, given, made, name=name: leave(name, m, given, made)))
    training = model.training
    try:
        example = torch.zeros(
            1, *shape, device=next((t.device for t in itertools.chain(model.parameters(), model.buffers())), None)
        )
        with torch.no_grad(), counter:
            model.eval()(example)
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return rows


def facts(model: nn.Module, shape: Sequence[int]) -> dict[str, Any]:
    """The table as JSON, with its totals. Each parameter is counted once, however often its layer is called.

    Layers that an answer does not call, such as auxiliary classifiers, have no row; `unused` counts their parameters.
    """
    rows = layer_table(model, shape)
    return {
        "input": list(shape),
        "layers": [
            {**row._asdict(), "output": list(row.output), "connections": row.connections and row.connections._asdict()}
            for row in rows
        ],
        "parameters": (total := sum(p.numel() for p in model.parameters())),
        "unused": total - sum({row.name: row.parameters for row in rows}.values()),
        "multiply_adds": sum(row.multiply_adds for row in rows),
    }


def text(found: dict[str, Any]) -> str:
    """The facts for the terminal. Weights of a convolution stand beside those it would have unshared, and fully connected."""
    head = ["layer", "", "output", "parameters", "multiply-adds", "shared", "local", "full"]
    lines = [["input", "", _shape(found["input"]), "", "", "", "", ""]]
    for row in found["layers"]:
        compared = row["connections"]
        weights = ["", "", ""] if compared is None else [_short(compared[key]) for key in ("shared", "local", "full")]
        numbers = [f"{row[key]:,}" if row[key] else "" for key in ("parameters", "multiply_adds")]
        lines.append([row["name"], row["kind"], _shape(row["output"]), *numbers, *weights])
    if found["unused"]:
        lines.append(["in training only", "", "", f"{found['unused']:,}", "", "", "", ""])
    lines.append(["all", "", "", f"{found['parameters']:,}", f"{found['multiply_adds']:,}", "", "", ""])
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [head, *lines]
    )


def _shape(sides: Sequence[int]) -> str:
    return " x ".join(map(str, sides))


def _short(number: int) -> str:
    """Three digits and a power of ten.

    >>> _short(150), _short(122_304)
    ('150', '1.22e5')
    """
    return f"{number:,}" if number < 10_000 else f"{number:.2e}".replace("e+0", "e").replace("e+", "e")
