"""Tunes in ABC notation: pitches, lengths and bars worked out by hand, and everything that is not well formed named."""

from fractions import Fraction

import mido
import pytest

from samoyed import samples
from samoyed.errors import DataError, UsageError
from samoyed.features.abc_notation import read_tune, read_tunes
from samoyed.reporting import music

HEAD = "X:1\nT:A tune\nM:4/4\nL:1/8\n"


def notes(body: str, key: str = "C", head: str = HEAD) -> list[tuple[int, str]]:
    """(MIDI's number, length in whole notes) of each note of a body that is well formed or cut short."""
    return [(n.pitch, str(n.length)) for n in read_tune(f"{head}K:{key}\n{body}").notes]


@pytest.mark.parametrize(
    ("body", "key", "wanted"),
    [
        ("C,Cc c' B,,", "C", [(48, "1/8"), (60, "1/8"), (72, "1/8"), (84, "1/8"), (47, "1/8")]),
        ("C2 D/2 E/ F// G3/2 A/4", "C", [(60, "1/4"), (62, "1/16"), (64, "1/16"), (65, "1/32"), (67, "3/16"), (69, "1/32")]),
        ("F C G", "D", [(66, "1/8"), (61, "1/8"), (67, "1/8")]),
        ("B E A", "Bb", [(70, "1/8"), (63, "1/8"), (69, "1/8")]),
        ("F c", "Em", [(66, "1/8"), (72, "1/8")]),
        ("F C B", "Ador", [(66, "1/8"), (60, "1/8"), (71, "1/8")]),
        ("F C", "D mixolydian", [(66, "1/8"), (60, "1/8")]),
        ("^F F|F =B _B B __A ^^G", "C", [(66, "1/8")] * 2 + [(65, "1/8"), (71, "1/8"), (70, "1/8"), (70, "1/8"), (67, "1/8"), (69, "1/8")]),
        ("=F F|F", "G", [(65, "1/8"), (65, "1/8"), (66, "1/8")]),
        ("A>B c<d e>>f", "C", [(69, "3/16"), (71, "1/16"), (72, "1/16"), (74, "3/16"), (76, "7/32"), (77, "1/32")]),
        ("(3ABc d (2ef", "C", [(69, "1/12"), (71, "1/12"), (72, "1/12"), (74, "1/8"), (76, "3/16"), (77, "3/16")]),
        ("[CEG]2 z x2 G", "C", [(60, "1/4"), (64, "1/4"), (67, "1/4"), (67, "1/8")]),
        ("C2-C G-|G", "C", [(60, "3/8"), (67, "1/4")]),
        ('"Am"A !trill!~B {cd}e .f', "C", [(69, "1/8"), (71, "1/8"), (76, "1/8"), (77, "1/8")]),
    ],
)  # fmt: skip
def test_notes_by_hand(body: str, key: str, wanted: list[tuple[int, str]]) -> None:
    assert notes(body, key) == wanted


def test_time_goes_on_over_rests_and_chords() -> None:
    tune = read_tune(f"{HEAD}K:C\n[CE]2 z2 G4|z8|]")
    assert [(n.pitch, n.start) for n in tune.notes] == [(60, 0), (64, 0), (67, Fraction(1, 2))]
    assert tune.length == 2
    assert tune.wrong == []
    assert (tune.title, tune.metre, tune.key) == ("A tune", "4/4", "C")


@pytest.mark.parametrize(
    "body",
    [
        "C8|D8|]",
        "G2|C8|D6|]",  # an upbeat, and a last bar that makes up for it
        "|:C2|C8|D6:|",
        "|:C8|D6:|:D2|E8:|",
        "C4 D4|1E8:|2F8||G8|[1 A8:|[2 B8|]",
        "|:C8::D8:|",
        "C2D2 E2F2|\\\nC8|]",
    ],
)
def test_bars_that_are_well_formed(body: str) -> None:
    assert read_tune(f"{HEAD}K:C\n{body}").wrong == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (f"{HEAD}K:C\nC8|D7|E8|]", ["bar 2 is 7/8 long, and 1 is asked"]),
        (f"{HEAD}K:C\nC9|D8|]", ["bar 1 is 9/8 long, and 1 is asked"]),
        (f"{HEAD}K:C\nC8|D8", ["the last bar is not closed"]),
        (f"{HEAD}K:C\nC8|&8|]", ["'&' after bar 1 is not understood", "'8' after bar 1 is not understood"]),
        (f"{HEAD}K:H\nC8|]", ["K:H is no key"]),
        ("X:1\nM:4\nL:1/8\nK:C\nC8|]", ["M:4 is no metre"]),
        ("X:1\nL:0/8\nK:C\nC8|]", ["L:0/8 is no length"]),
        ("M:4/4\nK:C\nC8|]", ["the field X: is missing"]),
        ("X:1\nC8|]", ["the field K: is missing"]),
        (f"{HEAD}K:C\nC4\nM:3/4\nC4|]", ["the field M: in the midst of the tune is not read"]),
        (f"{HEAD}K:C\nz8|]", ["there is no note"]),
        (f"{HEAD}K:C\nC99999 C/0|]", ["99999 after bar 0 is no length", "/0 after bar 0 is no length"]),
    ],
)
def test_what_is_wrong_is_named(text: str, wrong: list[str]) -> None:
    assert read_tune(text).wrong == wrong


def test_any_text_is_read_without_an_error() -> None:
    import random

    draw = random.Random(0)
    for _ in range(300):
        read_tune("X:1\nK:C\n" + "".join(draw.choice("ABcd|[]()(3:2,'^_=/<>-z2 \n\"!{}9K:é") for _ in range(60)))


def test_the_sample_is_well_formed_and_new_throughout() -> None:
    text = samples.load("composed_tunes")[0][0].text
    tunes = read_tunes(text[: text.index("X:121\n")])
    assert len(tunes) == 120
    assert not any(tune.wrong for tune in tunes)
    assert len({tuple(tune.notes) for tune in tunes}) == 120
    assert {tune.metre for tune in tunes} == {"4/4", "3/4", "6/8"}


def test_midi_holds_the_notes(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    text = f"before\n\n{HEAD}K:G\nF2 z2 [CG]4|]\n"
    music.write(text, folder / "x.mid")
    found, now, sounding = [], 0, {}
    for message in mido.MidiFile(folder / "x.mid").tracks[0]:
        now += message.time
        if message.type == "note_on":
            sounding[message.note] = now
        elif message.type == "note_off":
            found.append((message.note, sounding.pop(message.note), now))
    assert sorted(found) == [(60, 960, 1920), (66, 0, 480), (67, 960, 1920)]
    assert music.write(text, folder / "x.abc").read_text() == text
    assert music.write(text, folder / "x.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(DataError, match="no tune in ABC notation"):
        music.write("to be or not", folder / "y.mid")
    with pytest.raises(UsageError, match=r"end it in \.txt"):
        music.write(text, folder / "y.wav")
