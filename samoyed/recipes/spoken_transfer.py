"""Transfer of sounds: a network that tells five spoken digits apart needs fewer recordings of the other five.

As the recipe transfer, of recordings: a time-delay network learns the digits 0 to 4 of the Free Spoken Digit Dataset (Jackson et al.; six
speakers, 8 kHz), and of 5 to 9 there are 1, 2, 5, 10 or 20 recordings each, drawn three times. Three ways: from the beginning, going on with
the head cut (`from=RUN depth_rate=0.8`), and with all but the new head held fixed (`from=RUN freeze=body`), for as many steps with the same
settings. The test is the set's own, indices 0 to 4, of 5 to 9: 150 recordings; 20 more of each digit, of the indices 5 to 9, choose the best
epoch. All speakers are heard in every part.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from samoyed.errors import DataError
from samoyed.recipes import transfer
from samoyed.recipes.outcome import Outcome

expected = "at 10 recordings a digit, going on from a network that learned other digits errs less than beginning anew"
seconds = 150

LABELS = (1, 2, 5, 10, 20)


def run(out: Path, echo: Callable[[str], None], data: Path | None) -> Outcome:
    """On `data`, the folder with the set's recordings. Raises DataError without it, and where recordings are missing."""
    if data is None:
        raise DataError(
            "the recordings are not fetched, since they are 3,000 files",
            remedy="clone Jakobovski/free-spoken-digit-dataset, and give its folder recordings as DATA",
        )
    files: transfer.Files = {"train": [], "valid": [], "test": []}
    for path in sorted(data.resolve().rglob("*_*_*.wav")):
        digit, _, index = path.stem.split("_", 2)
        if digit.isdecimal() and index.isdecimal():
            part = "test" if int(index) < 5 else "valid" if int(index) < 10 else "train"
            files[part].append((str(path), digit))
    if not all(files.values()) or len({digit for _, digit in files["train"]}) < 4:
        raise DataError("holds none or too few of the set's recordings, such as 7_jackson_32.wav", where=data)
    model = {"model": "tdnn", "epochs": 12}
    with tempfile.TemporaryDirectory() as temporary:
        return transfer.halves("audio-classification", files, LABELS, Path(temporary), out, echo, model, {})
