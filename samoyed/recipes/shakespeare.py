"""A character LSTM on 1.1 million characters of Shakespeare, within 15 minutes on two cores.

Source of the text and of the idea: Karpathy 2015, "The unreasonable effectiveness of recurrent neural networks". The last 5 %
of the text are the test, the 5 % before them validation.
"""

from collections.abc import Callable
from pathlib import Path

from samoyed.recipes import _runs
from samoyed.recipes.outcome import Outcome
from samoyed.reporting.figures import COLOURS, figure, to_png
from samoyed.samples.downloads import Download, fetch

expected = "validation loss under 1.60 nats per character within 15 minutes"
seconds = 840

_COMMIT = "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e"
FILES = (
    Download(
        "input.txt",
        f"https://raw.githubusercontent.com/karpathy/char-rnn/{_COMMIT}/data/tinyshakespeare/input.txt",
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
)


def run(out: Path, echo: Callable[[str], None], data: Path | None) -> Outcome:
    """Trains on `data`, the text file, or on what is fetched."""
    where = data or fetch("tinyshakespeare", FILES, echo) / "input.txt"
    run = _runs.train(
        out, "lstm", "text-generation", where, echo, hidden_size=512, dropout=0.2, max_time="13min", epochs=12
    )
    valid, test = (run.metrics[split]["loss"]["value"] for split in ("valid", "test"))
    written = run.generate("ROMEO:\n", length=300)["continuation"]
    drawn, axes = figure(6.4, 3)
    axes.bar(["valid", "test"], [valid, test], color=COLOURS[:2], width=0.5)
    axes.axhline(1.6, linestyle="--", color=COLOURS[6])
    axes.set_ylabel("nats per character")
    return Outcome(
        holds=valid < 1.60 and run.seconds <= 900,
        measured={"valid": _runs.number(valid), "test": _runs.number(test), "seconds": run.seconds},
        sentence=f"{valid:.3f} nats per character on validation, {test:.3f} on test, in {run.seconds:.0f} s; it writes:\n{written}",
        pictures=(to_png(drawn, out / "shakespeare.png"),),
    )
