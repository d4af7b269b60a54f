"""Forecasting: what the calendar tells, which intervals are drawn and what they hold, and how the back-test is counted."""

import datetime as dt
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import samoyed
from samoyed import samples
from samoyed.errors import DataError, UsageError
from samoyed.examples import Series
from samoyed.exporting.graphs import graph_of
from samoyed.models.gru import GRUForecaster
from samoyed.models.lstm import LSTMForecaster
from samoyed.models.mlp import MLP
from samoyed.models.rnn import RNNForecaster
from samoyed.reporting.forecasting import by_origin
from samoyed.tasks._calendar import cycles_of, features, moments_of, shares
from samoyed.tasks._intervals import Levels, half_widths
from samoyed.tasks.time_series_forecasting import TimeSeriesForecasting

HOURLY = [(dt.datetime(2023, 12, 25) + dt.timedelta(hours=5 * i)).isoformat(" ", "minutes") for i in range(3000)]


def daily(days: int, start: str = "2019-03-01") -> list[str]:
    first = dt.date.fromisoformat(start)
    return [(first + dt.timedelta(days=i)).isoformat() for i in range(days)]


def series(times: list[str], seed: int = 0) -> Series:
    values = np.random.default_rng(seed).normal(size=(len(times), 2)) + 50
    return Series(values, ("a", "b"), tuple(times), "made")


# The calendar


def test_shares_equal_the_standard_librarys_calendar() -> None:
    moments = moments_of(HOURLY)
    assert moments is not None
    for text, day, week, year in zip(HOURLY, *(shares(moments, c) for c in ("day", "week", "year")), strict=True):
        moment = dt.datetime.fromisoformat(text)
        hours = moment.hour + moment.minute / 60
        assert day == pytest.approx(hours / 24, abs=1e-12)
        assert week == pytest.approx((moment.weekday() + hours / 24) / 7, abs=1e-12)
        begin = moment.replace(day=1, hour=0, minute=0)
        end = (begin + dt.timedelta(days=32)).replace(day=1)
        assert year == pytest.approx((moment.month - 1 + (moment - begin) / (end - begin)) / 12, abs=1e-12)


