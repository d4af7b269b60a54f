"""Tunes as pictures and as MIDI, which needs the extra `music`."""

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from samoyed.errors import DataError, UsageError, require, shown
from samoyed.features.abc_notation import Tune, read_tunes
from samoyed.files import write_bytes, write_text
from samoyed.reporting.figures import COLOURS, figure, to_png, to_svg

_TICKS = 480  # of a quarter note
_NAMED = {0: "C", 4: "E", 7: "G"}
_TEMPO = 500_000  # microseconds of a quarter note


def write(text: str, path: Path) -> Path:
    """A text as it is (.txt, .abc), or its first tune in ABC as MIDI (.mid) or drawn (.png, .svg).

    Raises DataError where no tune with a note is in the text, UsageError for another name or without the package mido.
    """
    kind = path.suffix.lower()
    if kind in (".txt", ".abc"):
        write_text(path, text)
        return path
    if kind not in (".mid", ".midi", ".png", ".svg"):
        raise UsageError(
            f"{shown(path.name)} is no name that a text can be written under",
            remedy="end it in .txt, or for a tune in ABC notation in .abc, .mid, .png or .svg",
        )
    tune = next((tune for tune in read_tunes(text) if tune.notes), None)
    if tune is None:
        raise DataError(
            "there is no tune in ABC notation in what was written", remedy="begin with X:1, or write to a .txt"
        )
    if kind in (".mid", ".midi"):
        return write_midi(tune, path)
    drawn, axes = figure(7.6, 2.6)
    roll(axes, tune)
    if kind == ".png":
        return to_png(drawn, path)
    write_text(path, to_svg(drawn))
    return path


def write_midi(tune: Tune, path: Path) -> Path:
    """The notes as a MIDI file of one track, 120 quarter notes a minute. Raises UsageError without the package mido."""
    require("mido", "music")
    from mido import Message, MetaMessage, MidiFile, MidiTrack

    events = []
    for note in tune.notes:
        if 0 <= note.pitch < 128:
            events.append((note.start, 1, note.pitch))
            events.append((note.start + note.length, 0, note.pitch))  # at one time, ends come before beginnings
    track, now = MidiTrack([MetaMessage("set_tempo", tempo=_TEMPO)]), 0
    for time, on, pitch in sorted(events):
        tick = round(time * 4 * _TICKS)
        track.append(Message("note_on" if on else "note_off", note=pitch, velocity=80, time=tick - now))
        now = tick
    made = MidiFile(ticks_per_beat=_TICKS)
    made.tracks.append(track)
    buffer = io.BytesIO()
    made.save(file=buffer)
    write_bytes(path, buffer.getvalue())
    return path


def roll(axes: Any, tune: Tune, bar: Fraction | None = None) -> None:
    """Notes as bars: time to the right in whole notes, pitch upwards; `bar` draws a line after each bar."""
    for note in tune.notes:
        axes.barh(note.pitch, 0.94 * float(note.length), left=float(note.start), height=0.8, color=COLOURS[0])
    if bar is not None:
        for number in range(int(tune.length / bar) + 1):
            axes.axvline(float(number * bar), color=COLOURS[6], linewidth=0.5, alpha=0.6)
    pitches = [note.pitch for note in tune.notes] or [60]
    marks = [p for p in range(min(pitches), max(pitches) + 1) if p % 12 in _NAMED]
    axes.set_yticks(marks, [f"{_NAMED[p % 12]}{p // 12 - 1}" for p in marks])
    axes.grid(axis="x", visible=False)


def rolls(tunes: Sequence[Tune], names: Sequence[str], path: Path) -> Path:
    """Some tunes below one another."""
    drawn, axes = figure(7.6, 1.5 * len(tunes) + 0.4, len(tunes), 1, squeeze=False)
    for axis, tune, name in zip(axes[:, 0], tunes, names, strict=True):
        found = tune.metre.split("/")
        roll(axis, tune, Fraction(int(found[0]), int(found[1])) if len(found) == 2 and found[0].isdigit() else None)
        axis.set_title(name, fontsize=8.5)
    axes[-1, 0].set_xlabel("whole notes")
    return to_png(drawn, path)
