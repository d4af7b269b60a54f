"""Drawing with a pen: point after point from the network's own distributions. Legend: B batch, T time, U letters."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from samoyed.batching import generator
from samoyed.layers.mixtures import PenMixture


@torch.no_grad()
def continue_drawings(
    model: nn.Module,
    beginnings: Sequence[Tensor],
    texts: Sequence[Tensor],
    length: int,
    bias: float = 0.0,
    seeds: Sequence[int] = (0,),
) -> list[tuple[Tensor, bool]]:
    """B beginnings float [T_b, 3] of at least one point, their texts int64 [U_b] -> for each (the points after it [n, 3], whether
    it ended by itself), n being at most `length`.

    Each is read alone and all are drawn together, each with the noise of its own seed, so that a drawing is in company what it
    is alone. `bias` favours the likely; see PenMixture. A drawing ends where its end is drawn and the window on its text has come
    to the last letter, or where the pen lifts after the window has left the text. Raises ValueError where bias or length is negative.
    """
    if not bias >= 0 or length < 0:
        raise ValueError(f"{'bias' if not bias >= 0 else 'length'} is negative; it is at least 0")
    letters_left: Any = model.letters_left
    lengths = torch.tensor([len(text) for text in texts], device=beginnings[0].device)
    written = nn.utils.rnn.pad_sequence(list(texts), batch_first=True)
    ends = [model(begun[None], written[row : row + 1], lengths[row : row + 1]) for row, begun in enumerate(beginnings)]
    numbers = torch.cat([said[:, -1] for said, _ in ends])
    state = _together([after for _, after in ends])
    count = (numbers.shape[-1] - 2) // 6
    uniform, normal = _noise(seeds, length, count, numbers)
    alive = torch.ones(len(beginnings), dtype=torch.bool, device=numbers.device)
    points: list[Tensor] = []
    stops = torch.full((len(beginnings),), length, device=numbers.device)
    for step in range(length):
        offset, lifts, done = PenMixture.of(numbers, bias).draw(uniform[:, step], normal[:, step])
        left = letters_left(state, lengths)
        done = (done & (left <= 0)) | (lifts & (left < 0))
        points.append(torch.cat([offset, lifts[:, None].to(offset)], 1))
        stops = torch.where(alive & done, step + 1, stops)
        alive = alive & ~done
        if not bool(alive.any()):
            break
        said, state = model(points[-1][:, None], written, lengths, None, state)
        numbers = said[:, -1]
    drawn = torch.stack(points, 1) if points else numbers.new_zeros(len(beginnings), 0, 3)
    return [(row[: int(stop)], not bool(on)) for row, stop, on in zip(drawn, stops, alive, strict=True)]


def _noise(seeds: Sequence[int], length: int, count: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """uniform [B, length, count + 2] above 0 and below 1, and normal [B, length, 2]."""
    uniform, normal = [], []
    for seed in seeds:
        draw = generator(seed)
        uniform.append(torch.rand(length, count + 2, generator=draw).clamp(1e-7, 1 - 1e-7))
        normal.append(torch.randn(length, 2, generator=draw))
    return torch.stack(uniform).to(like), torch.stack(normal).to(like)


def _together(states: list[Any]) -> Any:
    """One state for a batch from those of its rows."""
    if isinstance(states[0], Tensor):
        return torch.cat(states)
    return None if states[0] is None else tuple(_together(list(parts)) for parts in zip(*states, strict=True))
