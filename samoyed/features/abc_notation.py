"""Tunes in ABC notation, read as notes in time, with every place that is not well formed.

Of the standard (abcnotation.com, version 2.1) this reads one voice: the fields X, T, M, L, K and others that change no note; notes
with accidentals, octaves and lengths; rests, ties, chords, grace notes, tuplets, broken rhythm, bar lines, repeats and endings,
chord symbols and decorations. A tune is well formed if nothing else is in it and its bars are as long as its metre says: a bar
may be shorter at the beginning, and before or after a repeat or double bar, where two parts of a bar make one.
"""

import re
from fractions import Fraction
from typing import NamedTuple

_TOKEN = re.compile(
    r"(?P<bar>:*\|+\]?:*|\[\||::+)(?P<ending>\[?[1-9](?=[^/\d]))?"
    r"|(?P<volta>\[[1-9])"
    r'|(?P<text>"[^"\n]*"|![^!\n]*!|\+[^+\n]*\+)'
    r"|(?P<grace>\{[^}\n]*\})"
    r"|(?P<tuplet>\((?P<p>[2-9])(?::(?P<q>\d?))?(?::(?P<r>\d?))?)"
    r"|(?P<chord>\[(?:[_^=]*[A-Ga-g][,']*\d*/*\d*)+\])(?P<clen>\d*/*\d*)"
    r"|(?P<note>(?P<accidental>\^\^|\^|__|_|=)?(?P<letter>[A-Ga-g])(?P<octave>[,']*))(?P<length>\d*/*\d*)"
    r"|(?P<rest>[zx])(?P<rlen>\d*/*\d*)"
    r"|(?P<broken>[<>]{1,3})|(?P<tie>-)|(?P<mark>[~.uvHLMOPSTJR()`\\\s])"
)
_FIELD = re.compile(r"([A-Za-z]):(.*)")
_INNER = re.compile(r"([_^=]*)([A-Ga-g])([,']*)(\d*/*\d*)")
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SHARPS = "FCGDAEB"
_FIFTHS = {"C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5, "F": -1}
_MODES = {
    "maj": 0,
    "ion": 0,
    "mix": -1,
    "dor": -2,
    "min": -3,
    "m": -3,
    "aeo": -3,
    "phr": -4,
    "loc": -5,
    "lyd": 1,
    "": 0,
}


class Note(NamedTuple):
    """A pitch (MIDI's number, 60 for middle C), when it begins and how long it sounds, in whole notes."""

    pitch: int
    start: Fraction
    length: Fraction


class Tune(NamedTuple):
    """A tune: its title, metre and key, its notes, its length in whole notes, and what is wrong with it, nothing if well formed."""

    title: str
    metre: str
    key: str
    notes: list[Note]
    length: Fraction
    wrong: list[str]


def read_tunes(text: str) -> list[Tune]:
    """Every tune of a text: a tune begins with X: at the beginning of a line and ends at an empty line."""
    parts = re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip("\n"))
    return [read_tune(part) for part in parts if re.search(r"^X:", part, re.MULTILINE)]


def read_tune(text: str) -> Tune:
    """One tune.

    >>> read_tune("X:1\\nM:3/4\\nL:1/4\\nK:G\\nG2 F|G3|]").wrong
    []
    >>> read_tune("X:1\\nM:3/4\\nL:1/4\\nK:G\\nG2 F|G2|G3|]").wrong
    ['bar 2 is 1/2 long, and 3/4 is asked']
    """
    fields: dict[str, str] = {}
    body: list[str] = []
    wrong: list[str] = []
    for line in text.strip("\n").split("\n"):
        line = line.partition("%")[0].rstrip()
        field = _FIELD.fullmatch(line.strip())
        if field is None:
            body.append(line)
        elif "K" not in fields:
            fields[field[1]] = field[2].strip()
        elif field[1] not in "wWNrs":
            wrong.append(f"the field {field[1]}: in the midst of the tune is not read")
    wrong += [f"the field {name}: is missing" for name in "XK" if name not in fields]
    metre = fields.get("M", "4/4")
    bar = _metre(metre)
    if bar is None:
        wrong.append(f"M:{metre} is no metre")
    unit = _ratio(fields.get("L", "1/8"))
    if unit is None:
        wrong.append(f"L:{fields.get('L')} is no length")
    signature = _signature(fields.get("K", "C"))
    if signature is None:
        wrong.append(f"K:{fields.get('K')} is no key")
    reader = _Reader(bar, unit or Fraction(1, 8), signature or {})
    reader.read("\n".join(body))
    return Tune(fields.get("T", ""), metre, fields.get("K", ""), reader.notes, reader.now, wrong + reader.wrong)