def test_months_are_twelfths_of_a_year_before_1970_too() -> None:
    moments = moments_of([f"{year}-{month:02}" for year in (1899, 1969, 2024) for month in range(1, 13)])
    assert moments is not None
    np.testing.assert_allclose(shares(moments, "year"), [month / 12 for month in range(12)] * 3, atol=1e-12)
    found = features(moments, ["year"])
    np.testing.assert_allclose(found[3], [1, 0], atol=1e-6)  # April: a quarter of the circle
    np.testing.assert_allclose((found**2).sum(1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("times", "context", "auto", "everything"),
    [
        (daily(800), 16, ["year"], ["week", "year"]),
        (daily(800), 10, ["week", "year"], ["week", "year"]),
        (daily(700), 16, [], ["week", "year"]),  # less than two years to learn a year from
        (HOURLY, 12, ["week"], ["day", "week", "year"]),
        ([f"{1950 + i // 12}-{i % 12 + 1:02}" for i in range(96)], 24, [], ["year"]),
        ([f"{1950 + i // 12}-{i % 12 + 1:02}" for i in range(96)], 12, ["year"], ["year"]),
        ([str(i) for i in range(500)], 16, [], []),
    ],
)
def test_which_cycles_are_told(times: list[str], context: int, auto: list[str], everything: list[str]) -> None:
    assert cycles_of(times, context, "auto") == auto
    assert cycles_of(times, context, "all") == everything
    assert cycles_of(times, context, "none") == []


def test_a_window_is_told_of_the_moments_to_be_forecast() -> None:
    """Step t of the past carries the calendar of step t + horizon; the columns before it are as without a calendar."""
    given = series(daily(40))
    tasks = [TimeSeriesForecasting(context=9, horizon=4, inputs="all", calendar=c) for c in ("all", "none")]  # type: ignore[arg-type]
    for task in tasks:
        task.fit([given])
    told, plain = (task.collate([given]) for task in tasks)
    assert tasks[0].sizes()["input_size"] == told.past.shape[2] == 2 + 4
    assert torch.equal(told.past[..., :2], plain.past)
    assert torch.equal(told.future, plain.future)
    moments = moments_of(given.times)
    assert moments is not None
    expected = torch.from_numpy(features(moments, ["week", "year"]))
    for window in range(len(told.past)):
        assert torch.equal(told.past[window, :, 2:], expected[window + 4 : window + 13])
        assert torch.equal(told.past[window, -4:, 2:], expected[window + 9 : window + 13])


def test_an_answer_is_told_of_dates_after_the_end() -> None:
    """What the model sees when the series ends equals the window that the same rows make when it goes on."""
    whole = series(daily(60))
    task = TimeSeriesForecasting(context=9, horizon=4, calendar="all")
    task.fit([whole])
    seen: list[torch.Tensor] = []

    def model(past: torch.Tensor) -> torch.Tensor:
        seen.append(past)
        return past.new_zeros(len(past), 4)

    cut = Series(whole.values[:40], whole.names, whole.times[:40], "cut")
    answer = task.answers(model, [cut])[0]  # type: ignore[arg-type]
    assert answer["times"] == list(whole.times[40:44])
    task.forecast(model, task.collate([whole]).past[31:32])  # type: ignore[arg-type]
    torch.testing.assert_close(seen[0], seen[1])


def test_a_cycle_is_learned_where_the_window_cannot_show_it(tmp_path: Path) -> None:
    """Every Monday is higher, which three days before it do not announce, and the calendar does."""
    times = daily(500)
    noise = np.random.default_rng(0).normal(size=len(times))
    values = noise + 8.0 * np.array([dt.date.fromisoformat(time).weekday() == 0 for time in times])
    path = tmp_path / "mondays.csv"
    path.write_text("date,value\n" + "".join(f"{t},{v:.4f}\n" for t, v in zip(times, values, strict=True)))
    found = {}
    for calendar in ("auto", "none"):
        run = samoyed.train(
            *("time-series-forecasting", path), model="mlp", hidden_sizes=(32,), dropout=0.0, epochs=40, context=3, horizon=3,
            calendar=calendar, learning_rate=0.01, out=tmp_path / calendar, quiet=True,
        )  # fmt: skip
        found[calendar] = run.metrics["test"]["rmse"]["value"]
    assert found["auto"] < 0.75 * found["none"]
    run = samoyed.load(tmp_path / "auto")
    assert run.predict(path)["times"][0] == "2020-07-13"
    with pytest.raises(DataError, match="calendar=none"):
        run.predict(values[:20])
    with pytest.raises(UsageError, match="calendar=none"):
        graph_of(run)


# Intervals


def brute(errors: np.ndarray, coverage: float) -> list[float]:
    sizes = [math.sqrt(sum(e * e for e in column) / len(column)) for column in errors.T]
    scores = sorted(abs(e) / s for row in errors for e, s in zip(row, sizes, strict=True))
    rank = min(len(scores), math.ceil((len(scores) + 1) * coverage))
    return [scores[rank - 1] * s for s in sizes]


@pytest.mark.parametrize("windows", [1, 3, 50])
@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.99])
def test_half_widths_equal_their_equation(windows: int, coverage: float) -> None:
    errors = np.random.default_rng(1).normal(size=(windows, 6)) * np.arange(1, 7)
    found = half_widths(torch.from_numpy(errors), coverage)
    np.testing.assert_allclose(found.numpy(), brute(errors, coverage), rtol=1e-12)


def test_exact_forecasts_have_intervals_of_no_width() -> None:
    assert half_widths(torch.zeros(5, 3), 0.8).tolist() == [0, 0, 0]


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_intervals_hold_their_share_where_errors_are_alike(coverage: float) -> None:
    draw = torch.Generator().manual_seed(0)
    held = []
    for _ in range(300):
        errors = torch.randn(40, 3, generator=draw) ** 3
        width = half_widths(errors[:20], coverage)
        held.append(float((errors[20:].abs() <= width).float().mean()))
    assert np.mean(held) == pytest.approx(coverage, abs=0.025)


