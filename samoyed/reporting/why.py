"""What an answer rests on, drawn: moments of the past, tokens for each token that was said, places for each symbol that was read.

Legend: T said, S given, K symbols.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from samoyed.errors import printable
from samoyed.reporting.figures import AGAINST, AGAINST_FOR, COLOURS, FOR, MAP, figure, rectangle
from samoyed.tasks import Picture


def moments(times: Sequence[str], past: Tensor, weights: dict[str, Tensor], target: str, more: str) -> Picture:
    """The past [T] with its times, and below it a bar for each moment by each method [T]."""
    rows = 1 + len(weights)
    drawn, axes = figure(8.0, 1.6 + 1.5 * rows, rows, 1, sharex=True, squeeze=False)
    at = range(len(times))
    axes[0, 0].plot(at, past.tolist(), color=COLOURS[6])
    axes[0, 0].set_title(f"{target}, as the network sees its past")
    for one, (by, values) in zip(axes[1:, 0], weights.items(), strict=True):
        one.bar(at, values.tolist(), color=[FOR if v >= 0 else AGAINST for v in values.tolist()])
        one.axhline(0, color=COLOURS[6], linewidth=0.8)
        one.set_title(by)
    some = [round(i * (len(times) - 1) / 5) for i in range(6)] if len(times) > 6 else list(at)
    axes[-1, 0].set_xticks(some, [times[i] for i in some])
    caption = f"How far each moment raises (blue) or lowers (orange) the mean forecast, scaled, against the last value repeated.{more}"
    return Picture("moments", "Which moments mattered", caption, drawn)


def tables(
    given: Sequence[str], said: Sequence[str], weights: dict[str, Tensor], caption: str, signed: set[str]
) -> Picture:
    """For each method a table [T, S]: what each given token (columns) has to do with each that was said (rows)."""
    wide, high = 1.0 + 0.26 * len(given), 1.1 + 0.24 * len(said)
    columns = max(1, min(len(weights), int(10.0 // wide)))
    rows = -(-len(weights) // columns)
    drawn, axes = figure(max(3.2, columns * wide), rows * high, rows, columns, squeeze=False)
    for cell in axes.flat:
        cell.axis("off")
    for cell, (by, values) in zip(axes.flat, weights.items(), strict=False):
        cell.axis("on")
        most = float(values.abs().max().clamp(min=1e-9))
        cell.imshow(
            values.numpy(),
            cmap=AGAINST_FOR if by in signed else MAP,
            vmin=-most if by in signed else 0,
            vmax=most,
            aspect="auto",
        )
        cell.set_xticks(range(len(given)), given, rotation=60, ha="left", rotation_mode="anchor", fontsize=7.5)
        cell.set_yticks(range(len(said)), said, fontsize=7.5)
        cell.xaxis.tick_top()
        cell.set_xlabel(by)
        cell.grid(visible=False)
    return Picture("tokens", "Which token moved which", caption, drawn)


def places(
    shown: Tensor,
    heats: dict[str, Tensor],
    symbols: Sequence[str],
    shares: Tensor,
    origin: Any,
    labels: tuple[str, str],
    step: float | None = None,
    spans: Sequence[tuple[float, float]] = (),
) -> Picture:
    """What was given [H, W], heat over it [H, W] by each method, and which columns moved each symbol that was read: [K, W].

    Of a recording whose columns are `step` seconds long, also where each symbol begins and ends, if that is known.
    """
    rows = 2 + len(heats)
    drawn, axes = figure(7.8, 1.5 * (rows - 1) + 0.9 + 0.16 * len(symbols), rows, 1, squeeze=False,
                         height_ratios=[*[1.0] * (rows - 1), max(0.6, 0.13 * len(symbols))])  # fmt: skip
    cells = axes[:, 0]
    high, wide = shown.shape
    end = wide * (1.0 if step is None else step)
    tall = (0.0, float(high)) if origin == "lower" else (float(high), 0.0)
    where: Any = {"aspect": "auto", "origin": origin, "extent": (0.0, end, *tall), "interpolation": "nearest"}
    cells[0].imshow(shown.numpy(), cmap=MAP, **where)
    cells[0].set_title(labels[0])
    for cell, (by, values) in zip(cells[1:-1], heats.items(), strict=True):
        most = float(values.abs().max().clamp(min=1e-9))
        cell.imshow(values.numpy(), cmap=AGAINST_FOR, vmin=-most, vmax=most, **where)
        cell.set_title(by)
    most = float(shares.abs().max().clamp(min=1e-9))
    below = {**where, "origin": "upper", "extent": (0.0, end, len(symbols) - 0.5, -0.5)}
    cells[-1].imshow(shares.numpy(), cmap=AGAINST_FOR, vmin=-most, vmax=most, **below)
    cells[-1].set_yticks(range(len(symbols)), symbols, fontsize=7.5)
    cells[-1].set_title(f"by {'phone' if spans else 'symbol'}, integrated gradients")
    for row, (begin, stop) in enumerate(spans):
        edge = rectangle((begin, row - 0.5), stop - begin, 1, fill=False, edgecolor=COLOURS[6], linewidth=1.0)
        cells[-1].add_patch(edge)
    for cell in cells:
        cell.grid(visible=False)
        cell.set_xlim(0, end)
    for cell in cells[:-1]:
        cell.set_yticks([])
        cell.tick_params(labelbottom=False)
    cells[-1].set_xlabel("columns" if step is None else "seconds")
    caption = f"Blue speaks for what was {'heard' if spans else 'read'}, orange against it.{labels[1]}"
    return Picture("places", "What each symbol rests on", caption, drawn)


def needed(names: Sequence[str], falls: Tensor, along: str, caption: str) -> Picture:
    """What each of several things [K] is needed for, along an axis [T]: falls [K, T]."""
    drawn, axes = figure(7.6, 0.3 * len(names) + 1.3)
    most = float(falls.abs().max().clamp(min=1e-9))
    axes.imshow(falls.numpy(), cmap=AGAINST_FOR, vmin=-most, vmax=most, aspect="auto", interpolation="nearest")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel(along)
    axes.grid(visible=False)
    return Picture("needed", "What each letter is needed for", f"{caption} Blue: less; orange: more.", drawn)


def bars(title: str, several: dict[str, dict[str, float]], caption: str) -> Picture:
    """Names with values, the largest above, side by side."""
    longest = max((len(values) for values in several.values()), default=1)
    drawn, axes = figure(4.0 * len(several), 0.24 * longest + 1.2, 1, len(several), squeeze=False)
    for colour, cell, (name, values) in zip(COLOURS, axes[0], several.items(), strict=False):
        words = list(values)[::-1]
        cell.barh(range(len(words)), [values[word] for word in words], color=colour, height=0.62)
        cell.set_yticks(range(len(words)), [printable(word)[:24] for word in words], fontsize=8.5)
        cell.set_xlabel(name)
        cell.grid(axis="y", visible=False)
    drawn.suptitle(title[:80], fontsize=11)
    return Picture("company", "The company of a word", caption, drawn)