class _Reader:
    """Reads a body into notes, bar by bar."""

    def __init__(self, bar: Fraction | None, unit: Fraction, signature: dict[str, int]) -> None:
        self.bar, self.unit, self.signature = bar, unit, signature
        self.notes: list[Note] = []
        self.wrong: list[str] = []
        self.now = self.began = Fraction(0)
        self.bars, self.free = 0, True
        self.changed: dict[tuple[str, str], int] = {}
        self.tuplet: tuple[Fraction, int] = (Fraction(1), 0)
        self.broken = Fraction(1)
        self.tied = False

    def read(self, body: str) -> None:
        at = 0
        while at < len(body):
            token = _TOKEN.match(body, at)
            if token is None:
                self.wrong.append(f"{body[at]!r} after bar {self.bars} is not understood")
                at += 1
                continue
            at = token.end()
            kind = next(name for name in token.groupdict() if token[name] is not None)
            self._take(kind, token, body[at : at + 3])
        if self.now > self.began:
            self.wrong.append("the last bar is not closed")
        if not self.notes:
            self.wrong.append("there is no note")

    def _take(self, kind: str, token: "re.Match[str]", after: str) -> None:
        if kind == "bar":
            self._close(token["bar"])
        elif kind == "tuplet":
            p = int(token["p"])
            q = int(token["q"] or 0) or {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}.get(p, 2)
            self.tuplet = (Fraction(q, p), int(token["r"] or p))
        elif kind == "chord":
            inner = _INNER.findall(token["chord"])
            self._sound([self._pitch(a, x, o) for a, x, o, _ in inner], (inner[0][3], token["clen"]), after)
        elif kind == "note":
            self._sound(
                [self._pitch(token["accidental"] or "", token["letter"], token["octave"])], (token["length"],), after
            )
        elif kind == "rest":
            self._sound([], (token["rlen"],), after)
        elif kind == "tie":
            self.tied = True

    def _pitch(self, accidental: str, letter: str, octave: str) -> int:
        name, base = letter.upper(), 60 if letter.isupper() else 72
        if accidental:
            self.changed[name, octave + letter] = {"^": 1, "_": -1}.get(accidental[0], 0) * len(accidental)
        shift = self.changed.get((name, octave + letter), self.signature.get(name, 0))
        return base + _STEPS[name] + shift + 12 * (octave.count("'") - octave.count(","))

    def _sound(self, pitches: list[int], lengths: tuple[str, ...], after: str) -> None:
        length = self.unit * self.broken
        self.broken = Fraction(1)
        for text in lengths:
            ratio = _length(text)
            if ratio is None:
                self.wrong.append(f"{text} after bar {self.bars} is no length")
            else:
                length *= ratio
        marks = re.match(r"\s*([<>]{1,3})", after)
        if marks:
            less = Fraction(1, 2 ** len(marks[1]))
            length, self.broken = (length * less, 2 - less) if marks[1][0] == "<" else (length * (2 - less), less)
        factor, left = self.tuplet
        if left:
            length *= factor
            self.tuplet = (factor, left - 1)
        for pitch in pitches:
            last = self.notes[-1] if self.notes else None
            if self.tied and last is not None and last.pitch == pitch and last.start + last.length == self.now:
                self.notes[-1] = last._replace(length=last.length + length)
            else:
                self.notes.append(Note(pitch, self.now, length))
        self.tied = False
        self.now += length

    def _close(self, line: str) -> None:
        free = ":" in line or "||" in line or "]" in line
        length = self.now - self.began
        if length:
            self.bars += 1
            exact = self.bar is None or length == self.bar
            if not exact and self.bar is not None and (length > self.bar or not (self.free or free)):
                self.wrong.append(f"bar {self.bars} is {length} long, and {self.bar} is asked")
        self.began, self.free, self.changed = self.now, free, {}


def _metre(text: str) -> Fraction | None:
    named = {"C": Fraction(1), "C|": Fraction(1), "none": None}
    return named[text] if text in named else _ratio(text)


def _ratio(text: str | None) -> Fraction | None:
    found = re.fullmatch(r"(\d{1,2})/([1-9]\d?)", (text or "").strip())
    return Fraction(int(found[1]), int(found[2])) if found and int(found[1]) else None


def _length(text: str) -> Fraction | None:
    """2, /2, /, //, 3/2 as factors."""
    over, slashes, under = re.fullmatch(r"(\d*)(/*)(\d*)", text).groups()  # type: ignore[union-attr]
    if len(over) > 3 or len(under) > 3 or len(slashes) > 4 or (under and len(slashes) > 1):
        return None
    divisor = int(under) if under else 2 ** len(slashes)
    return Fraction(int(over or 1), divisor) if divisor and int(over or 1) else None


def _signature(key: str) -> dict[str, int] | None:
    """Key -> letters that are sharp (1) or flat (-1)."""
    found = re.fullmatch(r"([A-G])([#b]?)\s*([A-Za-z]*)(\s.*)?", key.strip())
    mode = (found[3].lower()[:3] if found[3] != "m" else "m") if found else "?"
    if found is None or mode not in _MODES:
        return None
    fifths = _FIFTHS[found[1]] + {"#": 7, "b": -7, "": 0}[found[2]] + _MODES[mode]
    if abs(fifths) > 7:
        return None
    letters = _SHARPS[:fifths] if fifths >= 0 else _SHARPS[::-1][:-fifths]
    return dict.fromkeys(letters, 1 if fifths > 0 else -1)
