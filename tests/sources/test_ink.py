"""Pen strokes in XML: InkML and the layout of IAM On-Line."""

from pathlib import Path

import numpy as np
import pytest

from samoyed.errors import DataError
from samoyed.examples import Drawing
from samoyed.sources import open_splits

INK = """<?xml version="1.0" encoding="UTF-8"?>
<ink xmlns="http://www.w3.org/2003/InkML">
  <traceFormat><channel name="T" type="integer"/><channel name="Y" type="decimal"/><channel name="X" type="decimal"/></traceFormat>
  <annotation type="writer">somebody</annotation><annotation type="truth">a  bc</annotation>
  <trace id="0">0 1 2, 1 3 4,
    2 5.5 -6</trace><trace id="1">3 0 0</trace><trace id="2"></trace>
</ink>"""
LINE = """<?xml version="1.0" encoding="ISO-8859-1"?><WhiteboardCaptureSession><StrokeSet>
<Stroke colour="black"><Point x="1" y="2" time="0.1"/><Point x="3" y="4" time="0.2"/></Stroke>
<Stroke colour="black"><Point x="5" y="6" time="0.3"/></Stroke></StrokeSet></WhiteboardCaptureSession>"""


def read(path: Path) -> tuple[list[Drawing], list[tuple[str, str]]]:
    source = open_splits("Drawing", path)["all"]
    found = [e for e in source.examples() if isinstance(e, Drawing)]
    return found, [(Path(d.where).name, d.why) for d in source.damaged]


def plain(*traces: str) -> str:
    return "<ink>" + "".join(f"<trace>{trace}</trace>" for trace in traces) + "</ink>"


def test_inkml_is_read_by_its_channels(tmp_path: Path) -> None:
    (tmp_path / "a.inkml").write_text(INK)
    ((drawing,), damaged) = read(tmp_path)
    assert not damaged
    assert drawing.text == "a bc"
    assert [stroke.tolist() for stroke in drawing.strokes] == [[[2, 1], [4, 3], [-6, 5.5]], [[0, 0]]]


def test_inkml_without_a_format_is_x_then_y(tmp_path: Path) -> None:
    (tmp_path / "a.inkml").write_text(plain("10 0, 9 14, 8 28"))
    ((drawing,), _) = read(tmp_path / "a.inkml")
    assert drawing.text == ""
    np.testing.assert_array_equal(drawing.strokes[0], [[10, 0], [9, 14], [8, 28]])


def test_damaged_ink_is_counted(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.inkml").write_text(plain("1 2, 3 4"))
    laughs = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
    (tmp_path / "90.inkml").write_text(
        f'<!DOCTYPE ink [<!ENTITY a0 "ha ha ha">{laughs}]><ink><trace>&a11;</trace></ink>'
    )
    (tmp_path / "91.inkml").write_text(plain("1 2, '3 4"))
    (tmp_path / "92.inkml").write_bytes(b"\0\1\2")
    drawings, damaged = read(tmp_path)
    assert len(drawings) == 30
    assert [where for where, _ in damaged] == ["90.inkml", "91.inkml", "92.inkml"]
    assert all("no XML" in damaged[i][1] for i in (0, 2))
    assert damaged[1][1] == "trace 1 holds something besides X and Y in numbers"


def test_the_lines_of_iam_on_line_find_their_transcripts(tmp_path: Path) -> None:
    strokes, texts = tmp_path / "lineStrokes/a01/a01-000", tmp_path / "ascii/a01/a01-000"
    for folder in (strokes, texts):
        folder.mkdir(parents=True)
    for number in range(1, 12):
        (strokes / f"a01-000u-{number:02}.xml").write_text(LINE)
    said = "OCR:\n\nA MOVE to stop\n\nCSR:\n\n" + "\n".join(f"line {n}" for n in range(1, 11)) + "\n"
    (texts / "a01-000u.txt").write_text(said)
    drawings, damaged = read(tmp_path)
    assert [d.text for d in drawings] == [f"line {n}" for n in range(1, 11)]
    assert [s.tolist() for s in drawings[0].strokes] == [[[1, 2], [3, 4]], [[5, 6]]]
    assert damaged == [("a01-000u-11.xml", "there is no transcript of this line in ascii/")]


def test_a_folder_of_other_xml_is_no_ink(tmp_path: Path) -> None:
    (tmp_path / "pom.xml").write_text(LINE)
    with pytest.raises(DataError):
        open_splits("Drawing", tmp_path)