def test_levels_are_means_over_equal_parts_in_a_straight_line() -> None:
    draw = np.random.default_rng(2)
    forecasts = draw.normal(size=(70, 5))
    errors = draw.normal(size=(70, 5)) * np.exp(forecasts)
    scores = (np.abs(errors) / np.sqrt((errors**2).mean(0))).ravel()
    parts = np.array_split(np.argsort(forecasts.ravel()), 4)  # of 70 windows, 16 or more to a level
    at = [forecasts.ravel()[part].mean() for part in parts]
    factors = [max(0.1, scores[part].mean() / scores.mean()) for part in parts]
    levels = Levels.learned(torch.from_numpy(forecasts), torch.from_numpy(errors))
    asked = np.linspace(-4, 4, 50).reshape(10, 5)
    np.testing.assert_allclose(levels.of(torch.from_numpy(asked)).numpy(), np.interp(asked, at, factors), rtol=1e-9)
    again = Levels.model_validate_json(levels.model_dump_json())
    assert again == levels


def test_few_windows_and_exact_forecasts_have_no_levels() -> None:
    assert Levels.learned(torch.randn(31, 4), torch.randn(31, 4)).of(torch.randn(2, 4)).tolist() == [[1.0] * 4] * 2
    assert Levels.learned(torch.randn(64, 4), torch.zeros(64, 4)) == Levels()


def test_intervals_follow_a_series_to_levels_where_it_errs_more() -> None:
    """Errors in proportion to the level, and a test that is higher than the calibration: one width for all holds too little."""
    draw = torch.Generator().manual_seed(1)
    held: dict[str, list[float]] = {"levels": [], "one width": []}
    for _ in range(60):
        low, high = (torch.rand(200, 3, generator=draw) * (top - 1) + 1 for top in (8, 10))
        high = 4 + 0.6 * high
        calibration, test = (f * torch.randn(f.shape, generator=draw) for f in (low, high))
        levels = Levels.learned(low, calibration)
        width = half_widths(calibration, 0.8, levels.of(low)) * levels.of(high)
        held["levels"].append(float((test.abs() <= width).float().mean()))
        held["one width"].append(float((test.abs() <= half_widths(calibration, 0.8)).float().mean()))
    assert np.mean(held["one width"]) < 0.70
    assert 0.74 < np.mean(held["levels"]) < 0.84


def test_coverage_and_width_are_counted_value_by_value(tmp_path: Path) -> None:
    run = samoyed.train(
        "time-series-forecasting", model="seasonal_naive", coverage=0.6, out=tmp_path / "run", quiet=True
    )
    task: Any = run.task
    whole = samples.load("airline_passengers")[0][0]
    test = task.split({"all": [whole]}, 0).test[0]
    values, back, ahead = test.values[:, 0], task.steps_back, task.steps_ahead
    inside, widths = [], []
    for start in range(len(values) - back - ahead + 1):
        answer = run.predict(values[start : start + back])
        for k in range(ahead):
            inside.append(answer["low"][k] <= values[start + back + k] <= answer["high"][k])
            widths.append(answer["high"][k] - answer["low"][k])
    measured = run.metrics["test"]
    assert measured["coverage"]["value"] == pytest.approx(100 * np.mean(inside))
    assert measured["width"]["value"] == pytest.approx(np.mean(widths), rel=1e-5)
    assert "60%" in task.say(answer)


def test_the_back_test_draws_the_error_of_each_origin() -> None:
    """Points of several origins pool their squares; every origin is in one."""
    given = series(daily(400))
    task = TimeSeriesForecasting(context=9, horizon=4, season=3, target="a")
    split = task.split({"all": [given]}, 0)
    task.fit(split.train)
    test = task.collate(split.test)

    def last_value(past: torch.Tensor) -> torch.Tensor:
        return past.new_zeros(len(past), 4)

    (axes,) = by_origin(task, last_value, split, test).figure.axes  # type: ignore[arg-type]
    lines = {line.get_label(): line.get_data() for line in axes.lines}
    values = split.test[0].values[:, 0]
    origins = len(values) - 9 - 4 + 1
    assert origins == len(test.past) == 77
    squares = [np.mean((values[i + 9 : i + 13] - values[i + 8]) ** 2) for i in range(origins)]
    expected = [math.sqrt(np.mean(squares[i : i + 2])) for i in range(0, origins, 2)]
    for kind in ("this network", "last value"):
        x, y = lines[kind]
        assert list(x) == list(range(0, origins, 2))
        np.testing.assert_allclose(y, expected, rtol=1e-4)
    assert axes.get_xticklabels()[0].get_text() == split.test[0].times[8]


