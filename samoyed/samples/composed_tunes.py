"""1,000 tunes in ABC notation, composed by the program with a small grammar; nobody wrote or played them."""

import random

from samoyed.examples import Text

_KEYS = {"G": 4, "D": 1, "C": 0, "F": 3, "Am": 5, "Em": 2}  # the place of the tonic in the scale from C
_LETTERS = "CDEFGAB"
_METRES = {  # how a bar is divided, in eighths
    "4/4": ((2, 2, 2, 2), (2, 1, 1, 2, 2), (1, 1, 1, 1, 2, 2), (3, 1, 2, 2), (2, 2, 4), (1, 1, 2, 1, 1, 2), (4, 2, 2)),
    "6/8": ((2, 1, 2, 1), (1, 1, 1, 1, 1, 1), (2, 1, 3), (3, 2, 1), (1, 1, 1, 2, 1), (3, 3)),
    "3/4": ((2, 2, 2), (4, 2), (2, 1, 1, 2), (3, 1, 2), (1, 1, 2, 2), (2, 4)),
}
_CHORDS = ("I I IV V", "I V I V", "I IV I V", "I vi IV V", "I IV V I")
_ROOTS = {"I": 0, "IV": 3, "V": 4, "vi": 5}


def examples() -> list[Text]:
    """All tunes as one text, an empty line between two: two parts of eight bars, each repeated, in which bars come again."""
    draw = random.Random(0)
    return [Text("\n".join(_tune(number, draw) for number in range(1, 1001)), "composed tunes")]


def _tune(number: int, draw: random.Random) -> str:
    key, metre = draw.choice(list(_KEYS)), draw.choice(list(_METRES))
    parts = [_part(_KEYS[key], metre, high, draw) for high in (False, True)]
    lines = [f"X:{number}", f"M:{metre}", "L:1/8", f"K:{key}"]
    for bars in parts:
        lines += ["|:" + "|".join(bars[:4]) + "|", "|".join(bars[4:]) + ":|"]
    return "\n".join(lines) + "\n"


def _part(tonic: int, metre: str, high: bool, draw: random.Random) -> list[str]:
    """Eight bars over four chords twice: the first bars come again in the second half, and the end is the tonic."""
    chords = draw.choice(_CHORDS).split()
    rhythms = [draw.choice(_METRES[metre]) for _ in range(2)]
    at = tonic + (7 if high or draw.random() < 0.3 else 0) + draw.choice((0, 2, 4))
    bars: list[str] = []
    for place, chord in enumerate(chords * 2):
        if place in (4, 5) and draw.random() < 0.8:
            bars.append(bars[place - 4])
            continue
        rhythm = rhythms[place % 2] if draw.random() < 0.7 else draw.choice(_METRES[metre])
        if place == 7:
            rhythm = (*rhythm[:-2], rhythm[-2] + rhythm[-1])
        notes = []
        for beat, length in enumerate(rhythm):
            if place == 7 and beat == len(rhythm) - 1:
                at = tonic + 7 * round((at - tonic) / 7)
            elif beat == 0:
                at = _nearest(at, {(tonic + _ROOTS[chord] + step) % 7 for step in (0, 2, 4)})
            else:
                at += draw.choice((-1, -1, 1, 1, -2, 2, 0))
            at = min(max(at, 0), 15)
            notes.append(_letter(at) + (str(length) if length > 1 else ""))
        bars.append("".join(notes))
    return bars


def _nearest(at: int, allowed: set[int]) -> int:
    return min((p for p in range(16) if p % 7 in allowed), key=lambda p: (abs(p - at), p))


def _letter(place: int) -> str:
    """A step above C as ABC writes it."""
    octave, step = divmod(place, 7)
    return _LETTERS[step] if octave == 0 else _LETTERS[step].lower() + "'" * (octave - 1)
