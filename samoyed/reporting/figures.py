"""Figures that read in light and dark, and by colour-blind eyes.

Every picture the program draws begins with `figure`. Colours are those of Okabe and Ito (2008, "Color universal design"),
which stay apart under the common forms of colour blindness. A figure is written twice: as PNG on white, for files, and as
SVG whose ink is `currentColor`, so that a page shows it in the reader's own theme.

Matplotlib takes a second to import, so that everything which a task imports asks for it only when it draws.
"""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samoyed.errors import printable
from samoyed.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C8C8C")
FOR, AGAINST = COLOURS[0], COLOURS[1]  # everywhere: blue speaks for an answer, orange against it
AGAINST_FOR = (
    "samoyed_against_for"  # the name of the map from the one over white to the other, which `figure` makes known
)
MAP = "cividis"  # one hue ramp whose lightness alone carries the order (Nuñez 2018)
_INK = "#123456"  # stands for the reader's text colour until the SVG is written

_INK_IN_STYLE = re.compile(rf'((?:fill|stroke): ?){_INK}(?=[;"])')
_TEXT_STYLE = re.compile(r"<text (?=style=|transform=|x=)")

_STYLE: Any = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "grid.alpha": 0.22,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "text.parse_math": False,  # names of classes and columns may hold a dollar
    "legend.frameon": False,
    "image.cmap": MAP,
    "svg.fonttype": "none",
    "svg.hashsalt": "samoyed",
    "savefig.transparent": True,
    **{f"{part}.color": _INK for part in ("text", "xtick", "ytick", "grid")},
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
}


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's settings for every Samoyed figure, restored afterwards; it is silent on letters that its font lacks."""
    import matplotlib
    from matplotlib import rcsetup

    cycle = rcsetup.cycler(color=COLOURS)
    with matplotlib.rc_context({**_STYLE, "axes.prop_cycle": cycle}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        warnings.filterwarnings("ignore", "constrained_layout not applied", UserWarning)
        yield


def figure(
    width: float = 6.4, height: float = 3.6, rows: int = 1, columns: int = 1, **options: Any
) -> tuple["Figure", Any]:
    """A styled figure and its axes (one, or an array [rows, columns]), sized in inches. Needs no display.

    >>> made, axes = figure(3, 2)
    >>> _ = axes.plot([0, 1], [1, 0])
    >>> to_svg(made).startswith("<svg")
    True
    """
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    if AGAINST_FOR not in colormaps:
        colormaps.register(LinearSegmentedColormap.from_list(AGAINST_FOR, [AGAINST, "#ffffff", FOR]))
    with style():
        made = Figure(figsize=(width, height))
        return made, made.subplots(rows, columns, **options)


def rectangle(corner: tuple[float, float], width: float, height: float, **look: Any) -> "Rectangle":
    """A rectangle to add to axes, in their units."""
    from matplotlib.patches import Rectangle

    return Rectangle(corner, width, height, **look)


def to_svg(made: "Figure") -> str:
    """The figure as an `<svg>` element whose ink follows the page's text colour."""
    buffer = io.StringIO()
    _plain_texts(made)
    with style():
        made.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = _INK_IN_STYLE.sub(r"\1currentColor", text)
    return _TEXT_STYLE.sub(r'<text xml:space="preserve" ', text)


def to_png(made: "Figure", path: Path, dpi: int = 150) -> Path:
    """Writes the figure to `path` as PNG, dark ink on white, and returns the path."""
    buffer = io.BytesIO()
    _plain_texts(made)
    with style():
        made.savefig(buffer, format="png", dpi=dpi, facecolor="white", transparent=False)
    write_bytes(path, buffer.getvalue())
    return path


def _plain_texts(made: "Figure") -> None:
    """Writes powers of ten without markup, and what no font can draw, such as half a character of a column's name, as an
    escape."""
    from matplotlib.text import Text

    from samoyed.reporting import ticks

    for axes in made.axes:
        for axis in (axes.xaxis, axes.yaxis):
            ticks.plain(axis)
    for text in made.findobj(Text):
        text.set_text("\n".join(map(printable, text.get_text().split("\n"))))
