"""Why a text is classified as it is, and on which moments a forecast rests: for `samoyed explain`, the server and the page.

Legend: T words or moments.
"""

from typing import Any

import torch
from torch import Tensor, nn

from samoyed.errors import printable
from samoyed.explaining import attributing
from samoyed.objectives import full
from samoyed.reporting import texts, why
from samoyed.tasks import Picture
from samoyed.tasks._reading import occlusion
from samoyed.tasks._texts import padded

INTEGRATED, HIDDEN = "integrated gradients", "occlusion"


def of_text(task: Any, model: nn.Module, example: Any) -> tuple[str, list[str], dict[str, Tensor], float]:
    """The label given to a text, its tokens, their weights [T] by method, and by which share integrated gradients miss their sum."""
    model.eval()
    tokens = task.split_up(example.text)
    rows, lengths = (t.to(task.device) for t in padded([task.lexicon.encode(tokens)]))
    rows = rows.long()
    with torch.no_grad():
        answer = int(full(model(rows, lengths)).argmax())
        found = {HIDDEN: occlusion(model, rows[0], answer).float().cpu()}
        attention: Any = getattr(model, "attention", None)
        looked = attention(rows) if attention is not None else None
    shares = attributing.of_words(model, lambda: full(model(rows, lengths))[0, answer], rows.shape[1])
    if shares is not None:
        found = {INTEGRATED: shares.parts.float().cpu(), **found}
    if looked is not None:
        found["attention"] = looked[0].float().cpu()
    return task.classes[answer], tokens, found, shares.off if shares is not None else 0.0


def text_as_json(task: Any, model: nn.Module, example: Any) -> dict[str, Any]:
    """The weights of a text's tokens, as `parts`, and a sentence."""
    label, tokens, found, _ = of_text(task, model, example)
    by, weights = next(iter(found.items()))
    between = " " if task.tokens == "words" else ""
    parts = [{"text": f"{t}{between}", "weight": round(w, 5)} for t, w in zip(tokens, weights.tolist(), strict=False)]
    how = "What each adds to the logit" if by == INTEGRATED else "How much less probable the answer is without it"
    return {
        "label": label,
        "parts": parts,
        "by": by,
        "sentence": f"{how} of {label}, by {by}: blue for it, orange against.",
    }


def text_drawn(task: Any, model: nn.Module, example: Any) -> list[Picture]:
    """The text shaded by each method."""
    label, tokens, found, off = of_text(task, model, example)
    between, pictures = " " if task.tokens == "words" else "", []
    for by, weights in found.items():
        scaled = (weights / weights.abs().max().clamp(min=1e-9)).tolist()
        shaded = texts.Shaded(printable(f"for {label}"), [(None, list(zip(tokens, scaled, strict=False)))], between)
        signed = by != "attention"
        picture = texts.weighed([shaded], signed)
        caption = {
            INTEGRATED: f"What each adds to the logit, from no word at all to the text: blue for the answer, orange against it. The shares add up to the answer within {off:.1%}.",
            HIDDEN: "How much less (blue) or more (orange) probable the answer is without it.",
        }.get(by, "The darker, the more the network attended to it.")
        pictures.append(picture._replace(name=by.replace(" ", "_"), title=f"Words by {by}", caption=caption))
    return pictures


def of_series(task: Any, model: nn.Module, past: Tensor) -> tuple[dict[str, Tensor], float]:
    """past [T, F], scaled -> what each moment adds to the mean forecast [T], by method, and the share that is missed.

    The baseline is the last value repeated; what the calendar says of a moment stays.
    """
    model.eval()
    past = past[None].to(task.device)
    columns = len(task.columns)
    baseline = past.clone()
    baseline[:, :, :columns] = past[:, -1:, :columns]

    def answer(given: Tensor) -> Tensor:
        forecast: Tensor = task.forecast(model, given).mean(1)
        return forecast

    width = max(1, past.shape[1] // 12)
    found = {HIDDEN: attributing.hiding(answer, past, baseline, width).float().cpu()}
    shares = attributing.of_moments(answer, past, baseline)
    if shares is None:
        return found, 0.0
    return {INTEGRATED: shares.parts.float().cpu(), **found}, shares.off


def series_as_json(task: Any, model: nn.Module, example: Any, past: Tensor) -> dict[str, Any]:
    """The weights of the moments of the past, as `parts`, and a sentence."""
    found, _ = of_series(task, model, past)
    by, weights = next(iter(found.items()))
    times = example.times[-len(weights) :]
    parts = [{"text": f"{t} ", "weight": round(w, 6)} for t, w in zip(times, weights.tolist(), strict=True)]
    sentence = f"How far each moment raises (blue) or lowers (orange) the mean forecast of {task.column}, against the last value repeated, by {by}."
    return {"label": task.column, "parts": parts, "by": by, "sentence": sentence}


def series_drawn(task: Any, model: nn.Module, example: Any, past: Tensor) -> list[Picture]:
    """The past, and under it what each moment adds."""
    found, off = of_series(task, model, past)
    shown = task.scale.backward(past[:, : len(task.columns)])[:, 0] if len(task.columns) == 1 else past[:, 0]
    times = [printable(t) for t in example.times[-len(past) :]]
    missed = f" The shares add up to the forecast's distance from it within {off:.1%}." if INTEGRATED in found else ""
    return [why.moments(times, shown.cpu(), found, printable(task.column), missed)]
