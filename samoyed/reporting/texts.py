"""Pictures of what reads texts: words shaded by their weight, the surest mistakes, the phrases that filters detect, each class.

Legend: N examples, K classes.
"""

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from samoyed.reporting.figures import COLOURS, figure, rectangle
from samoyed.tasks import Picture

_WIDTH = 92  # characters in a line
_MOST_LINES = 9  # of one text


class Shaded(NamedTuple):
    """A text to be drawn: a heading; its sentences, each a weight (or None) and its tokens with weights from -1 to 1; and what
    stands between two tokens."""

    heading: str
    sentences: list[tuple[float | None, list[tuple[str, float]]]]
    between: str


def weighed(shaded: Sequence[Shaded], signed: bool) -> Picture:
    """Texts with each token's weight as the shade behind it, and each sentence's weight as a bar in front of it."""
    rows: list[tuple[str, float | None, list[tuple[str, float]]]] = []
    for text in shaded:
        rows.append((text.heading, None, []))
        rows += _wrapped(text)
        rows.append(("", None, []))
    drawn, axes = _sheet(len(rows))
    for y, (heading, bar, tokens) in enumerate(rows):
        if heading:
            axes.text(0, y + 0.55, heading, fontsize=8.5, weight="bold", va="center")
        if bar is not None:
            axes.add_patch(rectangle((0, y + 0.12), 1.6 * bar, 0.76, facecolor=COLOURS[4], edgecolor="none"))
        x = 2.0
        for shown, weight in tokens:
            colour = COLOURS[0] if weight >= 0 else COLOURS[1]
            axes.add_patch(
                rectangle(
                    (x, y + 0.06),
                    len(shown),
                    0.88,
                    facecolor=colour,
                    alpha=0.62 * min(1.0, abs(weight)),
                    edgecolor="none",
                )
            )
            _monospace(axes, x, y, shown)
            x += len(shown)
    if signed:
        caption = "Blue: without it the answer would be less probable; orange: more. Each text is scaled by its strongest word."
    else:
        caption = "The darker, the more the network attended to it; each text is scaled by its strongest word."
        if any(bar is not None for _, bar, _ in rows):
            caption += " The bar before a sentence is the sentence's own weight."
    return Picture("weights", "What it looked at", caption, drawn)


def mistakes(log_probs: Tensor, labels: Tensor, classes: list[str], texts: list[str], most: int = 12) -> Picture:
    """The wrong answers of highest probability: log_probs [N, K], labels [N], and the N texts."""
    best, answers = log_probs.max(-1)
    sure = torch.where(answers != labels, best, -torch.inf)
    ranked = [i for i in sure.argsort(descending=True)[:most].tolist() if sure[i] > -torch.inf]
    if not ranked:
        drawn, axes = figure(4, 1.2)
        axes.axis("off")
        axes.text(0.5, 0.5, "No test text was classified wrongly.", ha="center", va="center", fontsize=11)
        return Picture("mistakes", "The surest mistakes", "There are none on the test split.", drawn)
    rows: list[tuple[str, bool]] = []
    for i in ranked:
        truth = classes[labels[i]] if labels[i] >= 0 else "unseen class"
        rows.append((f"{truth} → {classes[answers[i]]}, {best[i].exp():.0%} sure", True))
        rows += [(line, False) for line in _short(texts[i], 3)] + [("", False)]
    drawn, axes = _sheet(len(rows))
    for y, (line, heading) in enumerate(rows):
        if heading:
            axes.text(0, y + 0.55, line, fontsize=8.5, weight="bold", va="center")
        else:
            axes.text(0, y + 0.55, line, fontsize=7.5, family="monospace", va="center")
    caption = "True class → answer, with the probability given to it: where the network is wrong and most certain."
    return Picture("mistakes", "The surest mistakes", caption, drawn)


