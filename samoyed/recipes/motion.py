"""Which way does it move? Clips in which no frame alone tells: a 3-D ConvNet and a ConvNet with an LSTM, beside a single-frame ConvNet.

A shape moves left, right, up or down over a ground without edges, from anywhere, so that each frame is as likely in every class. Karpathy et al.
(2014) found single frames almost as good as stacks of them on a million sports videos, where a scene gives the sport away; here only what
reaches through time can be right: Tran et al. 2015's kernels or Donahue et al. 2015's recurrence. Data: the sample of video-classification, or
clips of your own.
"""

from collections.abc import Callable
from pathlib import Path

from samoyed.recipes import _runs
from samoyed.recipes.outcome import Outcome

expected = "test error: 3-D ConvNet at most 5 %, ConvNet + LSTM at most 30 %; the single-frame ConvNet no better than guessing, 75 %"
seconds = 60

_MODELS = (
    ("conv_3d", "3-D ConvNet", 10),
    ("lrcn", "ConvNet + LSTM", 20),
    ("frame_conv", "single-frame ConvNet", 20),
)


def run(out: Path, echo: Callable[[str], None], data: Path | None) -> Outcome:
    """Trains all three on the sample, or on `data`."""
    rows = [
        (name, _runs.train(out, model, "video-classification", data, echo, model=model, epochs=epochs))
        for model, name, epochs in _MODELS
    ]
    found = [run.metrics["test"]["error"] for _, run in rows]
    through_time = found[0]["value"] <= 5.0 and found[1]["value"] <= 30.0
    at_chance = found[2]["high"] >= 75.0
    return Outcome(
        holds=through_time and at_chance,
        measured={model: _runs.number(f["value"]) for (model, *_), f in zip(_MODELS, found, strict=True)},
        sentence=_runs.table(rows, "error"),
        pictures=(_runs.bars(rows, "error", out / "motion.png"), rows[0][1].path / "plots" / "seen.png"),
    )
