"""Strings of spoken digits, written down: recordings of six speakers joined by the program, bidirectional LSTM and CTC.

Source of the recordings: Jackson et al., Free Spoken Digit Dataset, 3,000 recordings of 8 kHz; those with an index from 0 to 4
are the test, as the set says. Strings of two to five digits of one speaker are joined with short silences: 1,500 from the
training recordings, 100 for validation, 200 for the test, drawn once and for all. Nothing of a test recording is trained on.
"""

import random
import wave
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samoyed.errors import DataError
from samoyed.recipes import _runs
from samoyed.recipes.outcome import Outcome
from samoyed.sources._audio import Unreadable, decode

expected = "at most 5 % of the words wrong"
seconds = 600

_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_COUNTS = {"train": 1500, "valid": 100, "test": 200}
_VALID = range(5, 10)  # indices of recordings that validation strings are made of
_RATE = 8000


def run(out: Path, echo: Callable[[str], None], data: Path | None) -> Outcome:
    """Trains on strings made from `data`, the folder with the set's recordings. Raises DataError without it."""
    if data is None:
        raise DataError(
            "the recordings are not fetched, since they are 3,000 files",
            remedy="clone Jakobovski/free-spoken-digit-dataset, and give its folder recordings as DATA",
        )
    strings(data, out / "strings")
    run = _runs.train(
        out, "bilstm", "automatic-speech-recognition", out / "strings", echo, epochs=14, hidden_size=96, batch_size=16
    )
    test = run.metrics["test"]
    rates = {name: _runs.number(test[name]["value"]) for name in ("wer", "cer")}
    return Outcome(
        holds=rates["wer"] <= 5.0,
        measured=rates,
        sentence=f"{_runs.table([('bidirectional LSTM', run)], 'wer')}\n{_runs.table([('', run)], 'cer')}",
        pictures=(run.path / "plots" / "heard.png",),
    )


def strings(recordings: Path, out: Path, counts: dict[str, int] | None = None) -> Path:
    """Writes `out`/train.tsv, valid.tsv and test.tsv with their WAV files. Raises DataError where recordings are missing."""
    pools: dict[str, dict[str, list[tuple[str, NDArray[np.float32]]]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(recordings.rglob("*_*_*.wav")):
        digit, speaker, index = path.stem.split("_")
        try:
            samples, rate = decode(path)
        except Unreadable as error:
            raise DataError(f"cannot be heard: {error}", where=path) from error
        if rate != _RATE or not digit.isdecimal() or not index.isdecimal():
            raise DataError("is none of the set's recordings", where=path)
        part = "test" if int(index) < 5 else "valid" if int(index) in _VALID else "train"
        pools[part][speaker].append((_WORDS[int(digit)], samples))
    draw, noise = random.Random(0), np.random.default_rng(0)
    for part, count in (counts or _COUNTS).items():
        if not pools[part]:
            raise DataError("holds none of the set's recordings, such as 7_jackson_32.wav", where=recordings)
        folder = out / f"{part}-wav"
        folder.mkdir(parents=True, exist_ok=True)
        lines = ["path\ttext"]
        for number in range(count):
            said = draw.choices(pools[part][draw.choice(sorted(pools[part]))], k=draw.randint(2, 5))
            gaps = [noise.normal(0, 3e-4, int(_RATE * draw.uniform(0.03, 0.15))) for _ in range(len(said) + 1)]
            whole = np.concatenate(
                [gaps[0], *(x for (_, s), gap in zip(said, gaps[1:], strict=True) for x in (s, gap))]
            )
            _write(folder / f"{number:04}.wav", whole)
            lines.append(f"{part}-wav/{number:04}.wav\t{' '.join(word for word, _ in said)}")
        (out / f"{part}.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    return out


def _write(path: Path, samples: NDArray[np.floating]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
