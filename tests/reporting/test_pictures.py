"""What the pictures show is what was measured: each is read back from the drawing and compared with the numbers."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from torch import nn

import samoyed
from samoyed.reporting import classification, forecasting, language
from samoyed.reporting.curves import curves
from samoyed.reporting.figures import COLOURS, style, to_svg
from samoyed.training.evaluation import Result
from samoyed.training.gather import gather
from samoyed.training.progress import Epoch

IMAGES, TEXT, SERIES = "image-classification", "text-generation", "time-series-forecasting"


@pytest.fixture(autouse=True)
def _style() -> Any:
    with style(), torch.inference_mode():
        yield


def words(figure: Figure) -> list[str]:
    """Every text of a drawing."""
    from matplotlib.text import Text

    return [t.get_text() for t in figure.findobj(Text) if t.get_text() and t.get_visible()]


def certain(answers: list[int], sure: list[float], size: int) -> torch.Tensor:
    """log_probs [N, C] whose largest is `sure` at `answers`; the others share the rest."""
    probs = torch.tensor([[(1 - s) / (size - 1)] * size for s in sure], dtype=torch.float64)
    probs[torch.arange(len(answers)), torch.tensor(answers)] = torch.tensor(sure, dtype=torch.float64)
    return probs.log()


# Pictures


def test_confusion() -> None:
    labels, answers = [0, 0, 0, 1, 1, 2, -1], [0, 1, 1, 1, 2, 2, 0]
    made = classification.confusion(certain(answers, [0.9] * 7, 3), torch.tensor(labels), ["a", "b", "c"])
    axes, bar = made.figure.axes
    shares = np.asarray(axes.images[0].get_array(), dtype=float)
    np.testing.assert_allclose(shares, [[1 / 3, 2 / 3, 0], [0, 0.5, 0.5], [0, 0, 1]], rtol=1e-6)
    counts = {(t.get_position()[1], t.get_position()[0]): t.get_text() for t in axes.texts}
    assert counts == {(0, 0): "1", (0, 1): "2", (1, 1): "1", (1, 2): "1", (2, 2): "1"}
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b", "c"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["a", "b", "c"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("answered", "true class")
    assert bar.get_ylabel() == "share of the true class"
    assert made.caption.endswith("most often, a is taken for b (2 times).")
    for text in axes.texts:  # each count can be read on its own cell
        row, column = text.get_position()[1], text.get_position()[0]
        cell = axes.images[0].cmap(axes.images[0].norm(shares[row, column]))
        assert contrast(cell, text.get_color()) >= 3


def contrast(first: Any, second: Any) -> float:
    def luminance(colour: Any) -> float:
        digits = to_hex(colour).lstrip("#")
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_confusion_without_confusion() -> None:
    made = classification.confusion(certain([0, 1], [0.9, 0.9], 2), torch.tensor([0, 1]), ["a", "b"])
    assert made.caption.endswith("nothing is confused.")


@pytest.mark.parametrize("size", [2, 30, 31, 200])
def test_confusion_of_many_classes(size: int) -> None:
    labels = torch.arange(size)
    made = classification.confusion(
        certain(labels.tolist(), [0.9] * size, size), labels, [f"class {i}" for i in range(size)]
    )
    assert ("class 0" in words(made.figure)) == (size <= 30)
    assert np.asarray(made.figure.axes[0].images[0].get_array()).shape == (size, size)
    assert to_svg(made.figure)


def test_the_surest_mistakes_come_first() -> None:
    labels = torch.tensor([0, 1, 0, 1, -1])
    log_probs = certain([1, 1, 1, 0, 0], [0.6, 0.99, 0.8, 0.7, 0.9], 2)
    images = torch.arange(5, dtype=torch.uint8)[:, None, None, None].expand(5, 1, 4, 4) * 50
    made = classification.mistakes(log_probs, labels, ["cat", "dog"], images)
    shown = [axes for axes in made.figure.axes if axes.images]
    assert [axes.get_title("center") for axes in shown] == [
        "unseen class → cat\n90% sure", "cat → dog\n80% sure", "dog → cat\n70% sure", "cat → dog\n60% sure"
    ]  # fmt: skip
    assert [int(np.asarray(axes.images[0].get_array())[0, 0]) for axes in shown] == [200, 100, 150, 0]


def test_no_more_mistakes_than_fit() -> None:
    made = classification.mistakes(certain([1] * 50, [0.9] * 50, 2), torch.zeros(50, dtype=torch.int64), ["a", "b"], torch.zeros(50, 3, 4, 4, dtype=torch.uint8))  # fmt: skip
    assert len([axes for axes in made.figure.axes if axes.images]) == 16


def test_no_mistakes() -> None:
    made = classification.mistakes(certain([0], [0.9], 2), torch.tensor([0]), ["a", "b"], torch.zeros(1, 1, 4, 4, dtype=torch.uint8))  # fmt: skip
    assert words(made.figure) == ["No test picture was classified wrongly."]
    assert made.caption == "There are none on the test split."


@pytest.mark.parametrize("channels", [1, 3])
def test_filters_are_the_first_weights(channels: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Identity(), nn.Conv2d(channels, 6, 5), nn.Conv2d(6, 40, 3))
    (made,) = classification.filters(model)
    shown = [np.asarray(axes.images[0].get_array(), dtype=float) for axes in made.figure.axes if axes.images]
    weights = model[1].weight.detach().numpy()
    assert len(shown) == 6
    for drawn, kernel in zip(shown, weights, strict=True):
        if channels == 1:
            np.testing.assert_allclose(drawn, kernel[0], rtol=1e-6)
        else:
            np.testing.assert_allclose(drawn, kernel.transpose(1, 2, 0) / abs(kernel).max() / 2 + 0.5, atol=1e-6)


@pytest.mark.parametrize("model", [nn.Linear(4, 2), nn.Conv2d(2, 4, 3), nn.Identity(), nn.Sequential(nn.Linear(4, 4), nn.Conv2d(1, 4, 3))])  # fmt: skip
def test_what_has_no_filters(model: nn.Module) -> None:
    assert classification.filters(model) == []


def test_calibration() -> None:
    draw = np.random.default_rng(0)
    sure = draw.uniform(0.51, 1, 400)
    right = draw.random(400) < sure**2
    log_probs = certain([0] * 400, sure.tolist(), 2)
    made = classification.calibration(log_probs, torch.tensor([0 if r else 1 for r in right]))
    above, below = made.figure.axes
    place = np.minimum((sure * 10).astype(int), 9)
    expected = [(sure[place == b].mean(), right[place == b].mean()) for b in range(10) if (place == b).any()]
    line = next(line for line in above.lines if line.get_label() == "this network")
    np.testing.assert_allclose(line.get_xydata(), expected, atol=1e-5)
    assert [bar.get_height() for bar in below.patches] == [(place == b).sum() for b in range(10)]
    off = sum(
        abs(r - s) * (place == b).sum()
        for b in range(5, 10)
        for s, r in [(sure[place == b].mean(), right[place == b].mean())]
    )
    assert made.caption.endswith(f"Expected calibration error {off / 400:.3f}.")


# Curves


def epoch(number: int, value: float, best: bool) -> Epoch:
    valid = {"rmse": Result(value, value, value, "metres", "lower", 9)}
    return Epoch(number, number, 1.0, 1.0, 1.0, 0.1 / number, 1 / number, 1.0, valid, best)


def test_curves() -> None:
    task = SimpleNamespace(watch="rmse", reported={"rmse": SimpleNamespace(unit="metres")})
    figures = [5.0, 3.0, 2.0, 4.0]
    (made,) = curves([epoch(i + 1, v, i < 3) for i, v in enumerate(figures)], task)  # type: ignore[arg-type]
    loss, metric, rate = made.figure.axes
    np.testing.assert_allclose(loss.lines[0].get_xydata(), [(i, 1 / i) for i in range(1, 5)])
    np.testing.assert_allclose(metric.lines[0].get_xydata(), [*zip(range(1, 5), figures, strict=True)])
    np.testing.assert_allclose(rate.lines[0].get_xydata(), [(i, 0.1 / i) for i in range(1, 5)])
    assert metric.get_title("left") == "rmse (metres), validation"
    assert set(metric.lines[1].get_xdata()) == {3}
    assert "epoch 3, whose weights are kept" in made.caption
    assert all(axes.get_xlabel() == "epoch" for axes in made.figure.axes)
    assert curves([], task) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_epochs_are_whole_numbers(count: int) -> None:
    task = SimpleNamespace(watch="rmse", reported={"rmse": SimpleNamespace(unit="metres")})
    (made,) = curves([epoch(i + 1, 1.0 + i % 3, i == 0) for i in range(count)], task)  # type: ignore[arg-type]
    for axes in made.figure.axes:
        low, high = axes.get_xlim()
        assert all(float(tick).is_integer() for tick in axes.get_xticks() if low <= tick <= high)


# Series


@pytest.fixture(scope="module")
def forecaster(runs: dict[str, Path], raw: dict[str, Path]) -> Any:
    run = samoyed.load(runs[SERIES])
    from samoyed.reporting.progress import Reporter

    split = run.task.split(gather(run.task, raw[SERIES], Reporter(quiet=True)).parts, 0)
    return run, split, run.task.collate(split.test)


def test_the_truth_is_the_data(forecaster: Any, raw: dict[str, Path]) -> None:
    run, split, test = forecaster
    made = forecasting.against_truth(run.task, run.model, split, test)
    (axes,) = made.figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    rows = [line.split(",") for line in raw[SERIES].read_text("utf-8").splitlines()[1:]]
    values = [float(value) for _, value in rows]
    truth = lines["truth"].get_ydata()
    start = len(values) - len(split.test[0].values)
    np.testing.assert_allclose(truth, values[start : start + len(truth)])
    assert axes.get_ylabel() == "<i>price</i>"
    assert {"truth", "this network", "one season ago (12)"} <= set(lines)
    ticks = [t.get_text() for t in axes.get_xticklabels()]
    marks = [int(t) for t in axes.get_xticks()]
    assert ticks == [rows[start + mark][0] for mark in marks]


def test_the_forecast_is_the_models(forecaster: Any) -> None:
    """The first drawn forecast is what the run predicts from the series up to there."""
    run, split, test = forecaster
    made = forecasting.against_truth(run.task, run.model, split, test)
    (axes,) = made.figure.axes
    line = next(line for line in axes.lines if line.get_label() == "this network")
    x, y = line.get_data()
    context = run.task.steps_back
    past = split.test[0].values[:context, 0]
    answer = run.predict(past)
    assert list(x) == [*range(context, context + 12)]
    np.testing.assert_allclose(y, answer["forecast"], rtol=1e-4)
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(min(answer["low"]), rel=1e-4)
    assert band[:, 1].max() == pytest.approx(max(answer["high"]), rel=1e-4)
    naive = next(line for line in axes.lines if line.get_label() == "one season ago (12)")
    np.testing.assert_allclose(naive.get_ydata(), past[-12:], rtol=1e-4)


def test_the_error_by_distance(forecaster: Any) -> None:
    run, split, test = forecaster
    made = forecasting.by_horizon(run.task, run.model, test)
    (axes,) = made.figure.axes
    lines = {line.get_label(): np.asarray(line.get_ydata(), dtype=float) for line in axes.lines}
    values, context = split.test[0].values[:, 0], run.task.steps_back
    windows = range(len(values) - context - 12 + 1)
    truth = np.stack([values[w + context : w + context + 12] for w in windows])
    last = np.stack([np.repeat(values[w + context - 1], 12) for w in windows])
    season = np.stack([values[w + context - 12 : w + context] for w in windows])
    own = np.stack([run.predict(values[w : w + context])["forecast"] for w in windows])
    for name, forecast in (("last value", last), ("one season ago", season), ("this network", own)):
        np.testing.assert_allclose(lines[name], np.sqrt(((forecast - truth) ** 2).mean(0)), rtol=1e-3)
    assert made.caption == f"Over all {len(windows)} windows of the test split."


# Text


def test_samples_are_shown_as_they_are() -> None:
    written = {0.5: "def f(x):\n    return $x$ + 1\n", 1.0: "a" * 200}
    made = language.samples("before\nthe end", written)
    said = words(made.figure)
    assert "after: before⏎the end" in said
    assert "    return $x$ + 1" in said
    assert [w for w in said if w.startswith("temperature")] == ["temperature 0.5", "temperature 1.0"]
    assert "".join(w for w in said if set(w) == {"a"}) == "a" * 200  # long lines are folded, and nothing is lost
    assert to_svg(made.figure)


def test_surprise_is_the_shade() -> None:
    tokens, nats = ["t", "o", " ", "\n", "b"], [0.0, 2.5, 9.0, 5.0, 0.1]
    made = language.surprise(tokens, torch.tensor(nats))
    (axes,) = made.figure.axes
    from matplotlib import colormaps

    shades = [patch.get_facecolor() for patch in axes.patches]
    assert shades == [colormaps["cividis"](min(n / 5, 1.0)) for n in nats]
    assert [patch.get_xy() for patch in axes.patches] == [(0, 0), (1, 0), (2, 0), (3, 0), (0, 1)]
    assert [t.get_text() for t in axes.texts] == ["t", "o", " ", "⏎", "b"]
    for text, shade in zip(axes.texts, shades, strict=True):
        assert contrast(shade, text.get_color()) >= 3


def test_surprise_of_a_real_text(runs: dict[str, Path], raw: dict[str, Path]) -> None:
    """-log p of each held-out token, computed step by step."""
    run = samoyed.load(runs[TEXT])
    from samoyed.reporting.progress import Reporter

    split = run.task.split(gather(run.task, raw[TEXT], Reporter(quiet=True)).parts, 0)
    data = {name: run.task.collate(part) for name, part in (("train", split.train), ("test", split.test))}
    made = {p.name: p for p in run.task.pictures(run.model, split, data)}
    indices, state, expected = data["test"].tokens[0, :30], None, []
    for i in range(29):
        logits, state = run.model(indices[None, i : i + 1], state)
        expected.append(-float(logits[0, -1].log_softmax(-1)[indices[i + 1]]))
    from matplotlib import colormaps

    shades = [patch.get_facecolor() for patch in made["surprise"].figure.axes[0].patches][:29]
    assert np.allclose(shades, [colormaps["cividis"](min(n / 5, 1.0)) for n in expected], atol=0.01)
    assert f"after: {split.test[0].text[:80]}".replace("\n", "⏎") in words(made["samples"].figure)


# Names


@pytest.mark.parametrize("name", ["cost ($) in ($)", r"$\foo$", r"$\frac$", "a_b^c", r"\alpha", "%d {x}"])
def test_names_are_not_formulas(name: str) -> None:
    """Classes and columns reach titles, ticks and labels; a dollar sign there is money."""
    labels = torch.tensor([0, 1])
    log_probs = certain([1, 1], [0.9, 0.9], 2)
    confused = to_svg(classification.confusion(log_probs, labels, [name, "b"]).figure)
    assert confused.count(f">{name}</text>") == 2
    images = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    assert f"{name} → b" in to_svg(classification.mistakes(log_probs, labels, [name, "b"], images).figure)
    task = SimpleNamespace(watch="rmse", reported={"rmse": SimpleNamespace(unit=name)})
    (made,) = curves([epoch(1, 1.0, True), epoch(2, 2.0, False)], task)  # type: ignore[arg-type]
    assert f"rmse ({name}), validation" in to_svg(made.figure)


@pytest.mark.parametrize("name", ["cost ($) in ($)", r"$\foo$"])
def test_columns_are_not_formulas(forecaster: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    run, split, test = forecaster
    monkeypatch.setattr(run.task, "column", name)
    series = split.test[0]
    renamed = series._replace(names=(name,)) if hasattr(series, "_replace") else type(series)(series.values, (name,), series.times, series.origin)  # fmt: skip
    shown = to_svg(forecasting.against_truth(run.task, run.model, split._replace(test=[renamed]), test).figure)
    assert f">{name}</text>" in shown
    assert f">RMSE, {name}</text>" in to_svg(forecasting.by_horizon(run.task, run.model, test).figure)


def test_colours_are_the_figures_own(forecaster: Any) -> None:
    run, split, test = forecaster
    for made in run.task.pictures(run.model, split, {"test": test}):
        for axes in made.figure.axes:
            assert {to_hex(line.get_color()).upper() for line in axes.lines} <= {c.upper() for c in COLOURS}
            assert math.isfinite(sum(axes.get_ylim()))
