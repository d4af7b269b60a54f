"""400 digits from zero to nine, spoken one at a time: synthesised by the program as formants and noise, no voice."""

import numpy as np

from samoyed.examples import Recording
from samoyed.samples.synthetic_speech import RATE, WORDS, spoken


def examples() -> list[Recording]:
    """40 of each, in a fixed order, drawn once and for all; loudness, tempo, pitch and noise differ from one to the next."""
    draw = np.random.default_rng(1)
    words = [word for _ in range(40) for word in WORDS]
    return [Recording(spoken([word], draw), RATE, word, f"synthetic digit {i}") for i, word in enumerate(words)]
