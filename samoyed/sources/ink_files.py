"""Pen strokes in XML: InkML, a drawing in each file, or the IAM On-Line database of handwritten lines.

InkML (W3C 2011): <trace>10 0, 9 14, 8 28</trace>, the channels in the order of <traceFormat>, by default X then Y; the text is an
<annotation type="truth"> (or label, transcript). Traces of differences (with ' or ") are not read.
IAM On-Line (Liwicki & Bunke 2005): strokes in lineStrokes/a01/a01-000/a01-000u-01.xml, the text of line 1 the first line after
"CSR:" in ascii/a01/a01-000/a01-000u.txt.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from samoyed.examples import Drawing
from samoyed.sources import Source
from samoyed.sources._paths import files_below
from samoyed.sources._reading import looks_like_text
from samoyed.sources.stroke_lines import Stroke, checked

_TRUTHS = ("truth", "label", "transcript", "text")
_LARGEST = 64 * 2**20  # bytes of a file
_LINE = re.compile(r"(.*)-(\d+)$")


class InkFiles(Source):
    """Reads InkML, and the line strokes of IAM On-Line with their transcripts. Damaged files are skipped and listed."""

    yields = "Drawing"
    reads = "a folder of InkML files, or of the IAM On-Line database (lineStrokes beside ascii)"
    usual = False

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.files = _files(path)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return bool(_files(path))

    def __len__(self) -> int:
        return len(self.files)

    def examples(self) -> Iterator[Drawing]:
        for file in self.files:
            found = _drawing(file)
            if isinstance(found, str):
                self.skip(str(file), found)
            else:
                yield found


def _files(path: Path) -> list[Path]:
    """The InkML files at `path`, else the line strokes of IAM On-Line below it."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".inkml" else []
    if not path.is_dir():
        return []
    below = files_below(path)
    ink = [file for file in below if file.suffix.lower() == ".inkml"]
    return ink or [file for file in below if file.suffix == ".xml" and "lineStrokes" in file.parts]


def _drawing(file: Path) -> Drawing | str:
    """The drawing in a file, or what is wrong with it."""
    try:
        if file.stat().st_size > _LARGEST:
            return f"it is larger than {_LARGEST // 2**20} MB"
        root = ElementTree.fromstring(file.read_bytes())
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
        return f"it is no XML: {error}"
    for part in root.iter():  # names without their namespace
        part.tag = str(part.tag).rpartition("}")[2]
    ink = file.suffix.lower() == ".inkml"
    strokes = _traces(root) if ink else _points(root)
    if isinstance(strokes, str):
        return strokes
    text = _truth(root) if ink else _transcript(file)
    return "there is no transcript of this line in ascii/" if text is None else checked(strokes, text, str(file))


def _traces(root: Any) -> list[Stroke] | str:
    """The traces of InkML as arrays [T, 2], or what is wrong with them."""
    names = [str(c.get("name", "")).upper() for c in root.iterfind(".//traceFormat//channel")] or ["X", "Y"]
    if "X" not in names or "Y" not in names:
        return "its traceFormat has no channels X and Y"
    x, y = names.index("X"), names.index("Y")
    found = []
    for number, trace in enumerate(root.iter("trace"), 1):
        rows = [point.split() for point in (trace.text or "").strip().rstrip(",").split(",") if point.strip()]
        try:
            found.append(np.array([[float(row[x]), float(row[y])] for row in rows], dtype=np.float64).reshape(-1, 2))
        except (ValueError, IndexError):
            return f"trace {number} holds something besides {' and '.join(names)} in numbers"
    return found


def _truth(root: Any) -> str:
    """What is written, from the annotation of the whole file where there is one; else nothing."""
    said = {str(a.get("type", "")).lower(): " ".join((a.text or "").split()) for a in root.findall("annotation")}
    return next((said[name] for name in _TRUTHS if said.get(name)), "")


def _points(root: Any) -> list[Stroke] | str:
    """The strokes of IAM On-Line as arrays [T, 2], or what is wrong with them."""
    found = []
    for number, stroke in enumerate(root.iter("Stroke"), 1):
        try:
            points = [[float(p.attrib["x"]), float(p.attrib["y"])] for p in stroke.iter("Point")]
        except (KeyError, ValueError):
            return f"stroke {number} has a Point without x and y in numbers"
        found.append(np.array(points, dtype=np.float64).reshape(-1, 2))
    return found


def _transcript(file: Path) -> str | None:
    """The line of text that belongs to a file of lineStrokes, or None."""
    line = _LINE.match(file.stem)
    at = len(file.parts) - 1 - file.parts[::-1].index("lineStrokes")
    if line is None:
        return None
    text = Path(*file.parts[:at], "ascii", *file.parts[at + 1 : -1], f"{line[1]}.txt")
    if not text.is_file() or not looks_like_text(text):
        return None
    said = text.read_text(encoding="utf-8", errors="replace").partition("CSR:")[2].split("\n")
    lines, number = [kept for row in said if (kept := row.strip())], int(line[2])
    return lines[number - 1] if 1 <= number <= len(lines) else None
