"""200 utterances of one to three digits, synthesised by the program, which knows when each sound begins and ends; no voice."""

import numpy as np

from samoyed.examples import LabelledRecording
from samoyed.samples.synthetic_speech import RATE, WORDS, uttered


def examples() -> list[LabelledRecording]:
    """In a fixed order, drawn once and for all: 14 sounds and silence; loudness, tempo, pitch and noise differ from one to the next."""
    draw = np.random.default_rng(2)
    found = []
    for i in range(200):
        samples, intervals = uttered(draw.choice(list(WORDS), draw.integers(1, 4)).tolist(), draw)
        found.append(LabelledRecording(samples, RATE, intervals, f"synthetic phones {i}"))
    return found
