"""300 utterances of one to three digits, synthesised by the program: each sound is a pair of formants or noise, no voice."""

import numpy as np
from numpy.typing import NDArray

from samoyed.examples import Utterance

RATE = 8000
WORDS = {
    "zero": "z i r o", "one": "w a n", "two": "t u", "three": "s r i", "four": "f o r", "five": "f a v", "six": "s e k s",
    "seven": "s e v n", "eight": "e t", "nine": "n a n",
}  # fmt: skip
_SOUNDS = {  # the two lowest formants in Hz, after Peterson & Barney 1952 for vowels; for noise, where it is centred
    "i": (300, 2300), "e": (530, 1850), "a": (730, 1100), "o": (570, 850), "u": (300, 870), "r": (490, 1350),
    "w": (300, 610), "n": (250, 1400), "v": (220, 1100), "z": (200, 3000), "s": (0, 3200), "f": (0, 2200), "t": (0, 2800),
    "k": (0, 1700),
}  # fmt: skip


def examples() -> list[Utterance]:
    """In a fixed order, drawn once and for all; loudness, tempo, pitch and noise differ from one to the next."""
    draw = np.random.default_rng(0)
    found = []
    for i in range(300):
        words = draw.choice(list(WORDS), draw.integers(1, 4)).tolist()
        found.append(Utterance(spoken(words, draw), RATE, " ".join(words), f"synthetic utterance {i}"))
    return found


def spoken(words: list[str], draw: np.random.Generator) -> NDArray[np.float32]:
    """Words of `WORDS` said one after another: float32 [T] at `RATE`."""
    return uttered(words, draw)[0]


def uttered(
    words: list[str], draw: np.random.Generator
) -> tuple[NDArray[np.float32], tuple[tuple[float, float, str], ...]]:
    """The same, and when each sound begins and ends, in seconds; between words there is `sil`."""
    tempo, pitch, tilt = draw.uniform(0.8, 1.25), draw.uniform(90, 220), draw.uniform(0.93, 1.07)
    parts, names = [np.zeros(int(RATE * draw.uniform(0.04, 0.12)))], ["sil"]
    for word in words:
        for sound in WORDS[word].split():
            low, high = _SOUNDS[sound]
            count = int(RATE * tempo * draw.uniform(0.07, 0.12))
            time = np.arange(count) / RATE
            if low:
                harmonics = pitch * np.arange(1, int(3800 / pitch))
                gains = np.sum([1 / (1 + ((harmonics - tilt * f) / 120) ** 2) for f in (low, high)], axis=0)
                wave = (gains[:, None] * np.sin(2 * np.pi * harmonics[:, None] * time)).sum(0) / 3
            else:
                noise = draw.standard_normal(count)
                wave = 0.5 * np.convolve(noise * np.cos(2 * np.pi * tilt * high * time), np.ones(4) / 4, "same")
            parts.append(wave * np.hanning(count) ** 0.5)
            names.append(sound)
        parts.append(np.zeros(int(RATE * draw.uniform(0.05, 0.15))))
        names.append("sil")
    ends = (np.cumsum([len(part) for part in parts]) / RATE).tolist()
    whole = np.concatenate(parts) * draw.uniform(0.1, 0.3)
    noisy = (whole + 0.004 * draw.standard_normal(len(whole))).clip(-1, 1).astype(np.float32)
    return noisy, tuple(zip([0.0, *ends], ends, names, strict=False))
