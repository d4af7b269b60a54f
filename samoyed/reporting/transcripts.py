"""Pictures of a transcriber: what it writes beside what is right, and where it reads what."""

import math
import textwrap
from typing import Any

import torch
from torch import Tensor

from samoyed.features.filterbank import SHIFT
from samoyed.reporting.figures import COLOURS, MAP, figure
from samoyed.tasks import Picture, _spelling
from samoyed.tasks._pairs import as_texts

_SHOWN = 12
_WIDTH = 88


def pictures(task: Any, model: Any, data: Any, bands: int) -> list[Picture]:
    """Both, from the test split."""
    part = type(data)(*(tensor[:_SHOWN] for tensor in data))
    found = task.written(model, part)
    said = task.texts(found)
    first = written(said, as_texts(part.references))
    if _spelling.spells(model):
        symbols = found.symbols[0, 0, : int(found.lengths[0, 0])]
        return [first, spelled(task, model, part, symbols, bands)]
    log_probs, lengths = task.forward(model, part)
    return [first, heard(task, part, log_probs, int(lengths[0]), said[0], bands)]


def written(said: list[str], references: list[str]) -> Picture:
    """What was written, above what is right."""
    lines: list[tuple[str, str, str]] = []
    for text, reference in zip(said, references, strict=True):
        for kind, whole in (("written", text or "(nothing)"), ("right", reference)):
            weight = "bold" if kind == "written" and text != reference else "normal"
            for n, part in enumerate(textwrap.wrap(whole, _WIDTH)[:3]):
                lines.append((kind if n == 0 else "", part, weight))
        lines.append(("", "", "normal"))
    drawn, axes = figure(7.6, 0.18 * len(lines) + 0.3)
    axes.axis("off")
    axes.set_xlim(0, 1)
    axes.set_ylim(len(lines), 0)
    for row, (kind, text, weight) in enumerate(lines):
        axes.text(0, row + 0.6, kind, fontsize=7.5, color=COLOURS[6])
        axes.text(0.1, row + 0.6, text, fontsize=8, weight=weight)
    return Picture("transcripts", "What it writes", "From the test split; bold where something is wrong.", drawn)


def heard(task: Any, data: Any, log_probs: Tensor, length: int, said: str, bands: int) -> Picture:
    """One recording's frames, or one line, and below it when, or where, each symbol is probable."""
    drawn, (above, below) = figure(7.6, 4.2, 2, 1, sharex=True)
    wide, sounds = int(data.lengths[0]), data.frames.dtype.is_floating_point
    if sounds:
        frames = data.frames[0, :wide].float().cpu().reshape(-1, bands).T
        end = frames.shape[1] * SHIFT
        above.imshow(frames.numpy(), origin="lower", aspect="auto", cmap=MAP, extent=(0, end, 0, bands))
        above.set_ylabel("mel band")
    else:
        line, end = data.frames[0, :, :wide].cpu(), float(wide)
        above.imshow(line.numpy(), aspect="auto", cmap=MAP, extent=(0, end, len(line), 0))
    above.set_title(f"what is read; written: {said or '(nothing)'}"[:100])
    probs = log_probs[0, :length].exp().cpu()
    places = (torch.arange(length) + 0.5) * end / length
    below.plot(places.numpy(), probs[:, 0].numpy(), color=COLOURS[6], linewidth=1)
    peaks = _peaks(probs)
    for n, symbol in enumerate(sorted({symbol for symbol, _ in peaks})):
        below.plot(places.numpy(), probs[:, symbol].numpy(), color=COLOURS[n % 6], linewidth=1.2)
    for symbol, step in peaks[:60]:
        name = task.vocabulary.tokens[symbol - 1]
        at = float(places[step]), float(probs[step, symbol])
        below.annotate("␣" if name == " " else name, at, (0, 2), textcoords="offset points", ha="center", fontsize=8)
    below.set_xlim(0, end)
    below.set_ylim(0, 1.15)
    below.set_xlabel("seconds" if sounds else "columns")
    below.set_ylabel("probability")
    for axes in (above, below):
        axes.grid(visible=False)
    caption = (
        "Above the data, below the probability of each symbol at each step; the blank is grey (Graves 2006, figure 1)."
    )
    return Picture("heard", "What it reads, and where", caption, drawn)


def _peaks(probs: Tensor) -> list[tuple[int, int]]:
    """probs [T, V] -> each symbol of the likeliest path, and the step of its run at which it is most probable."""
    path, found = probs.argmax(1).tolist(), list[tuple[int, int]]()
    for step, symbol in enumerate(path):
        if symbol and step and path[step - 1] == symbol:
            before = found[-1][1]
            found[-1] = symbol, step if float(probs[step, symbol]) > float(probs[before, symbol]) else before
        elif symbol:
            found.append((symbol, step))
    return found


def spelled(task: Any, model: Any, data: Any, symbols: Tensor, bands: int) -> Picture:
    """One recording's frames, and below them where each letter was looked up: the alignment that the network found by itself."""
    frames, lengths = task.seen(data)
    wide = int(lengths[0])
    weights = _spelling.looks(model, frames[:1], wide, symbols).cpu().numpy()
    drawn, (above, below) = figure(7.6, 2.4 + 0.15 * min(40, len(weights)), 2, 1, sharex=True)
    heard = frames[0, :wide].cpu().reshape(-1, bands).T
    end = heard.shape[1] * SHIFT
    above.imshow(heard.numpy(), origin="lower", aspect="auto", cmap=MAP, extent=(0, end, 0, bands))
    above.set_ylabel("mel band")
    names = ["␣" if name == " " else name for name in (task.vocabulary.tokens[i - 1] for i in symbols.tolist())]
    above.set_title(f"what is heard; written: {task.vocabulary.text(symbols - 1) or '(nothing)'}"[:100])
    place = end / wide * 2 ** math.ceil(math.log2(max(1, wide / weights.shape[1])))  # seconds of what is looked at
    rows = len(weights)
    below.imshow(weights, aspect="auto", cmap=MAP, extent=(0, place * weights.shape[1], rows, 0), vmin=0)
    every = max(1, rows // 40)
    below.set_yticks([i + 0.5 for i in range(0, rows, every)], [*names, "end"][::every], fontsize=7)
    below.set_xlim(0, end)
    below.set_xlabel("seconds")
    for axes in (above, below):
        axes.grid(visible=False)
    caption = (
        "Above the recording, below the weights with which each letter looked back at it, bright where it looked: what is said first "
        "stands above, so that a network that listens draws a falling line (Chan 2016, figure 2)."
    )
    return Picture("heard", "What it writes, and where it listens", caption, drawn)
