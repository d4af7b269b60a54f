"""Where in a recording, or in the picture of a line, each symbol was read: for `samoyed explain`, the server and the page.

A symbol is emitted at the step where it is likeliest on the best path; its number is its logit there, less the blank's. Of a model that
spells, it is the letter's logit, given those before it, less the end's. Integrated gradients over what was given, from the training data's mean (recordings) or from blank paper (lines), and by how much the log-probability of all
that was read falls where a stretch is hidden. Legend: T steps, W places along the time axis, H bands or rows, K symbols.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from samoyed.errors import UsageError, printable
from samoyed.explaining import attributing
from samoyed.layers.ctc import ctc_loss
from samoyed.objectives import full
from samoyed.reporting import why
from samoyed.tasks import Picture, _spelling

INTEGRATED, HIDDEN = "integrated gradients", "occlusion"
_STEPS = 32
SYMBOLS = 60  # of a reading that are told one by one
Answers = Callable[[Tensor], Tensor]  # frames [B, ...] -> a number for each of K symbols [B, K], or for all [B]
Asked = tuple[list[str], Answers, Answers]  # K symbols, what is asked of each, and the log-probability of all


class Reading(NamedTuple):
    """What was given [H, W], the symbols, what each place adds to each of them [K, W] and to all [H, W], by hiding [H, W], the share
    that is missed."""

    shown: Tensor
    symbols: list[str]
    each: Tensor
    all: Tensor
    hidden: Tensor
    off: float


def of_reading(
    task: Any,
    model: nn.Module,
    example: Any,
    axis: int,
    picture: Callable[[Tensor], Tensor],
    asked: Callable[[Any, nn.Module, Any], Asked] | None = None,
) -> Reading:
    """`axis` is that of time in what a batch holds, `picture` brings one example's heat [*] into the form [H, W] that is drawn; `asked`
    says what is asked of the batch, by default the symbols of a path or of a spelling."""
    model.eval()
    batch = type(rows := task.collate([example]))(*(tensor.to(task.device) for tensor in rows))
    given = batch.frames.float()
    asked = asked or (_spelled if _spelling.spells(model) else _on_a_path)
    names, answers, nats = asked(task, model, batch)
    shares = attributing.of_inputs(answers, given, torch.zeros_like(given), _STEPS)
    if shares is None:
        raise UsageError("this model has no gradients by what it reads", remedy="look at the report of the run")
    maps = torch.stack([picture(part) for part in shares.parts.float().cpu()])  # [K, H, W]
    falls = picture(hiding(nats, given, axis).float().cpu())
    return Reading(picture(given[0].cpu()), names, maps.sum(1), maps.sum(0), falls, shares.off)


def _on_a_path(task: Any, model: nn.Module, batch: Any) -> Asked:
    """What the best path emits."""
    with torch.no_grad():
        log_probs, lengths = task.forward(model, batch)
        path = log_probs[0, : int(lengths[0])].argmax(-1)
    found = _emitted(log_probs[0], path)[:SYMBOLS]
    refuse_nothing(len(found))
    steps, symbols = (torch.tensor(part, device=log_probs.device) for part in zip(*found, strict=True))

    def answers(frames: Tensor) -> Tensor:
        said, _ = task.forward(model, with_frames(batch, frames))
        emitted = said[:, steps]
        chosen: Tensor = emitted.gather(-1, symbols.expand(len(frames), -1)[..., None])[..., 0] - emitted[..., 0]
        return chosen

    def nats(frames: Tensor) -> Tensor:
        said, many = task.forward(model, with_frames(batch, frames))
        labels = symbols.expand(len(frames), -1)
        count = torch.full((len(frames),), len(symbols), device=said.device)
        return -ctc_loss(said, labels, many, count)

    return _names(task, symbols), answers, nats


def _spelled(task: Any, model: Any, batch: Any) -> Asked:
    """What a model that spells writes, and each letter given those before it."""
    found = task.spelled(model, batch)
    symbols = found.symbols[0, 0, : int(found.lengths[0, 0])][:SYMBOLS]
    refuse_nothing(len(symbols))

    def logits(frames: Tensor) -> Tensor:
        targets = (symbols - 1).expand(len(frames), -1)
        said: Tensor = full(model(*task.seen(with_frames(batch, frames)), targets))
        return said

    def chosen(values: Tensor) -> Tensor:
        return values.gather(-1, (symbols - 1).expand(len(values), -1)[..., None])[..., 0]

    def answers(frames: Tensor) -> Tensor:
        said = logits(frames)
        return chosen(said) - said[..., -1]

    return _names(task, symbols), answers, lambda frames: chosen(logits(frames).log_softmax(-1)).sum(1)


def _names(task: Any, symbols: Tensor) -> list[str]:
    return [task.vocabulary.tokens[i - 1] for i in symbols.tolist()]


def refuse_nothing(symbols: int) -> None:
    """Raises UsageError where no symbol was read or heard."""
    if not symbols:
        raise UsageError(
            "nothing was read or heard, so that there is nothing to explain", remedy="give another recording or picture"
        )


@torch.no_grad()
def hiding(answer: Callable[[Tensor], Tensor], given: Tensor, axis: int) -> Tensor:
    """How far the answer falls where a square of what is given is 0: [1, A, B] -> [A, B], the mean over the squares that hide a place.

    A stretch is a twentieth of the length, and a quarter of the other side.
    """
    size = given.shape[1:]
    widths = [max(1, side // (20 if place + 1 == axis else 4)) for place, side in enumerate(size)]
    starts = [
        sorted({*range(0, max(1, n - w), max(1, w // 2)), max(0, n - w)}) for n, w in zip(size, widths, strict=True)
    ]
    whole, total, seen = (
        answer(given)[0],
        torch.zeros(size, device=given.device),
        torch.zeros(size, device=given.device),
    )
    boxes = [(i, j) for i in starts[0] for j in starts[1]]
    for begin in range(0, len(boxes), 32):
        some = boxes[begin : begin + 32]
        rows = given.repeat(len(some), 1, 1)
        for row, (i, j) in zip(rows, some, strict=True):
            row[i : i + widths[0], j : j + widths[1]] = 0
        for (i, j), fall in zip(some, whole - answer(rows), strict=True):
            total[i : i + widths[0], j : j + widths[1]] += fall
            seen[i : i + widths[0], j : j + widths[1]] += 1
    return total / seen.clamp(min=1)


def drawn(
    found: Reading,
    origin: str,
    what: str,
    step: float | None = None,
    between: str = "",
    spans: Sequence[tuple[float, float]] = (),
) -> list[Picture]:
    """What was given, the heat over it, and the places of each symbol; of a recording, whose columns are `step`
    seconds long, also where each symbol lies, if that is known."""
    said = printable(between.join(found.symbols))
    names = ["␣" if s == " " else printable(s) for s in found.symbols]
    heats = {f"{INTEGRATED}, all symbols": found.all, f"{HIDDEN}, log-probability of the reading": found.hidden}
    about = f" The shares of integrated gradients add up to the answers within {found.off:.1%}."
    labels = (f"{what}, {'heard' if spans else 'read'}: {said}"[:100], about)
    return [why.places(found.shown, heats, names, found.each, origin, labels, step, spans)]


def as_json(found: Reading, step: float | None = None, between: str = "") -> dict[str, Any]:
    """The heat of hiding [H][W], for each symbol the place that moved it most, and a sentence."""
    wide = found.each.shape[1]
    places = found.each.argmax(1).tolist()
    unit = 1.0 if step is None else step
    symbols = [
        {"symbol": s, "at": round((place + 0.5) * unit, 3), "in": "seconds" if step is not None else "columns"}
        for s, place in zip(found.symbols, places, strict=True)
    ]
    joined = -(-wide // 400)  # as many columns as a page can show
    heat = found.hidden if joined == 1 else functional.avg_pool1d(found.hidden[None], joined, ceil_mode=True)[0]
    shown = found.shown if joined == 1 else functional.avg_pool1d(found.shown[None].float(), joined, ceil_mode=True)[0]
    return {
        "label": between.join(found.symbols),
        "heat": [[round(v, 4) for v in row] for row in heat.tolist()],
        "spectrogram" if step is not None else "line": [[round(v, 3) for v in row] for row in shown.tolist()],
        "symbols": symbols,
        "by": HIDDEN,
        "sentence": "Where hiding a stretch makes what was read less (blue) or more (orange) probable.",
    }


def _emitted(log_probs: Tensor, path: Tensor) -> list[tuple[int, int]]:
    """(step, symbol) of each symbol of the best path, at the step of its run where it is likeliest."""
    found: list[tuple[int, int]] = []
    before = 0
    for step, symbol in enumerate(path.tolist()):
        if symbol and symbol == before:
            if log_probs[step, symbol] > log_probs[found[-1][0], symbol]:
                found[-1] = (step, symbol)
        elif symbol:
            found.append((step, symbol))
        before = symbol
    return found


def with_frames(batch: Any, frames: Tensor) -> Any:
    """The batch of one with other frames, as often as there are of these."""
    rows = (tensor.expand(len(frames), *tensor.shape[1:]) for tensor in batch)
    return type(batch)(*rows)._replace(frames=frames)
