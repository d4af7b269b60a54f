"""Pictures of pen strokes: drawn beside real, what the pen was expected to do, where the window looked; and strokes as files.

Legend: T points, U letters.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from samoyed.errors import UsageError, printable, shown
from samoyed.examples import Drawing
from samoyed.files import write_text
from samoyed.reporting.figures import COLOURS, MAP, figure, to_png
from samoyed.tasks import Picture

Strokes = Sequence[Sequence[Sequence[float]]]
_PAIRS = 7
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a Braille character, by row and column


def pictures(task: Any, model: nn.Module, test: Sequence[Drawing]) -> list[Picture]:
    """All of them, from the test split."""
    found = [beside_real(task, model, test), by_bias(task, model, test[0]), expected(task, model, test[0])]
    return [*found, window(task, model, test[0])] if task.letters is not None else found


def beside_real(task: Any, model: nn.Module, test: Sequence[Drawing]) -> Picture:
    """Real drawings, and beside each two that the network draws: of the same text, or of nothing."""
    shown_ = test[:_PAIRS]
    drawn, axes = figure(7.6, 1.05 * len(shown_) + 0.3, len(shown_), 3, squeeze=False)
    for row, example in zip(axes, shown_, strict=True):
        asked = Drawing(example.text if task.letters is not None else "", example.origin)
        asked = asked if _writable(task, asked) else Drawing(task.letters.tokens[1], example.origin)
        made = [task.answer(model, asked, bias=bias, seed=1)["strokes"] for bias in (0.0, 1.0)]
        for axis, strokes in zip(row, ([s.tolist() for s in example.strokes], *made), strict=True):
            _draw(axis, strokes)
        if asked.text:
            row[0].set_title(shown(printable(asked.text), 40), fontsize=8)
    for axis, name in zip(axes[0], ("real, not seen in training", "drawn", "drawn with bias 1"), strict=True):
        text = axis.get_title("left")
        axis.set_title(f"{name}: {text}" if text else name, fontsize=8.5)
    caption = "Left what a hand wrote, beside it what the network writes of the same text; bias keeps to the likely."
    if task.letters is None:
        caption = "Left what a hand drew; the others the network draws from nothing, each with its own chance."
    return Picture("drawings", "What it writes", caption, drawn)


def by_bias(task: Any, model: nn.Module, example: Drawing) -> Picture:
    """One text, or nothing, at several biases and seeds."""
    asked = Drawing(example.text if task.letters is not None else "", example.origin)
    asked = asked if _writable(task, asked) else Drawing(task.letters.tokens[1], example.origin)
    biases = (0.0, 0.5, 1.0, 2.0)
    drawn, axes = figure(7.6, 3.8, 3, len(biases), squeeze=False)
    for column, bias in enumerate(biases):
        for row in range(3):
            _draw(axes[row][column], task.answer(model, asked, bias=bias, seed=row + 2)["strokes"])
        axes[0][column].set_title(f"bias {bias:g}", fontsize=8.5)
    caption = (
        "Down the rows other chances, to the right more bias: less noise, and the same hand more often (Graves 2013)."
    )
    return Picture("bias", "Neater with bias", caption, drawn)


def expected(task: Any, model: nn.Module, example: Drawing) -> Picture:
    """Where the pen was expected, as the density of each next point along one real drawing, and how sure its lift was."""
    batch = _batch(task, example)
    mixture, targets, _ = task.foreseen(model, batch)
    places = (batch.points[0, :, :2].cumsum(0)).cpu()
    low, high = places.amin(0) - 0.6, places.amax(0) + 0.6
    columns = 260
    rows = max(30, min(400, int(columns * float((high[1] - low[1]) / (high[0] - low[0])))))
    grid = torch.stack(
        torch.meshgrid(torch.linspace(low[0], high[0], columns), torch.linspace(low[1], high[1], rows), indexing="xy"),
        -1,
    ).view(-1, 2)
    total = torch.zeros(len(grid))
    for t in range(targets.shape[1]):
        one = type(mixture)(*(part[0, t].cpu() for part in mixture))
        total += one.log_density(grid - places[t]).exp()
    drawn, (above, below) = figure(7.6, 4.6, 2, 1, height_ratios=(2.4, 1))
    shade = (total + 1e-3).log().view(rows, columns).numpy()
    extent = (float(low[0]), float(high[0]), float(high[1]), float(low[1]))
    above.imshow(shade, extent=extent, cmap=MAP, aspect="equal", vmin=float(np.quantile(shade, 0.2)))
    _draw(above, _absolute(places, batch.points[0, :, 2].cpu()), colour="white", width=0.8)
    lift = mixture.lift[0].sigmoid().cpu().numpy()
    below.plot(range(1, len(lift) + 1), lift, color=COLOURS[0], label="expected")
    up = np.flatnonzero(targets[0, :, 2].cpu().numpy() > 0.5) + 1
    below.plot(up, np.ones(len(up)), "v", color=COLOURS[1], markersize=5, label="lifted")
    below.set_ylim(0, 1.12)
    below.set_xlabel("point")
    below.set_ylabel("lift of the pen")
    below.legend(loc="center left", ncols=2)
    caption = "Above, bright: where the next point was expected, all along a drawing that was not seen in training. Below: when the pen was expected to lift, and when it did."
    return Picture("expected", "Where it expects the pen", caption, drawn)


def window(task: Any, model: nn.Module, example: Drawing) -> Picture:
    """Which letter the window looked at, at each point of a real drawing."""
    batch = _batch(task, example)
    traced: Any = getattr(model, "traced", None)
    drawn, axes = figure(7.6, 0.3 * len(example.text) + 1.3)
    if traced is None:
        axes.text(0.5, 0.5, "this model has no window", ha="center")
    else:
        phi = traced(batch.points[:, :-1, :3], batch.text, batch.text_lengths, batch.lengths - 1)[2][0].cpu()
        axes.imshow(phi.T.numpy(), aspect="auto", cmap=MAP, interpolation="nearest")
        axes.set_yticks(range(len(example.text)), [printable(letter) for letter in example.text])
    axes.grid(visible=False)
    axes.set_xlabel("point")
    caption = "Bright: the letter that the network looked at while this drawing was written; it found out by itself which points belong to which."
    return Picture("window", "Which letter it writes", caption, drawn)


def write(strokes: Strokes, given: int, path: Path) -> Path:
    """The strokes as .svg, or as .png; the first `given` are grey. Raises UsageError for another name."""
    kind = path.suffix.lower()
    if kind == ".svg":
        write_text(path, as_svg(strokes, given))
    elif kind == ".png":
        drawn, axes = figure(6.4, 2.4)
        _draw(axes, strokes[:given], COLOURS[6])
        _draw(axes, strokes[given:])
        to_png(drawn, path)
    else:
        raise UsageError(f"{shown(path.name)} is no name of a picture", remedy="end it in .svg or .png")
    return path


def as_svg(strokes: Strokes, given: int = 0) -> str:
    """The strokes as lines in an SVG, whose ink is the reader's own; the first `given` are grey.

    >>> as_svg([[[0, 0], [2, 1]]]).count("polyline")
    1
    """
    low, high = _bounds(strokes)
    side = float(max(*(high - low), 1e-6))
    edge = 0.06 * side
    box = " ".join(f"{v:.5g}" for v in (*(low - edge), *(high - low + 2 * edge)))
    lines = []
    for place, stroke in enumerate(strokes):
        points = " ".join(f"{x:.6g},{y:.6g}" for x, y in (*stroke, stroke[-1])[: len(stroke) + (len(stroke) == 1)])
        ink = COLOURS[6] if place < given else "currentColor"
        lines.append(f'<polyline points="{points}" stroke="{ink}"/>')
    style = f'fill="none" stroke-width="{0.012 * side:.4g}" stroke-linecap="round" stroke-linejoin="round"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}"><g {style}>\n' + "\n".join(lines) + "\n</g></svg>\n"
    )


def in_dots(strokes: Strokes, columns: int = 72) -> str:
    """The strokes in Braille characters, for a terminal.

    >>> in_dots([[[0, 0], [3, 0]]], 2)
    '⠉⠉'
    """
    low, high = _bounds(strokes)
    wide = 2 * columns - 1
    scale = min(wide / max(float(high[0] - low[0]), 1e-9), 4 * 14 / max(float(high[1] - low[1]), 1e-9))
    height = int((high[1] - low[1]) * scale) // 4 + 1
    cells = np.zeros((height, int((high[0] - low[0]) * scale) // 2 + 1), int)
    for stroke in strokes:
        points = (np.asarray(stroke, float) - low) * scale
        for begin, end in zip(points, [*points[1:], points[-1]], strict=True):
            steps = int(np.abs(end - begin).max()) + 1
            for x, y in (begin + (end - begin) * np.linspace(0, 1, steps + 1)[:, None]).astype(int):
                cells[min(y // 4, height - 1), min(x // 2, cells.shape[1] - 1)] |= _DOTS[y % 4][x % 2]
    return "\n".join("".join(chr(0x2800 + cell) for cell in row).rstrip("\u2800") for row in cells)


def _bounds(strokes: Strokes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points = np.concatenate([np.asarray(stroke, float).reshape(-1, 2) for stroke in strokes] or [np.zeros((1, 2))])
    return points.min(0), points.max(0)


def _draw(axes: Any, strokes: Strokes, colour: str | None = None, width: float = 1.4) -> None:
    """Strokes as lines, y downwards, without a frame."""
    ink = {} if colour is None else {"color": colour}
    for stroke in strokes:
        points = np.asarray(stroke, float)
        marker = "o" if len(points) == 1 else None
        axes.plot(*points.T, linewidth=width, marker=marker, markersize=width, **(ink or {"color": COLOURS[0]}))
    axes.set_aspect("equal")
    if not axes.yaxis_inverted():
        axes.invert_yaxis()
    axes.axis("off")


def _absolute(places: Tensor, lifts: Tensor) -> list[list[list[float]]]:
    found: list[list[list[float]]] = [[]]
    for place, lift in zip(places.tolist(), lifts.tolist(), strict=True):
        found[-1].append(place)
        if lift > 0.5:
            found.append([])
    return [stroke for stroke in found if stroke]


def _batch(task: Any, example: Drawing) -> Any:
    rows = task.collate([example])
    return type(rows)(*(tensor.to(task.device) for tensor in rows))._replace(text=rows.text.long().to(task.device))


def _writable(task: Any, example: Drawing) -> bool:
    return task.letters is None or (bool(example.text) and all(c in task.letters.index for c in example.text))