# The state carried along the series


def streaming(**settings: Any) -> tuple[TimeSeriesForecasting, Any]:
    task = TimeSeriesForecasting(horizon=3, context=5, transform="none", **settings)
    made = series(daily(203))
    task.fit([made])
    task.begin(GRUForecaster(input_size=1, horizon=3))
    assert task.streams
    return task, task.collate([made])


@pytest.mark.parametrize("calendar", ["none", "all"])
@pytest.mark.parametrize("inputs", ["target", "all"])
def test_carried_chunks_are_one_pass_over_each_stretch(calendar: str, inputs: str) -> None:
    task, data = streaming(calendar=calendar, inputs=inputs)
    torch.manual_seed(0)
    model = GRUForecaster(**{k: task.sizes()[k] for k in ("input_size", "horizon")}, hidden_size=4)
    model.double()
    data = type(data)(*(part.double() for part in data))
    with torch.no_grad():
        found = []
        for chunk in task.batches(data, 4, seed=1, epoch=2):
            ahead, state = model(chunk.seen, None if bool(chunk.fresh[0]) else task.carried, every=True)
            task.carried = state
            found.append((chunk, ahead))
        assert len(found) == task.steps(data, 4) == 10
        assert [bool(chunk.fresh.all()) for chunk, _ in found] == [True] + [False] * 9
        seen, ahead, truth = (torch.cat(p, 1) for p in zip(*((c.seen, a, c.ahead) for c, a in found), strict=True))
        torch.testing.assert_close(model(seen, every=True)[0], ahead)
    values = data.past[:, -1, : len(task.columns)]  # of each step
    came = values - data.past[:, -2, : len(task.columns)]
    first = int((came[:, 0] - seen[0, 0, 0]).abs().argmin())
    each = (len(values) - first) // 4
    assert seen.shape[:2] == (4, each)
    assert first < 5
    stretch = first + each * torch.arange(4)[:, None] + torch.arange(each)
    torch.testing.assert_close(seen[..., : len(task.columns)], came[stretch])
    torch.testing.assert_close(truth + values[stretch][..., :1], data.future[stretch])


def test_a_window_is_forecast_as_the_stream_is() -> None:
    task, data = streaming(calendar="none")
    model = LSTMForecaster(input_size=1, horizon=3, hidden_size=4)
    with torch.no_grad():
        found = task.forecast(model, data.past[:7])
        by_steps = model(data.past[:7].diff(dim=1), every=True)[0][:, -1] + data.past[:7, -1]
    torch.testing.assert_close(found, by_steps)


def test_micro_batches_carry_their_own_state() -> None:
    task, data = streaming(calendar="none")
    model = RNNForecaster(input_size=1, horizon=3, hidden_size=4)

    def learned(pieces: int) -> tuple[torch.Tensor, Any]:
        model.zero_grad()
        task.carried = None
        for batch in list(task.batches(data, 4, epoch=0))[:3]:
            for piece in [batch] if pieces == 1 else task.parts(model, batch, pieces):
                task.objective(model, piece).total.sum().backward()
        return model.recurrent.weight_hh_l0.grad.clone(), task.carried

    for other in (2, 4):
        torch.testing.assert_close(learned(other), learned(1))


def test_a_model_without_state_carries_none(tmp_path: Path) -> None:
    plain = TimeSeriesForecasting(horizon=3, context=5)
    plain.fit([series(daily(50))])
    plain.begin(MLP(input_shape=(5, 1), output_size=3))
    assert not plain.streams
    with pytest.raises(UsageError, match="no state"):
        samoyed.train("time-series-forecasting", model="mlp", carry=True, epochs=1, out=tmp_path / "a", quiet=True)
    with pytest.raises(UsageError, match="two steps"):
        samoyed.train(
            "time-series-forecasting", context=1, horizon=1, carry=True, epochs=1, out=tmp_path / "b", quiet=True
        )
