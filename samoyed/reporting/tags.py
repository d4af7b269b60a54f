"""A picture of tagged text: each token's tag as the colour behind it, mistakes underlined."""

from collections.abc import Sequence

from samoyed.reporting.figures import COLOURS, figure, rectangle
from samoyed.tasks import Picture

_WIDTH = 92
Tagged = list[tuple[str, str, str]]  # token, answer, truth


def tagged(texts: Sequence[Tagged], most: int = 14) -> Picture:
    """Texts with the tags that were answered; O has no colour, and the most frequent kinds have one each."""
    kinds: dict[str, int] = {}
    for text in texts:
        for _, said, true in text:
            for tag in (said, true):
                kind = _kind(tag)
                if kind:
                    kinds[kind] = kinds.get(kind, 0) + 1
    ranked = sorted(kinds, key=lambda kind: (-kinds[kind], kind))[: len(COLOURS) - 1]
    colours = dict(zip(ranked, COLOURS, strict=False))
    rows: list[Tagged] = []
    for text in texts:
        row: Tagged = []
        used = 0
        for token, said, true in text:
            shown = token[:_WIDTH]
            if used + len(shown) > _WIDTH and row:
                rows.append(row)
                row, used = [], 0
            row.append((shown, said, true))
            used += len(shown) + 1
        rows += [row, []]
        if len(rows) > 2 * most:
            break
    drawn, axes = figure(7.8, 0.22 * (len(rows) + 2) + 0.3)
    axes.axis("off")
    axes.set_xlim(0, _WIDTH)
    axes.set_ylim(len(rows) + 1.6, -0.2)
    for y, row in enumerate(rows):
        x = 0.0
        for i, (shown, said, true) in enumerate(row):
            follows = (
                i + 1 < len(row) and row[i + 1][1].startswith(("I-", "E-")) and _kind(row[i + 1][1]) == _kind(said)
            )
            colour = colours.get(_kind(said), COLOURS[-1])
            if _kind(said):
                box = (x - 0.1, y + 0.08), len(shown) + 0.2 + (0.8 if follows else 0.0), 0.8
                axes.add_patch(rectangle(*box, facecolor=colour, alpha=0.4, edgecolor="none"))
            if said != true:
                axes.plot([x, x + len(shown)], [y + 0.94, y + 0.94], color=COLOURS[1], linewidth=1.3)
            for j, letter in enumerate(shown):
                axes.text(x + j + 0.5, y + 0.5, letter, fontsize=7, family="monospace", ha="center", va="center")
            x += len(shown) + 1
    at = 0.0
    for kind in ranked:
        axes.add_patch(rectangle((at, len(rows) + 0.5), 2, 0.8, facecolor=colours[kind], alpha=0.4, edgecolor="none"))
        axes.text(at + 2.6, len(rows) + 0.95, kind, fontsize=8, va="center")
        at += 5 + 1.3 * len(kind)
    caption = "Test texts, each token coloured by the tag it was given; what is underlined should have had another."
    return Picture("tagged", "What it tags", caption, drawn)


def _kind(tag: str) -> str:
    """What a tag speaks of: PER of B-PER; the tag itself where it has no prefix; nothing for O."""
    prefix, _, kind = tag.partition("-")
    return "" if tag == "O" else kind if kind and prefix in ("B", "I", "E", "S") else tag
