"""Pictures of a language model: what it writes, and where it was surprised. Legend: T time."""

import textwrap

from torch import Tensor

from samoyed.reporting.figures import COLOURS, figure, rectangle
from samoyed.tasks import Picture

_WIDTH = 88


def samples(beginning: str, written: dict[float, str]) -> Picture:
    """Continuations of one beginning at several temperatures, as they are."""
    blocks = []
    for temperature, text in written.items():
        lines = [
            part for line in text.split("\n") for part in textwrap.wrap(line, _WIDTH, drop_whitespace=False) or [""]
        ]
        blocks.append((f"temperature {temperature}", lines[:12]))
    count = sum(len(lines) + 2 for _, lines in blocks) + 2
    drawn, axes = figure(7.6, 0.175 * count + 0.2)
    axes.axis("off")
    axes.set_ylim(count, 0)
    axes.set_xlim(0, 1)
    shown = beginning.replace("\n", "⏎")
    axes.text(0, 0.6, f"after: {shown[-_WIDTH:]}", fontsize=8, style="italic", parse_math=False)
    row = 2.2
    for title, lines in blocks:
        axes.text(0, row, title, fontsize=8.5, weight="bold")
        for line in lines:
            row += 1
            axes.text(0, row, line.replace("\t", "    ") or " ", fontsize=8, family="monospace", parse_math=False)
        row += 2
    caption = "Each letter is drawn from the network's distribution; a low temperature keeps to the likely, a high one dares more."
    return Picture("samples", "What it writes", caption, drawn)


def surprise(tokens: list[str], nats: Tensor) -> Picture:
    """Held-out text with each token's surprise, -log p in nats [T], as the shade behind it."""
    rows: list[list[tuple[str, float]]] = [[]]
    used = 0
    for token, value in zip(tokens, nats.tolist(), strict=True):
        shown = token.replace("\n", "⏎").replace("\t", "→")
        if used + len(shown) > _WIDTH and rows[-1]:
            rows.append([])
            used = 0
        rows[-1].append((shown, value))
        used += len(shown)
        if "\n" in token:
            rows.append([])
            used = 0
    rows = [row for row in rows if row]
    drawn, axes = figure(7.6, 0.21 * len(rows) + 0.6)
    axes.axis("off")
    axes.set_xlim(0, _WIDTH)
    axes.set_ylim(len(rows), 0)
    from matplotlib import colormaps

    ramp = colormaps["cividis"]
    for y, row in enumerate(rows):
        x = 0
        for shown, value in row:
            level = min(value / 5.0, 1.0)
            axes.add_patch(rectangle((x, y), len(shown), 0.98, facecolor=ramp(level), edgecolor="none"))
            for i, letter in enumerate(shown):
                ink = "black" if level > 0.5 else "white"
                axes.text(
                    x + i + 0.5,
                    y + 0.52,
                    letter,
                    fontsize=7,
                    family="monospace",
                    ha="center",
                    va="center",
                    color=ink,
                    parse_math=False,
                )
            x += len(shown)
    caption = "Unseen text. Dark: the network expected this; bright: it was surprised (5 nats or more, one chance in 150 or less)."
    return Picture("surprise", "Where it is surprised", caption, drawn)


def beside_ngrams(mine: float, ngrams: list[float]) -> Picture:
    """Bits per character of the test text: of the model, and of n-grams of 1, 2, ... tokens counted on the same training text."""
    drawn, axes = figure(6.4, 3.2)
    orders = range(1, len(ngrams) + 1)
    axes.plot(orders, ngrams, "o-", color=COLOURS[1], label="n-grams, modified Kneser-Ney")
    best = min(orders, key=lambda order: ngrams[order - 1])
    axes.annotate(f"{ngrams[best - 1]:.3f}", (best, ngrams[best - 1]), (0, 8), textcoords="offset points", ha="center")
    axes.axhline(mine, color=COLOURS[0], label=f"this model: {mine:.3f}")
    axes.set_xticks(orders)
    axes.set_ylim(bottom=0, top=1.15 * max([mine, *ngrams]))
    axes.set_xlabel("tokens in the longest n-gram")
    axes.set_ylabel("bits per character, test")
    axes.legend(loc="lower left")
    caption = "What counting alone makes of the same text: below the dots, the model has learned more than which tokens follow which."
    return Picture("ngrams", "Beside n-grams", caption, drawn)
