"""Spoken digits, one at a time, told apart: a time-delay network, a 1-D ConvNet and a bidirectional LSTM on mel bands.

Source of the recordings: Jackson et al., Free Spoken Digit Dataset, 3,000 recordings of 8 kHz by six speakers; the 300 with an index
from 0 to 4 are the test, as the set says, so that every speaker is heard in training too. Of the time-delay network, three seeds. Public
figures for comparison: 97 % right by a ConvNet on cepstra (github.com/adhishthite/sound-mnist, 150 recordings of the set's first 1,500 held out
at random). Departure: a tenth of the training recordings chooses the epoch.
"""

from collections.abc import Callable
from pathlib import Path

from samoyed.errors import DataError
from samoyed.recipes import _runs
from samoyed.recipes.outcome import Outcome

expected = "at least 97 % right on the official test split, in the mean of three seeds"
seconds = 150

_RUNS = (
    ("tdnn", 0, "time-delay network, seed 0"),
    ("tdnn", 1, "time-delay network, seed 1"),
    ("tdnn", 2, "time-delay network, seed 2"),
    ("conv_1d", 0, "1-D ConvNet"),
    ("lstm", 0, "bidirectional LSTM"),
)


def run(out: Path, echo: Callable[[str], None], data: Path | None) -> Outcome:
    """Trains on `data`, the folder with the set's recordings. Raises DataError without it."""
    if data is None:
        raise DataError(
            "the recordings are not fetched, since they are 3,000 files",
            remedy="clone Jakobovski/free-spoken-digit-dataset, and give its folder recordings as DATA",
        )
    tables(data, out / "tables")
    rows = [
        (
            name,
            _runs.train(
                out, f"{model}-{seed}", "audio-classification", out / "tables", echo, model=model, seed=seed, epochs=12
            ),
        )
        for model, seed, name in _RUNS
    ]
    errors = [_runs.number(run.metrics["test"]["error"]["value"]) for _, run in rows]
    mean = sum(errors[:3]) / 3
    return Outcome(
        holds=mean <= 3.0,
        measured={"tdnn": mean, "conv_1d": errors[3], "lstm": errors[4]},
        sentence=f"{_runs.table(rows, 'error')}\n\ntime-delay network, mean of three seeds: {mean:.2f} % wrong",
        pictures=(
            _runs.bars(rows, "error", out / "isolated_digits.png"),
            rows[0][1].path / "plots" / "spectrograms.png",
        ),
    )


def tables(recordings: Path, out: Path) -> Path:
    """Writes `out`/train.tsv and test.tsv. Raises DataError where recordings are missing."""
    lines: dict[str, list[str]] = {"train": [], "test": []}
    for path in sorted(recordings.resolve().rglob("*_*_*.wav")):
        digit, _, index = path.stem.split("_", 2)
        if digit.isdecimal() and index.isdecimal():
            lines["test" if int(index) < 5 else "train"].append(f"{path}\t{digit}")
    out.mkdir(parents=True, exist_ok=True)
    for part, rows in lines.items():
        if not rows:
            raise DataError("holds none of the set's recordings, such as 7_jackson_32.wav", where=recordings)
        (out / f"{part}.tsv").write_text("\n".join(["path\tlabel", *rows]) + "\n", "utf-8")
    return out
