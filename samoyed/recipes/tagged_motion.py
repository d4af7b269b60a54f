"""What moves where, and when? Clips of which each frame is tagged: networks that read through time, beside a single-frame ConvNet.

A shape moves left, right, up or down, stops and turns, and now and then the light fails. No frame alone tells a movement, each tells whether it
is dark: what a single-frame ConvNet gets right is the light and the frames on which nothing can be told from a guess. The ConvNet with an LSTM
(Donahue et al. 2015) reads in both directions, or forward alone, as one that tags a film while it is shown must; kernels of three frames
(Tran et al. 2015) see three frames to each side. Data: the sample of video-tagging, or tagged clips of your own.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from samoyed.recipes import _runs
from samoyed.recipes.outcome import Outcome

expected = "frames whose tags are not all right: both directions at most 20 %, 3-D ConvNet at most 10 %, single frames at least 40 %"
seconds = 120

_RUNS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("lrcn", "ConvNet + LSTM, both directions", {"model": "lrcn"}),
    ("lrcn-forward", "ConvNet + LSTM, forward alone", {"model": "lrcn", "bidirectional": False}),
    ("conv_3d", "3-D ConvNet", {"model": "conv_3d"}),
    ("frame_conv", "single-frame ConvNet", {"model": "frame_conv"}),
)


def run(out: Path, echo: Callable[[str], None], data: Path | None) -> Outcome:
    """Trains all four on the sample, or on `data`."""
    rows = [(name, _runs.train(out, key, "video-tagging", data, echo, **given)) for key, name, given in _RUNS]
    errors = [_runs.number(run.metrics["test"]["error"]["value"]) for _, run in rows]
    scores = [_runs.number(run.metrics["test"]["macro f1"]["value"]) for _, run in rows]
    told = ", ".join(f"{name} {score:.1f} %" for (name, _), score in zip(rows, scores, strict=True))
    return Outcome(
        holds=errors[0] <= 20.0 and errors[2] <= 10.0 and errors[3] >= 40.0,
        measured={key: error for (key, *_), error in zip(_RUNS, errors, strict=True)},
        sentence=f"{_runs.table(rows, 'error')}\n\nmean F1 over the tags: {told}",
        pictures=(_runs.bars(rows, "error", out / "tagged_motion.png"), rows[0][1].path / "plots" / "timeline.png"),
    )
