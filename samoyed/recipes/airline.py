"""Forecasting monthly airline passengers a year ahead: recurrent, convolutional and full networks against two naive forecasts.

Source of the series: Box & Jenkins 1976, series G. The last 29 of 144 months are the test. Each network is trained from five
seeds, since 66 training windows leave much to chance; the mean over seeds is what counts. Recurrent networks read the series as one
stream while they learn, forecast at each step and carry their state; beside them they learn from windows alone (carry=false).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import samoyed
from samoyed.recipes import _runs
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import COLOURS, figure, to_png

expected = "mean test RMSE of the GRU over five seeds below seasonal-naive and below naive, in thousands of passengers"
seconds = 120

_SEEDS = range(5)
_WINDOWS = " on windows"
_MODELS = ("gru", "gru" + _WINDOWS, "lstm", "lstm" + _WINDOWS, "rnn", "dilated_conv", "mlp", "linear")


def run(out: Path, echo: Callable[[str], None]) -> Outcome:
    """Trains each kind of network from each seed on the embedded series."""
    found: dict[str, list[float]] = {}
    for model in _MODELS:
        for seed in _SEEDS:
            given: dict[str, Any] = {"model": model.removesuffix(_WINDOWS), "seed": seed}
            given |= {"carry": False} if model.endswith(_WINDOWS) else {}
            run = samoyed.train("time-series-forecasting", out=out / f"{model}-{seed}", quiet=True, **given)
            test = run.metrics["test"]
            found.setdefault(model, []).append(test["rmse"]["value"])
        echo(f"{model}: {', '.join(f'{value:.1f}' for value in found[model])}")
    naive, seasonal = test["naive rmse"]["value"], test["seasonal rmse"]["value"]
    means = {model: sum(values) / len(values) for model, values in found.items()}
    drawn, axes = figure(7.2, 3.2)
    for x, (model, values) in enumerate(found.items()):
        axes.plot([x] * len(values), values, "o", color=COLOURS[x % len(COLOURS)], alpha=0.7)
        axes.plot([x - 0.2, x + 0.2], [means[model]] * 2, color=COLOURS[x % len(COLOURS)])
    for value, name in ((naive, "naive: the last value"), (seasonal, "seasonal naive: a year ago")):
        axes.axhline(value, color=COLOURS[6], linestyle="--", linewidth=1.2)
        axes.annotate(name, (len(found) - 0.55, value), (0, 3), textcoords="offset points", ha="right", fontsize=8.5)
    axes.set_xticks(range(len(found)), [name.replace(" ", "\n") for name in found])
    axes.set_ylim(bottom=0, top=1.15 * naive)
    axes.set_ylabel("test RMSE, thousand passengers")
    listed = ", ".join(f"{model} {mean:.1f}" for model, mean in means.items())
    return Outcome(
        holds=means["gru"] < min(naive, seasonal),
        measured={
            **{m: _runs.number(v) for m, v in means.items()},
            "naive": _runs.number(naive),
            "seasonal": _runs.number(seasonal),
        },
        sentence=f"mean test RMSE of five seeds: {listed}; naive {naive:.1f}, seasonal naive {seasonal:.1f} thousand passengers",
        pictures=(to_png(drawn, out / "airline.png"),),
    )