def keywords(found: Sequence[tuple[str, list[list[str]]]], most: int = 6) -> Picture:
    """For each class, the phrases that most excite each of the filters that speak for it most: [(class, [[phrase, ...], ...])]."""
    rows: list[tuple[str, list[str]]] = []
    for name, filters in found[:most]:
        rows.append((name, []))
        rows += [("", phrases) for phrases in filters]
        rows.append(("", []))
    drawn, axes = _sheet(len(rows))
    columns = max(1, max((len(phrases) for _, phrases in rows), default=1))
    wide = (_WIDTH + 2) // columns
    for y, (name, phrases) in enumerate(rows):
        if name:
            axes.text(0, y + 0.55, name, fontsize=8.5, weight="bold", va="center")
        for i, phrase in enumerate(phrases):
            shown = phrase if len(phrase) < wide else f"{phrase[: wide - 2]}…"
            axes.text(i * wide, y + 0.55, shown, fontsize=7.5, family="monospace", va="center")
    caption = "Each line is a filter that speaks for the class, and the phrases of the test split that excite it most."
    return Picture("keywords", "What its filters detect", caption, drawn)


def classes(log_probs: Tensor, labels: Tensor, names: list[str], noun: str = "texts") -> Picture:
    """Recall, precision and F1 of each class: log_probs [N, K], labels [N]."""
    answers = log_probs.argmax(-1)
    size = len(names)
    true = torch.bincount(labels[labels >= 0], minlength=size)
    said = torch.bincount(answers, minlength=size)
    both = torch.bincount(labels[labels == answers], minlength=size)
    recall, precision = 100 * both / true.clamp(min=1), 100 * both / said.clamp(min=1)
    f1 = 200 * both / (true + said).clamp(min=1)
    order = [i for i in f1.argsort().tolist() if true[i] > 0][-40:]
    drawn, axes = figure(6.4, 0.26 * len(order) + 1.1)
    at = range(len(order))
    axes.hlines(
        at,
        precision[order].minimum(recall[order]),
        precision[order].maximum(recall[order]),
        color=COLOURS[6],
        linewidth=1,
    )
    for values, label, marker, colour in (
        (recall, "recall", "<", 1),
        (precision, "precision", ">", 2),
        (f1, "F1", "o", 0),
    ):
        axes.plot(values[order], at, linestyle="", marker=marker, label=label, color=COLOURS[colour], markersize=5)
    axes.set_yticks(at, [f"{names[i]} ({int(true[i]):,})" for i in order])
    axes.set_xlim(-3, 103)
    axes.set_ylim(-0.6, len(order) - 0.4)
    axes.set_xlabel("%")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    caption = (
        "Recall: the share of a class that is found. Precision: the share of such answers that are right. F1: their harmonic "
        f"mean. In brackets the test {noun} of the class."
    )
    return Picture("classes", "How well each class is known", caption, drawn)


def _wrapped(text: Shaded) -> list[tuple[str, float | None, list[tuple[str, float]]]]:
    """The rows of a text: (no heading, the sentence's bar in its first row, tokens with their weights)."""
    rows: list[tuple[str, float | None, list[tuple[str, float]]]] = []
    for bar, tokens in text.sentences:
        row: list[tuple[str, float]] = []
        used, first = 0, True
        for token, weight in tokens:
            shown = token[: _WIDTH - 2]
            if used + len(shown) > _WIDTH - 2 and row:
                rows.append(("", bar if first else None, row))
                row, used, first = [], 0, False
            row += [(shown, weight), (text.between, 0.0)] if text.between else [(shown, weight)]
            used += len(shown) + len(text.between)
        if row:
            rows.append(("", bar if first else None, row))
    if len(rows) > _MOST_LINES:
        rows = [*rows[:_MOST_LINES], ("", None, [("…", 0.0)])]
    return rows


def _sheet(lines: int) -> tuple[Any, Any]:
    drawn, axes = figure(7.8, 0.2 * lines + 0.3)
    axes.axis("off")
    axes.set_xlim(0, _WIDTH)
    axes.set_ylim(max(1, lines), 0)
    return drawn, axes


def _monospace(axes: Any, x: float, y: float, shown: str) -> None:
    """Letters on a grid, so that shades lie behind them whatever font is there."""
    for i, letter in enumerate(shown):
        if not letter.isspace():
            axes.text(x + i + 0.5, y + 0.55, letter, fontsize=7, family="monospace", ha="center", va="center")


def _short(text: str, lines: int) -> list[str]:
    found = textwrap.wrap(" ".join(text[: _WIDTH * (lines + 1)].split()), _WIDTH)
    return found if len(found) <= lines else [*found[: lines - 1], f"{found[lines - 1][: _WIDTH - 2]} …"]
