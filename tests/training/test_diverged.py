"""A run that went wrong ends as a run, or in words: never in a traceback."""

import re
from pathlib import Path

import pytest

import samoyed
from samoyed.errors import SamoyedError


@pytest.mark.parametrize(("model", "learning_rate"), [("mlp", 0.5), ("linear", 50.0), ("gru", 50.0)])
def test_a_forecaster_that_overflows_is_measured_or_refused(model: str, learning_rate: float, tmp_path: Path) -> None:
    """A rate that is far too large makes logarithms of forecasts so large that their exponentials are infinite."""
    out, refusal = tmp_path / "run", None
    try:
        samoyed.train(
            "time-series-forecasting", model=model, out=out, quiet=True, epochs=3, learning_rate=learning_rate
        )
    except SamoyedError as error:
        refusal = str(error)
    if refusal is not None:
        assert "learning_rate" in refusal
        return
    for path in (out / "metrics.jsonl", out / "results.json"):
        assert not {"NaN", "Infinity", "-Infinity"} & set(re.findall(r"-?\b[A-Z]\w+", path.read_text("utf-8"))), (
            path.name
        )
    measured = samoyed.load(out).metrics["test"]
    assert measured["rmse"]["value"] is None or measured["rmse"]["value"] > 1e3
    assert measured["naive rmse"]["value"] == pytest.approx(102.3, abs=0.1)
