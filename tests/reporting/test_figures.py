"""Figures follow the reader's text colour, stay apart for colour-blind eyes, and are drawn alike each time."""

import itertools
import math
import warnings
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image as Pillow

from samoyed.reporting.figures import _INK, COLOURS, figure, style, to_png, to_svg


def drawn() -> Figure:
    with style():
        made, axes = figure(4, 3)
        axes.plot([0, 1, 2], [1, 3, 2], label="line")
        axes.set(title="a title", xlabel="across", ylabel="up")
        axes.legend()
        return made


def test_ink_is_the_readers_colour() -> None:
    text = to_svg(drawn())
    assert text.startswith("<svg")
    assert text.rstrip().endswith("</svg>")
    assert _INK not in text
    assert text.count("currentColor") > 10
    for word in ("a title", "across", "up", "line"):
        assert f">{word}</text>" in text
    assert "stroke: #000000" not in text
    assert "fill: #ffffff" not in text  # no paper of its own
    assert COLOURS[0].lower() in text.lower()


def test_a_figure_is_drawn_alike_each_time() -> None:
    assert to_svg(drawn()) == to_svg(drawn())


def test_png_is_dark_on_white(tmp_path: Path) -> None:
    path = to_png(drawn(), tmp_path / "deep" / "figure.png", dpi=100)
    assert path == tmp_path / "deep" / "figure.png"
    with Pillow.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.size == (400, 300)
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    assert (pixels == 255).all(1).mean() > 0.6
    ink = [int(_INK[i : i + 2], 16) for i in (1, 3, 5)]
    assert (pixels == ink).all(1).sum() > 100
    assert [p.name for p in path.parent.iterdir()] == ["figure.png"]


def test_the_settings_of_others_are_kept() -> None:
    with matplotlib.rc_context({"font.size": 11, "axes.grid": False}):
        before = dict(matplotlib.rcParams)
        with style():
            assert matplotlib.rcParams["font.size"] != 11
        to_svg(drawn())
        assert dict(matplotlib.rcParams) == before


def test_a_failing_figure_restores_them_too() -> None:
    before = dict(matplotlib.rcParams)
    with pytest.raises(ZeroDivisionError), style():
        raise ZeroDivisionError
    assert dict(matplotlib.rcParams) == before


def test_no_window_is_wanted() -> None:
    import sys

    to_svg(drawn())
    assert "matplotlib.pyplot" not in sys.modules or matplotlib.get_backend().lower() == "agg"


def test_axes_come_as_asked() -> None:
    _, one = figure(3, 2)
    assert hasattr(one, "plot")
    made, several = figure(3, 2, 2, 3)
    assert several.shape == (2, 3)
    assert tuple(made.get_size_inches()) == (3, 2)


@pytest.mark.parametrize("text", ["猫", "😀", "\t", "春眠不觉晓"])
def test_letters_that_the_font_lacks_cause_no_warning(tmp_path: Path, text: str) -> None:
    made, axes = figure(3, 2)
    axes.set_title(text)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        svg = to_svg(made)
        to_png(made, tmp_path / "x.png")
    assert [str(w.message) for w in heard] == []
    assert text.strip() in svg


def test_colours_stay_apart() -> None:
    """In CIELAB, as normal eyes see them and as those without one kind of cone do (Viénot 1999)."""
    for sight in (np.eye(3), PROTAN, DEUTAN):
        seen = [lab(sight @ linear(colour)) for colour in COLOURS[:6]]
        for (a, first), (b, second) in itertools.combinations(enumerate(seen), 2):
            assert math.dist(first, second) > 8, (COLOURS[a], COLOURS[b])


# Linear RGB as the two colour-blindnesses see it
PROTAN = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
DEUTAN = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> tuple[float, float, float]:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.9505, 1, 1.089])
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def test_logarithmic_axes_carry_no_markup():
    made, (wide, narrow) = figure(8, 3, 1, 2)
    wide.semilogy([1e-12, 1, 1e6])
    narrow.loglog([2, 3, 4], [2e-3, 3e-3, 4e-3])
    text = to_svg(made)
    assert "$" not in text
    assert "mathdefault" not in text
    assert "10⁻" in text
